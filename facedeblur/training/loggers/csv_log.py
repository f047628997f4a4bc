"""metrics.csv: appended to, never deleted, and cut back to the checkpoint when a run is resumed."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from facedeblur.files import write_atomic


class MetricsCsv(Logger):
    """One row per logged step, one column per metric, an empty cell where a step has no such metric.

    Args:
        path: the file; rows already in it stay.
        resume_step: rows after this generator step are dropped: they will be computed again.
        unvalidated: so are the scores of that step itself.
    """

    def __init__(self, path: str | Path, resume_step: int | None = None, unvalidated: bool = False):
        super().__init__()
        self.path = Path(path)
        self.columns: list[str] = ["step"]
        if self.path.exists():
            rows = self.rows()
            if rows:
                self.columns = list(rows[0])
            if resume_step is not None:
                kept = [row for row in rows if int(row["step"]) <= resume_step]
                if unvalidated:
                    scored = [key for key in self.columns if key.startswith("val/")]
                    kept = [row for row in kept if int(row["step"]) < resume_step or not any(row[k] for k in scored)]
                self._rewrite(kept)

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    def rows(self) -> list[dict[str, str]]:
        """All rows written so far, as text; a row torn by a kill is left out."""
        with open(self.path, newline="", encoding="utf-8") as file:
            return [row for row in csv.DictReader(file) if None not in row.values()]

    @rank_zero_only
    def log_hyperparams(self, params, *args, **kwargs) -> None:
        """The run folder's config.yaml holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        row = {"step": step, **{key: f"{float(value):.6g}" for key, value in metrics.items()}}
        new = [key for key in row if key not in self.columns]
        if new or not self.path.exists():
            rows = self.rows() if self.path.exists() else []
            self.columns += new
            self._rewrite([*rows, row])
            return
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerow(row)

    def _rewrite(self, rows: list[dict]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns)
        writer.writeheader()
        writer.writerows(rows)
        write_atomic(self.path, text.getvalue())
