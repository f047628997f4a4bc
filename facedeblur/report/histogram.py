"""Histograms as SVG: bars of one width, the axis labelled at both ends and in the middle."""

from __future__ import annotations

from collections.abc import Iterable

from facedeblur.report.html import Html, element

WIDTH, HEIGHT, MARGIN = 460, 170, 34  # in pixels


def histogram(bars: Iterable[tuple[float, int]], width: float, title: str) -> Html:
    """An SVG of (lower edge, count) bars of one width, with the axis labelled at both ends and in the middle."""
    bars = list(bars)
    low, high = min(edge for edge, _ in bars), max(edge for edge, _ in bars) + width
    most = max(count for _, count in bars)

    def x(value: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * (value - low) / (high - low)

    def height(count: int) -> float:
        return (HEIGHT - 2 * MARGIN) * count / most

    floor = HEIGHT - MARGIN
    drawn = [
        element(
            "rect",
            element("title", f"{edge:g}: {count:,}"),
            x=f"{x(edge):.1f}",
            y=f"{floor - height(count):.1f}",
            width=f"{max(x(edge + width) - x(edge) - 1, 1):.1f}",
            height=f"{height(count):.1f}",
            fill="currentColor",
            opacity="0.65",
        )
        for edge, count in bars
        if count
    ]
    ticks = (low, round((low + high) / 2, 3), round(high, 3))
    labels = [_label(x(value), floor + 16, f"{value:g}") for value in ticks]
    labels += [_label(WIDTH / 2, HEIGHT - 2, title), _label(MARGIN, MARGIN - 10, f"{most:,}")]
    line = element("line", x1=MARGIN, x2=WIDTH - MARGIN, y1=floor, y2=floor, stroke="currentColor")
    return element("svg", *drawn, line, *labels, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title)


def _label(x: float, y: float, text: str) -> Html:
    return element("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor="middle", font_size=12, fill="currentColor")
