"""Plots for pages and papers: CED and cosine curves as SVG and PNG, distinguishable in black and white as well."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facedeblur.files import write_atomic
from facedeblur.metrics.identity import cumulative
from facedeblur.metrics.landmarks import LIMIT, area_shares, ced
from facedeblur.report.rows import BLURRED, ORACLE, Rows
from facedeblur.report.summary import blur_title, ordered_methods

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# colours of different lightness; dash and marker differ as well, so that grey prints and colour-blind readers lose
# nothing
COLOURS = ("#0b4f8a", "#d1601f", "#6db98a", "#7d2a68", "#b58a0a", "#4aa3c7", "#8c3b1d", "#5a5f94")
DASHES = ("-", (0, (6, 2)), (0, (6, 2, 1.5, 2)), (0, (3, 1.5)), (0, (8, 2, 1.5, 2, 1.5, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
REFERENCES = {
    BLURRED: {"color": "#6f6f6f", "linestyle": (0, (1.2, 1.4)), "marker": "", "linewidth": 1.8},
    ORACLE: {"color": "#000000", "linestyle": "-", "marker": "", "linewidth": 1.0},
}
RC = {
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e6e9",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.handlelength": 3.2,
    "svg.fonttype": "path",
    "svg.hashsalt": "facedeblur",
}


@dataclass(frozen=True)
class Curve:
    """One line of a panel: a method's name, what the legend adds to it, and its points."""

    method: str
    note: str
    x: np.ndarray
    y: np.ndarray


def line_style(method: str, methods: Sequence[str]) -> dict:
    """How `method` is drawn: fixed for blurred and oracle, else by its place among the other `methods`.

    Of any 35 methods no two share dash and marker.
    """
    if method in REFERENCES:
        return dict(REFERENCES[method])
    place = [name for name in methods if name not in REFERENCES].index(method)
    return {
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": DASHES[place % len(DASHES)],
        "marker": MARKERS[place % len(MARKERS)],
        "linewidth": 1.6,
        "markersize": 4.5,
    }


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's settings for everything that is drawn or saved inside the block."""
    import matplotlib

    with matplotlib.rc_context(RC):
        yield


def new_figure(panels: int, width: float = 4.2, height: float = 3.4) -> tuple[Figure, list]:
    """A figure with `panels` axes side by side (inches each), independent of any display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * panels, height), layout="constrained")
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def ced_curve(rows: Rows, method: str, blur: str) -> Curve | None:
    """Cumulative error distribution on [0, 0.08]; None without landmark errors."""
    errors = rows.where(method=method, blur=blur).known("landmark_error")
    if not len(errors):
        return None
    x = np.linspace(0, LIMIT, 401)
    return Curve(method, f"AUC {area_shares(errors).mean():.3f}", x, ced(errors, x))


def cosine_curve(rows: Rows, method: str, blur: str, low: float) -> Curve | None:
    """Cumulative distribution of the cosine to the sharp face's embedding on [low, 1]; None without embeddings."""
    cosines = rows.where(method=method, blur=blur).known("identity_cosine")
    if not len(cosines):
        return None
    x = np.linspace(low, 1, 401)
    return Curve(method, f"mean {cosines.mean():.3f}", x, cumulative(cosines, x))


def draw_curves(axis, curves: Sequence[Curve], methods: Sequence[str], title: str, x: str, y: str) -> None:
    """Draws the curves of one panel; markers of different curves are set at different places."""
    for i, curve in enumerate(curves):
        every = len(curve.x) // 8
        style = line_style(curve.method, methods)
        label = f"{curve.method} ({curve.note})" if curve.note else curve.method
        axis.plot(curve.x, curve.y, label=label, markevery=(i * every // max(1, len(curves)), every), **style)
    axis.set_title(title, loc="left")
    axis.set_xlabel(x)
    axis.set_ylabel(y)


def ced_figure(rows: Rows, blurs: Sequence[str], methods: Sequence[str] = ()) -> Figure | None:
    """CED plots (figures 9 and 10), one panel a blur, of the top three with blurred and oracle, or of `methods`."""

    def curves(blur: str) -> list[Curve | None]:
        return [ced_curve(rows, method, blur) for method in methods or top_methods(rows, blur)]

    return _curves_figure(rows, blurs, curves, "error / diagonal of the true box", "lower right")


def cosine_figure(rows: Rows, blurs: Sequence[str], methods: Sequence[str] = (), count: int = 4) -> Figure | None:
    """Cosine distribution plots (figures 11, 12 and 18) of the top four with blurred, or of `methods`.

    The sharp face is not shown: its cosine is 1 by definition.
    """

    def curves(blur: str) -> list[Curve | None]:
        cosines = rows.where(blur=blur).known("identity_cosine")
        low = float(np.floor(10 * np.quantile(cosines, 0.01)) / 10) if len(cosines) else 0.0
        shown = methods or top_methods(rows, blur, count, "identity_cosine")
        return [cosine_curve(rows, method, blur, min(low, 0.9)) for method in shown if method != ORACLE]

    return _curves_figure(rows, blurs, curves, "cosine to the sharp face (right is better)", "upper left")


@house_style()
def _curves_figure(
    rows: Rows, blurs: Sequence[str], curves: Callable[[str], list[Curve | None]], x: str, legend: str
) -> Figure | None:
    """One panel for each blur that has curves, the curves over their whole range; None where no blur has any."""
    everything = ordered_methods(rows)
    panels = [(blur, drawn) for blur in blurs if (drawn := [curve for curve in curves(blur) if curve])]
    if not panels:
        return None
    figure, axes = new_figure(len(panels))
    for axis, (blur, drawn) in zip(axes, panels, strict=True):
        title = f"{blur_title(blur)} ({len(set(rows.where(blur=blur).image_keys())):,} images)"
        draw_curves(axis, drawn, everything, title, x, "share of images")
        axis.set(xlim=(drawn[0].x[0], drawn[0].x[-1]), ylim=(0, 1))
        axis.legend(loc=legend, fontsize=8)
    return figure


def top_methods(rows: Rows, blur: str, count: int = 3, column: str = "landmark_error") -> list[str]:
    """Blurred, the best `count` methods under `blur`, and oracle: what fits into one plot."""
    under = rows.where(blur=blur)
    present = [method for method in ordered_methods(rows) if method in set(under.distinct("method"))]

    def merit(method: str) -> float:
        values = under.where(method=method).known(column)
        shares = area_shares(values) if column == "landmark_error" else values
        return float(shares.mean()) if len(shares) else -np.inf

    between = sorted((m for m in present if m not in (BLURRED, ORACLE)), key=merit)[-count:]
    return [m for m in present if m in (BLURRED, ORACLE) or m in between]


def svg_uri(figure: Figure) -> str:
    """The figure as a data URI of an SVG."""
    return f"data:image/svg+xml;base64,{base64.b64encode(_rendered(figure, 'svg')).decode()}"


def write_figure(stem: Path, figure: Figure) -> list[Path]:
    """Writes `stem`.svg and `stem`.png (150 dpi), atomically, the same bytes for the same figure."""
    paths = []
    for kind in ("svg", "png"):
        paths.append(stem.with_name(f"{stem.name}.{kind}"))
        write_atomic(paths[-1], _rendered(figure, kind))
    return paths


def _rendered(figure: Figure, kind: str) -> bytes:
    file = io.BytesIO()
    with house_style():
        figure.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()
