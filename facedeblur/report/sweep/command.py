"""`facedeblur report outputs/<sweep>`: the sweep's page, its tables as files, and the same again while it runs."""

from __future__ import annotations

import argparse
import base64
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.files import check_place, write_atomic
from facedeblur.report.sweep.page import main_figure, sweep_page
from facedeblur.report.sweep.read import Sweep, is_sweep, read_sweep
from facedeblur.report.sweep.tables import cost_table, matrix_table, schedules_of, variant_table
from facedeblur.report.table_formats import comma_separated, latex, markdown
from facedeblur.status import is_over

WATCH_SECONDS = 20


def write_report(folder: Path, refresh: int = 0, quiet: bool = False) -> Sweep:
    """Writes `report/index.html` into the sweep's folder; beside it tables as Markdown, LaTeX and CSV, and a figure.

    Args:
        refresh: seconds after which the page loads itself again; 0 never.
        quiet: do not print the table and where the page is.

    Raises:
        UsageError: there is no run in the folder.
    """
    sweep = read_sweep(folder)
    target = folder / "report"
    tables = {"variants": variant_table(sweep), "cost": cost_table(sweep)}
    if len(schedules_of(sweep)) > 1:
        tables["blurs"] = matrix_table(sweep)
    for name, table in tables.items():
        for suffix, write in ((".md", markdown), (".tex", latex), (".csv", comma_separated)):
            write_atomic(target / f"{name}{suffix}", write(table))
    figure = main_figure(sweep)
    if figure:
        write_atomic(target / "figure.svg", base64.b64decode(figure.partition(",")[2]))
    write_atomic(target / "index.html", sweep_page(sweep, refresh))
    if not quiet:
        print(markdown(tables["variants"]))
        print(f"page: {target / 'index.html'}")
        if any(run.state == "done" for run in sweep.runs):
            print(f"landmarks, identity and SSIM under all blurs: {evaluate_command(sweep)}")
    return sweep


def evaluate_command(sweep: Sweep) -> str:
    """The command line that has judges score every finished run, on the videos it was validated on."""
    done = [run for run in sweep.runs if run.state == "done"]
    data = done[0].config.get("data") or {}
    words = [f"name={sweep.name}", "method=" + ",".join(f"{run.name}={run.folder}" for run in done)]
    words += [f"data={data['name']}"] if data.get("name") else []
    words += [f"data.{key}={data[key]}" for key in ("root", "val_root") if data.get(key)]
    return shlex.join(["facedeblur", "evaluate", *words])


def watch(folder: Path, seconds: int = WATCH_SECONDS) -> None:
    """Writes the page again and again until no run is running, and none is waiting for a launcher that still works."""
    while True:
        over = is_over(folder)  # before the page: a job that starts meanwhile is running in it
        sweep = write_report(folder, refresh=seconds, quiet=True)
        states = {run.state for run in sweep.runs}
        if "running" not in states and ("waiting" not in states or over):
            write_report(folder)  # the last page stands still
            return
        time.sleep(seconds)


def main(argv: Sequence[str]) -> int:
    """The command; returns its exit status. Raises UsageError for a folder without runs."""
    parser = argparse.ArgumentParser(prog="facedeblur report <sweep folder>", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the sweep, e.g. outputs/ablations")
    parser.add_argument("--watch", action="store_true", help="write the page anew while the sweep runs; it refreshes")
    parser.add_argument("--wandb", action="store_true", help="save a wandb workspace that compares the variants, too")
    parser.add_argument("--entity", help="wandb's user or team of that workspace (default: yours)")
    parser.add_argument("--every", type=int, default=WATCH_SECONDS, help="seconds between two pages (%(default)s)")
    arguments = parser.parse_args(argv)
    check_place(arguments.folder / "report", "report", folder=True)
    if arguments.wandb:
        print(f"workspace: {_workspace(arguments.folder, arguments.entity)}")
    if arguments.watch:
        print(f"page: {arguments.folder / 'report' / 'index.html'} (open it once; Ctrl-C ends watching, not the sweep)")
        watch(arguments.folder, max(1, arguments.every))
    else:
        write_report(arguments.folder)
    return 0


def _workspace(folder: Path, entity: str | None) -> str:
    from facedeblur.report.sweep.workspace import save_workspace

    configs = [run.config for run in read_sweep(folder).runs if run.config]
    names = {(config.get("sweep") or {}).get("name") or config["experiment"] for config in configs}
    projects = {(config.get("logger") or {}).get("project", "facedeblur") for config in configs}
    if len(names) != 1 or len(projects) != 1:
        raise UsageError(f"--wandb: the runs in {folder} are of no single sweep and project: {names}, {projects}")
    return save_workspace(names.pop(), projects.pop(), entity)


__all__ = ["is_sweep", "main", "watch", "write_report"]
