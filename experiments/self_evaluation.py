"""Self evaluation of the method's parts: table 4 (section 5.3).

Protocol: the four variants are trained alike and restore test clips blurred by averaging 7 frames; judged as in
landmark_localization.py. Several seeds of a variant are shown as their mean and standard deviation. Variants that are
not trained are left out.

    for EXP in identity_nohg_only2mf2 identity_nohg no_identity final; do make train EXP=$EXP; done
    python experiments/self_evaluation.py                                 the demo corpus
    python experiments/self_evaluation.py --runs outputs/ablations        what a sweep of them left
    python experiments/self_evaluation.py data=vw300 data.root=~/300VW    the paper's corpus
"""

from __future__ import annotations

from facedeblur.experiment_driver import VARIANTS, caption, evaluate, finish, labelled, parse, run, trained_runs
from facedeblur.report.evaluation import evaluation_report
from facedeblur.report.variants import variant_table

NAME, BLUR = "self_evaluation", "pravg7"


def main(argv: list[str] | None) -> int:
    options = parse(__doc__, argv)
    methods = [*labelled(trained_runs(options, VARIANTS)), *options.methods]
    rows = evaluate(options, NAME, [BLUR], methods)
    report = evaluation_report(rows, "Self evaluation (table 4)")
    table = variant_table(rows, BLUR, "Table 4: variants of the method under PrAvg 7", [caption(rows)])
    report.section("Table 4", report.table("table-4", table), at=1)
    return finish(options, NAME, report, ["table-4"])


if __name__ == "__main__":
    run(main)
