"""Candidates for the network, compared by successive halving at equal processor time on the same pairs.

    python -m benchmarks.halving outputs/halving 10 30 -- data=clips data.root=~/clips data.frames=disk

Every candidate trains from the start for the first number of minutes of its process's own processor time, a first step
that it needs included; the better half goes on to the second number, and so on. They are ranked by the change of
PSNR on the validation windows, the mean over their kinds of blur. The words after `--` are those of `facedeblur train`,
alike for all. A run that is finished is not made again, so the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from pytorch_lightning import Callback

PLAIN = ("experiment=no_identity", "loss.adversarial=0", "loss.projection=0", "loss.content=charbonnier")
TRAINER = (
    "trainer.optimizer=adamw",
    "trainer.decay_start=1",
    "trainer.ema=0.99",
    "trainer.clip=1",
    "trainer.beta1=0.9",
)
LIGHT = ("model.generator=light", "model.global_residual=true", "model.light_width=40")
ALONE = ("model.two_step=false", "hourglass.checkpoint=null")
FIRST_STEP = ("model.hourglass_features=32", "hourglass.trainer.epochs=1", "hourglass.data.epoch_windows=4096")
FOURIER = "loss.fourier=2"
CANDIDATES = {
    "light": (*LIGHT, *FIRST_STEP, FOURIER),
    "light, a first step that corrects": (*LIGHT, *FIRST_STEP, "model.hourglass_residual=true", FOURIER),
    "light alone": (*LIGHT, *ALONE, FOURIER),
    "light alone, log-MSE": (*LIGHT, *ALONE, "loss.content=log_mse", "loss.content_image=10"),
    "NAF alone": ("model.generator=naf", "model.global_residual=true", *ALONE, FOURIER),
    "Table 3": (*FIRST_STEP, "model.generator=table3", "model.global_residual=false", "loss.content=l1"),
}


class ProcessorTime(Callback):
    """Ends a run once its process has used `minutes` of processor time, whatever else the machine does."""

    def __init__(self, minutes: float) -> None:
        self.seconds = 60 * minutes

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx: int) -> None:
        trainer.should_stop |= time.process_time() >= self.seconds


def folder_of(output: Path, name: str, minutes: float) -> Path:
    """The run folder of a candidate at a stage."""
    return output / "no_identity" / f"{'-'.join(name.replace(',', '').split())}-{minutes:g}min-s0".lower()


def train(output: Path, name: str, minutes: float, earlier: float | None, words: Sequence[str]) -> None:
    """Trains a candidate to `minutes`, from where `earlier` minutes had brought it; nothing where that is done."""
    folder = folder_of(output, name, minutes)
    if (folder / "summary.json").is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)  # its time is counted from the start of its process
    budget = f"{{_target_: {Path(__file__).resolve()}:ProcessorTime, minutes: {minutes - (earlier or 0)}}}"
    own = [f"name={folder.name.removesuffix('-s0')}", f"output={output}", "trainer.epochs=1000"]
    begun = [f"init={folder_of(output, name, earlier)}"] if earlier else []
    given = [*PLAIN, *TRAINER, *CANDIDATES[name], *own, f"+trainer.callbacks.budget={budget}", *words, *begun]
    with open(output / f"{folder.name}.log", "w") as log:
        done = subprocess.run([sys.executable, "-m", "facedeblur", "train", *given], stdout=log, stderr=log)
    if done.returncode:
        raise SystemExit(f"{name}: facedeblur train failed; its words are in {log.name}")


def gains(output: Path, name: str, minutes: float) -> dict[str, float]:
    """The mean change of PSNR in dB by kind of blur, of a run's last validation, and their mean."""
    rows = json.loads((folder_of(output, name, minutes) / "validation_rows.json").read_text())
    changes: dict[str, list[float]] = {}
    for row in rows:
        changes.setdefault(row["schedule"], []).append(row["deblurred_psnr"] - row["blurred_psnr"])
    found = {blur: float(np.mean(values)) for blur, values in sorted(changes.items())}
    return found | {"mean": float(np.mean([*found.values()]))}


def seen(output: Path, name: str, minutes: float) -> int:
    """Pairs that a run has learned from."""
    return sum(part["images"] for part in json.loads((folder_of(output, name, minutes) / "cost.json").read_text()))


def halve(output: Path, stages: Sequence[float], words: Sequence[str], slots: int) -> None:
    """Trains, ranks and prints stage after stage, `slots` candidates at a time."""
    output.mkdir(parents=True, exist_ok=True)
    names, earlier, pairs = list(CANDIDATES), None, dict.fromkeys(CANDIDATES, 0)
    for minutes in stages:
        with ThreadPoolExecutor(slots) as pool:
            list(pool.map(partial(train, output, minutes=minutes, earlier=earlier, words=words), names))
        scores = {name: gains(output, name, minutes) for name in names}
        names.sort(key=lambda name: -scores[name]["mean"])
        print(f"after {minutes:g} minutes of processor time, change of PSNR in dB")
        for rank, name in enumerate(names, 1):
            pairs[name] += seen(output, name, minutes)
            told = "  ".join(f"{blur} {value:+.2f}" for blur, value in scores[name].items())
            print(f"{rank}. {name:36s}{pairs[name]:7d} pairs  {told}", flush=True)
        names, earlier = names[: max(1, len(names) // 2)], minutes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.halving", description=__doc__)
    parser.add_argument("output", type=Path, help="folder of the runs")
    parser.add_argument("minutes", type=float, nargs="+", help="of processor time, rising")
    parser.add_argument("--slots", type=int, default=1, help="candidates trained at a time")
    here = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given = parser.parse_args(sys.argv[1:here])
    halve(given.output.resolve(), sorted(given.minutes), sys.argv[here + 1 :], given.slots)


if __name__ == "__main__":
    main()
