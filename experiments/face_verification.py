"""Face verification: table 8 (section 5.5).

Protocol: the videos are blurred by averaging 7 and 11 frames and restored; a video is the mean embedding of its
restored faces, a pair is "the same person" when the cosine of the two reaches a threshold; each fold is tested with the
threshold that is best on the others; mean and standard deviation over the folds. On YouTube Faces the published ten
folds; on other corpora balanced pairs of half videos, nobody in two folds, fewer folds where there are few people.

    python experiments/face_verification.py                               the demo corpus, minutes on two cores
    python experiments/face_verification.py --methods all data=clips data.root=~/videos images=100
    python experiments/face_verification.py data=ytf data.root=~/YouTubeFaces
"""

from __future__ import annotations

from facedeblur.experiment_driver import caption, evaluate, finish, labelled, parse, published_pairs, run, trained_runs
from facedeblur.report.evaluation import evaluation_report
from facedeblur.report.verification import face_verification

NAME, BLURS = "face_verification", ("pravg7", "pravg11")


def main(argv: list[str] | None) -> int:
    options = parse(__doc__, argv)
    methods = [*labelled(trained_runs(options, ["final"])), *options.methods]
    pairs = published_pairs(options)  # first of all: what is wrong with the list is said before hours of work
    rows = evaluate(options, NAME, BLURS, methods)
    table = face_verification(rows, pairs, "Table 8: face verification").noted(caption(rows))
    report = evaluation_report(rows, "Face verification (table 8)")
    report.section("Table 8", report.table("table-8", table), at=1)
    return finish(options, NAME, report, ["table-8"])


if __name__ == "__main__":
    run(main)
