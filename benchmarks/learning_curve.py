"""A learning curve of weights that were made one after another, from the rows of one evaluation of all of them.

    facedeblur evaluate method=v1.safetensors,v2.safetensors data=clips data.root=<videos> split=val
    python -m benchmarks.learning_curve outputs/evaluation/<name> v1=82000 v2=114000 -o curve.png

Above the share of the AUC gap between blurred and sharp that each closes, below the change of PSNR; one line a blur and
the mean of all, the interval of the mean over people shaded.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from facedeblur.metrics.bootstrap import bootstrap_interval
from facedeblur.report.plots import house_style
from facedeblur.report.rows import BLURRED, Rows, read_rows
from facedeblur.report.summary import blur_title, common_images, gap_closed, ordered_blurs


def gained(rows: Rows, method: str, blur: str) -> tuple[np.ndarray, np.ndarray]:
    """The change of PSNR in dB of every image that both have, and whose images they are."""
    after, before = common_images(rows, blur, method, BLURRED)
    return after["psnr"] - before["psnr"], after.groups()


def draw(rows: Rows, seen: dict[str, float], file: Path) -> None:
    """Writes the picture; `seen` is how many pairs each method of `rows` has seen."""
    from matplotlib.figure import Figure

    methods = sorted(seen, key=seen.get)
    pairs, blurs = [seen[m] / 1000 for m in methods], ordered_blurs(rows)
    with house_style():
        figure = Figure(figsize=(8, 6.5), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        shares = np.array([[gap_closed(rows, m, b).value for m in methods] for b in blurs])
        changes = [[gained(rows, m, b) for m in methods] for b in blurs]
        for blur, share, change in zip(blurs, shares, changes, strict=True):
            [line] = above.plot(pairs, 100 * share, marker="o", lw=1, ms=3, label=blur_title(blur))
            below.plot(pairs, [c.mean() for c, _ in change], marker="o", lw=1, ms=3, color=line.get_color())
        above.plot(pairs, 100 * shares.mean(0), color="black", lw=2.5, marker="o", label="mean")
        intervals = []
        for column in zip(*changes, strict=True):
            values, people = (np.concatenate(part) for part in zip(*column, strict=True))
            intervals.append((values.mean(), bootstrap_interval(values, people)))
        below.plot(pairs, [mean for mean, _ in intervals], color="black", lw=2.5, marker="o")
        below.fill_between(
            pairs, [i.low for _, i in intervals], [i.high for _, i in intervals], color="black", alpha=0.1, lw=0
        )
        above.set_ylabel("share of the AUC gap closed, %")
        below.set_ylabel("change of PSNR, dB")
        below.set_xlabel("pairs seen, thousands")
        above.legend(loc="center left", bbox_to_anchor=(1.01, 0.0), frameon=False)
        figure.savefig(file, dpi=110)
        for method, pair, share, (mean, interval) in zip(methods, pairs, shares.mean(0), intervals, strict=True):
            gain = f"{mean:+.2f} dB ({interval.low:+.2f} to {interval.high:+.2f})"
            print(f"{method:30s} {pair:7.0f}k pairs  gap {100 * share:5.1f} %  {gain}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning_curve", description=__doc__)
    parser.add_argument("folder", type=Path, help="of an evaluation")
    parser.add_argument("method", nargs="+", help="<method>=<pairs seen>")
    parser.add_argument("-o", "--out", type=Path, default=Path("learning-curve.png"))
    given = parser.parse_args()
    draw(read_rows([given.folder]), {m: float(n) for m, _, n in (w.rpartition("=") for w in given.method)}, given.out)


if __name__ == "__main__":
    main()
