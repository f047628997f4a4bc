"""Landmark localisation: tables 5, 6 and 7, figures 9 to 12 (section 5.4).

Protocol: every test clip is blurred by averaging 7, 9, 11, 15 and 21 frames, by variable length averaging, and by
synthetic (trajectory) kernels on the ground truths of the latter; each method restores the crops; a localiser finds 68
landmarks in them. The error is the mean distance to the true landmarks over the diagonal of their box; AUC and failure
rate are at 0.08, and a face that is not found is a failure. Beside it SSIM, and the cosine between the embeddings of
the restored and the sharp face. Rows: blurred, oracle, the trained `final`, and whatever --methods names: `all` are the
compared methods that need no weights, and `nah17:FILE` and the like add networks with their authors' (docs/methods.md).

    python experiments/landmark_localization.py                           the demo corpus, minutes on two cores
    python experiments/landmark_localization.py data=vw300 data.root=~/300VW    the paper's corpus
    python experiments/landmark_localization.py --methods all data=clips data.root=~/videos images=100
    python experiments/landmark_localization.py --methods my.py:Method data=clips data.root=~/videos images=200
"""

from __future__ import annotations

from facedeblur.experiment_driver import evaluate, finish, labelled, parse, run, trained_runs
from facedeblur.report.evaluation import evaluation_report
from facedeblur.report.plots import ced_figure, cosine_figure

NAME = "landmark_localization"
BLURS = ("pravg7", "pravg9", "pravg11", "pravg15", "pravg21", "vla", "trajectory")
FIRST, SECOND = ("pravg7", "pravg11", "pravg15"), ("pravg21", "vla", "trajectory")  # the panels of figures 9 and 10


def main(argv: list[str] | None) -> int:
    options = parse(__doc__, argv)
    methods = [*labelled(trained_runs(options, ["final"])), *options.methods]
    rows = evaluate(options, NAME, BLURS, methods)
    report = evaluation_report(rows, "Landmark localisation (tables 5-7)", tables=(5, 6, 7))
    figures = [
        report.figure(name, figure, alt, wide=True)
        for name, figure, alt in (
            ("figure-9", ced_figure(rows, FIRST), "CED curves under PrAvg 7, 11 and 15"),
            ("figure-10", ced_figure(rows, SECOND), "CED curves under PrAvg 21, VLA and synthetic blur"),
            ("figure-11", cosine_figure(rows, FIRST), "cosine curves under PrAvg 7, 11 and 15"),
            ("figure-12", cosine_figure(rows, SECOND), "cosine curves under PrAvg 21, VLA and synthetic blur"),
        )
        if figure
    ]
    report.section("Figures 9 to 12", *figures, at=3)
    return finish(options, NAME, report, [name for name in report.tables if name.startswith("table-")])


if __name__ == "__main__":
    run(main)
