"""`facedeblur evaluate`: from the composed configuration to rows, and the lines that are printed of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from facedeblur.evaluation.rows import own_columns, read_rows
from facedeblur.evaluation.runner import Evaluation
from facedeblur.evaluation.settings import EvaluationSettings
from facedeblur.metrics.landmarks import LIMIT, auc, failure_rate
from facedeblur.report.summary import finite_mean
from facedeblur.signals import sigterm_as_interrupt


def evaluate(settings: EvaluationSettings) -> None:
    """Runs an evaluation and prints a summary. Raises UsageError."""
    evaluation = Evaluation(settings)
    with sigterm_as_interrupt():
        evaluation.run()
    Console(width=max(110, Console().width)).print(summary_table(read_rows(settings.folder, SUMMARY_COLUMNS)))
    print(f"evaluation folder: {settings.folder} (rows/, images/, protocol.json)")


SUMMARY_COLUMNS = ["blur", "method", "landmark_error", "psnr", "ssim", "identity_cosine", "seconds", "flags"]


def summary(rows: pa.Table) -> dict[tuple[str, str], dict[str, float]]:
    """(blur, method) -> images, auc, failure_rate, psnr, ssim, cosine, seconds, flagged and the means of metrics of
    the user's own, over all its rows."""
    own = own_columns(rows)
    found: dict[tuple[str, str], dict[str, float]] = {}
    columns = {name: rows.column(name).to_numpy(zero_copy_only=False) for name in [*SUMMARY_COLUMNS, *own]}
    keys = list(zip(columns["blur"], columns["method"], strict=True))
    for key in dict.fromkeys(keys):
        mine = np.array([k == key for k in keys])
        errors = columns["landmark_error"][mine].astype(float)
        errors = errors[~np.isnan(errors)]  # without truth there is no error
        found[key] = {
            "images": int(mine.sum()),
            "auc": auc(errors) if len(errors) else float("nan"),
            "failure_rate": failure_rate(errors) if len(errors) else float("nan"),
            "psnr": finite_mean(columns["psnr"][mine]),
            "ssim": finite_mean(columns["ssim"][mine]),
            "cosine": finite_mean(columns["identity_cosine"][mine]),
            "seconds": finite_mean(columns["seconds"][mine]),
            "flagged": int(np.count_nonzero(columns["flags"][mine] != "")),
            **{name: finite_mean(columns[name][mine]) for name in own},
        }
    return found


def summary_table(rows: pa.Table) -> Table:
    """One table for all blurs; `facedeblur report` makes the real ones."""
    table = Table(title=f"AUC at {LIMIT}; failures above it", title_justify="left")
    own = own_columns(rows)
    given = ("blur", "method", "images", "AUC", "failures %", "PSNR", "SSIM", "cosine", "ms/image", "flagged")
    for name in (*given, *own):
        table.add_column(name, justify="left" if name in ("blur", "method") else "right")
    for (blur, method), s in summary(rows).items():
        table.add_row(
            blur, method, str(s["images"]), f"{s['auc']:.3f}", f"{100 * s['failure_rate']:.2f}", f"{s['psnr']:.2f}",
            f"{s['ssim']:.4f}", f"{s['cosine']:.3f}", f"{1000 * s['seconds']:.1f}", str(s["flagged"]),
            *(f"{s[name]:.4g}" for name in own),
        )  # fmt: skip
    return table


def summary_text(rows: pa.Table) -> str:
    """`summary_table` as plain text."""
    console = Console(width=110, color_system=None)
    with console.capture() as text:
        console.print(summary_table(rows))
    return text.get()
