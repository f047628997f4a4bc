"""`facedeblur.make_report`: the page of an evaluation, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.extras import need
from facedeblur.report.evaluation import evaluation_report
from facedeblur.report.rows import is_evaluation, read_rows


def make_report(folders: Sequence[str | Path], out: str | Path | None = None, title: str | None = None) -> Path:
    """Writes tables, plots and the page of evaluations joined; see `facedeblur.make_report`."""
    need("make_report", "matplotlib")
    places = [Path(folder) for folder in folders]
    strange = next((place for place in places if not is_evaluation(place)), None)
    if strange is not None or not places:
        raise UsageError(f"{strange or 'make_report'}: no rows of an evaluation to report on")
    heading = title or f"Evaluation: {', '.join(place.resolve().name for place in places)}"
    return evaluation_report(read_rows(places), heading).write(Path(out) if out else places[0] / "report")
