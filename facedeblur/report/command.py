"""`facedeblur report FOLDER...`: tables, plots and one page from what evaluations and sweeps left on the disk."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.files import check_place
from facedeblur.report.rows import is_evaluation
from facedeblur.report.sweep.read import is_sweep

EXAMPLES = """\
examples:
  facedeblur report outputs/evaluation/helen              -> outputs/evaluation/helen/report/index.html
  facedeblur report outputs/ablations --watch             the page of a sweep, also while it runs
  facedeblur report outputs/evaluation/a outputs/evaluation/b --out both
                                                          two evaluations of the same images in one report
"""


def main(argv: Sequence[str]) -> int:
    """Makes the report of a sweep, or of evaluations joined; prints where it is. Returns the exit status."""
    of_sweep = {"--watch", "--wandb"} & set(argv)  # a sweep that has just begun may not have its folder yet
    if of_sweep or any(is_sweep(Path(word)) for word in argv if not word.startswith("-")):
        from facedeblur.report.sweep.command import main as report_sweep

        return report_sweep(argv)
    parser = argparse.ArgumentParser(
        prog="facedeblur report",
        description="Tables (Markdown, LaTeX, CSV), plots (SVG, PNG) and one self-contained HTML page.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="what `facedeblur evaluate` wrote")
    parser.add_argument("--out", type=Path, help="where the report goes (default: FOLDER/report)")
    parser.add_argument("--title", help="heading of the page (default: the folder's name)")
    parser.add_argument(
        "--cases", type=int, default=2, metavar="N", help="best, median and worst images in each gallery (default 2)"
    )
    options = parser.parse_args(argv)
    for folder in options.folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; `facedeblur evaluate` makes one to report on")
    if all(map(is_evaluation, options.folders)):
        return _report_evaluation(options)
    strange = next(folder for folder in options.folders if not is_evaluation(folder))
    raise UsageError(f"{strange}: nothing to report on: no rows/*.parquet of `facedeblur evaluate`")


def _report_evaluation(options: argparse.Namespace) -> int:
    from facedeblur.report.evaluation import evaluation_report
    from facedeblur.report.rows import read_rows

    out = options.out or (options.folders[0] / "report" if len(options.folders) == 1 else Path("report"))
    check_place(out, "--out", folder=True)
    rows = read_rows(options.folders)
    title = options.title or f"Evaluation: {', '.join(folder.resolve().name for folder in options.folders)}"
    report = evaluation_report(rows, title, options.cases)
    page = report.write(out)
    for name in [name for name in report.tables if name.startswith("landmarks-")] or ["scores"]:
        print(report.text(name))
    print(
        f"{page} ({page.stat().st_size / 1e6:.1f} MB), with {len(report.tables)} tables and {len(report.figures)} plots"
    )
    return 0
