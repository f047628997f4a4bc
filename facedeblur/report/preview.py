"""preview.png: rows of blurry | hourglass | deblurred | sharp | absolute error."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

HEADER = 22  # height of the line of titles
ERROR_GAIN = 3.0


def choose_windows(strength: Sequence[float], count: int) -> list[int]:
    """Indices of `count` windows, strongest blur first: three quarters from the stronger half, the rest weaker.

    Args:
        strength: PSNR(blurred, sharp) per window in dB.
    """
    order = [int(i) for i in np.argsort(strength, kind="stable")]
    count = min(count, len(order))
    middle = max(1, len(order) // 2)
    strong = min(middle, max(1, round(0.75 * count))) if count else 0
    picks = [order[i] for i in np.linspace(0, middle - 1, strong).round().astype(int)]
    weak = order[middle:]
    if weak and count > strong:
        picks += [weak[i] for i in np.linspace(0, len(weak) - 1, count - strong).round().astype(int)]
    return list(dict.fromkeys(picks))


def compose_grid(columns: Sequence[tuple[str, Sequence[np.ndarray]]]) -> np.ndarray:
    """Puts equal-sized RGB uint8 images side by side under their column titles.

    Args:
        columns: (title, images) from left to right, each with one (H, W, 3) image per row.

    Returns:
        (HEADER + rows * H, columns * W, 3) uint8.
    """
    body = np.concatenate([np.concatenate(list(images), axis=0) for _, images in columns], axis=1)
    header = np.full((HEADER, body.shape[1], 3), 255, np.uint8)
    width = body.shape[1] // len(columns)
    for i, (title, _) in enumerate(columns):
        cv2.putText(header, title, (i * width + 4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([header, body], axis=0)


def preview_grid(images: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
    """The grid of faces: columns are the dictionaries' methods, then sharp, then 3 x |last method - sharp|.

    Args:
        images: per row a dictionary of (H, W, 3) uint8 images in the order of the columns, `sharp` last.
    """
    titles = list(images[0])
    columns = [(title, [row[title] for row in images]) for title in titles]
    last = titles[-2]
    errors = [
        np.clip(ERROR_GAIN * np.abs(row[last].astype(np.float32) - row["sharp"]), 0, 255).astype(np.uint8)
        for row in images
    ]
    return compose_grid([*columns, (f"{ERROR_GAIN:.0f} x |error|", errors)])


def cut_preview(picture: np.ndarray, side: int) -> list[dict[str, np.ndarray]]:
    """Rows of a preview: blurred, what the run trained (`restored`), and sharp, each (side, side, 3).

    The columns are blurred | hourglass, where there is one | deblurred | sharp | error, under a header.
    Empty for a picture that is no preview of that size.
    """
    rows, too_high = divmod(picture.shape[0] - HEADER, side)
    columns, too_wide = divmod(picture.shape[1], side)
    if too_high or too_wide or rows < 1 or columns < 4:
        return []

    def cell(row: int, column: int) -> np.ndarray:
        top, left = HEADER + row * side, column * side
        return picture[top : top + side, left : left + side]

    return [
        {"blurred": cell(row, 0), "restored": cell(row, columns - 3), "sharp": cell(row, columns - 2)}
        for row in range(rows)
    ]
