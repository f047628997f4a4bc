"""The command line of the parts that measure videos: `python -m benchmarks.<part> [clips] [--rounds N]`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

Report = Callable[[Path | None, Path, int], Iterator[str]]  # clips, a folder to work in, rounds -> lines


def parser(part: str, description: str, clips: str, rounds: int = 3) -> argparse.ArgumentParser:
    """Takes `clips`, which are what the words `clips` say, or none, and how many `rounds`."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{part}", description=description)
    made.add_argument("clips", type=Path, nargs="?", help=f"{clips} (default: rendered here)")
    made.add_argument("--rounds", type=int, default=rounds, help="paired turns per ratio")
    return made


def show(report: Report, arguments: argparse.Namespace) -> None:
    """Prints the lines of a report as they are measured."""
    with tempfile.TemporaryDirectory() as directory:
        for text in report(arguments.clips, Path(directory), arguments.rounds):
            print(text, flush=True)
