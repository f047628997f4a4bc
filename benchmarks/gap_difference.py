"""How many points of the gap to the sharp image one method closes more than another, over evaluations pooled.

    python -m benchmarks.gap_difference outputs/evaluation/val outputs/evaluation/test --new NAME --old NAME

Share of the AUC gap between blurred and sharp, for each blur and as the mean over blurs; people are drawn with
replacement, and everything of a person with them, so that the difference is paired. Both methods as they are, and
through the front door where the evaluations have that.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facedeblur.evaluation.front_door import LABEL
from facedeblur.metrics.bootstrap import percentile_interval, resampled_means
from facedeblur.report.rows import BLURRED, ORACLE, Rows, read_rows
from facedeblur.report.summary import blur_title, common_images, ordered_blurs, per_image


def shares(folders: Sequence[Rows], blurs: Sequence[str], methods: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The share of the gap that methods close: in the rows (blurs, methods), and in draws (draws, blurs, methods)."""
    columns, people = [], []
    for place, rows in enumerate(folders):
        for index, blur in enumerate(blurs):
            parts = common_images(rows, blur, BLURRED, ORACLE, *methods)
            values = np.full((len(parts[0]), len(blurs), len(methods) + 2), np.nan)
            values[:, index] = np.stack([per_image(part, "auc") for part in parts], axis=1)
            columns.append(values.reshape(len(values), -1))
            people += [f"{place} {person}" for person in parts[0].groups().tolist()]
    values = np.concatenate(columns)

    def closed(means: np.ndarray) -> np.ndarray:
        means = means.reshape(-1, len(blurs), len(methods) + 2)
        return (means[..., 2:] - means[..., :1]) / (means[..., 1:2] - means[..., :1])

    return closed(np.nanmean(values, axis=0))[0], closed(resampled_means(values, people))


def report(folders: Sequence[Path], new: str, old: str) -> None:
    """Prints a line for each blur and one for the mean, for the networks alone and for the front door."""
    pooled = [read_rows([folder]) for folder in folders]
    for label in ("", LABEL):
        methods = (old + label, new + label)
        if not all(set(methods) <= set(rows.distinct("method")) for rows in pooled):
            continue
        both = (BLURRED, ORACLE, *methods)
        blurs = [b for b in ordered_blurs(pooled[0]) if all(len(common_images(r, b, *both)[0]) for r in pooled)]
        if not blurs:
            continue
        now, draws = shares(pooled, blurs, methods)
        lines = [*zip(map(blur_title, blurs), now, np.moveaxis(draws, 1, 0), strict=True)]
        lines.append(("mean", now.mean(0), draws.mean(1)))
        print(f"{methods[1]} against {methods[0]}: share of the gap closed, %")
        for title, value, drawn in lines:
            low, high = (100 * end for end in percentile_interval(drawn[:, 1] - drawn[:, 0]))
            first, second = 100 * value
            change = f"{second - first:+6.1f} ({low:+.1f} to {high:+.1f})"
            print(f"  {title:10s} {first:6.1f} -> {second:6.1f}   {change}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gap_difference", description=__doc__)
    parser.add_argument("folder", nargs="+", type=Path, help="of evaluations; their people are pooled")
    parser.add_argument("--new", required=True)
    parser.add_argument("--old", required=True)
    given = parser.parse_args()
    report(given.folder, given.new, given.old)
