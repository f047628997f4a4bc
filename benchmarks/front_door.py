"""How much of a network's gain is left of it through the front door, from the rows of an evaluation.

    facedeblur evaluate method=<weights> front_door=true data=clips data.root=<videos> blur=pravg11,trajectory
    python -m benchmarks.front_door outputs/evaluation/<name>

Gains are over the blurred crop, or the crop of the blurred frame; quarters are those of PSNR(blurred, sharp) within a
blur, the strongest first. Under kernels the two begin with images that differ at the border, where a frame goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facedeblur.evaluation.front_door import LABEL
from facedeblur.evaluation.rows import read_rows
from facedeblur.metrics.landmarks import auc

COLUMNS = ["method", "blur", "video", "frame", "L", "psnr", "landmark_error"]


def report(folder: Path) -> Iterator[str]:
    """Lines for every blur and method of an evaluation that went through the front door, too."""
    scores: dict[tuple[str, str], dict[tuple, tuple[float, float]]] = {}
    for row in read_rows(folder, COLUMNS).to_pylist():
        window = (row["video"], row["frame"], row["L"])
        scores.setdefault((row["blur"], row["method"]), {})[window] = (row["psnr"], row["landmark_error"])
    for (blur, name), door in scores.items():
        alone = name.removesuffix(LABEL)
        if not name.endswith(LABEL) or alone == "blurred":
            continue
        start = scores[blur, "blurred"]
        windows = sorted(start, key=lambda window: start[window][0])
        gains = {
            alone: _gain(scores[blur, alone], start, windows),
            name: _gain(door, scores[blur, "blurred" + LABEL], windows),
        }
        yield f"{blur}: {len(windows)} windows"
        for method, (decibels, area) in gains.items():
            kept = ""
            if method == name:
                kept = "  kept " + ", ".join(
                    f"{what} {mine / theirs:.2f}"
                    for what, mine, theirs, least in (
                        ("PSNR", decibels.mean(), gains[alone][0].mean(), 0.1),
                        ("AUC", area, gains[alone][1], 0.005),
                    )
                    if theirs >= least
                )
            quarters = " ".join(f"{part.mean():+.2f}" for part in np.array_split(decibels, 4))
            yield f"  {method:<44}{decibels.mean():+.2f} dB ({quarters})  AUC {area:+.4f}{kept}"


def _gain(scores: dict, start: dict, windows: list) -> tuple[np.ndarray, float]:
    """Of every window in dB, and of all together in AUC."""
    after, before = (np.array([found[window] for window in windows], float) for found in (scores, start))
    return after[:, 0] - before[:, 0], auc(after[:, 1]) - auc(before[:, 1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.front_door", description=__doc__)
    parser.add_argument("folder", type=Path, help="of an evaluation with front_door=true")
    for line in report(parser.parse_args().folder):
        print(line)
