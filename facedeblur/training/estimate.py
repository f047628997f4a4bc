"""What a run will cost, measured on this machine and printed before it starts: steps, time and disk."""

from __future__ import annotations

import copy
import errno
import shutil
import sys
import time

import torch

from facedeblur.progress import clock
from facedeblur.training.run_folder import RunFolder, is_main_process


def seconds_per_batch(stage, batch: int, size: int, device: str, precision: str, repeats: int = 2) -> float:
    """Time of one training batch on random images, run by a copy of the stage; random generators are left untouched."""
    trial = copy.deepcopy(stage).to(device).train()
    kind = torch.device(device).type
    with torch.random.fork_rng(devices=[device] if kind == "cuda" else []):
        items = {key: _on(value, device) for key, value in stage.trial_batch(batch, size).items()}
        times = []
        for _ in range(repeats + 1):  # the first warms up
            begin = time.perf_counter()
            with torch.autocast(kind, torch.bfloat16, enabled=precision.startswith("bf16")):
                trial.dry_step(items)
            if kind == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - begin)
    return min(times[1:])


def _on(value, device: str):
    """A tensor on the device, images in channels-last order; anything else as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(device, memory_format=torch.channels_last if value.ndim == 4 else torch.preserve_format)


def checkpoint_bytes(stage) -> int:
    """Size of one checkpoint: the networks, two Adam moments of what trains, and the moving average."""
    kept = [*stage.networks_state().values(), *(stage.average.average.values() if stage.average is not None else ())]
    trained = sum(p.nbytes for p in stage.parameters() if p.requires_grad)
    return sum(tensor.nbytes for tensor in kept) + 2 * trained


def announce(
    title: str,
    stage,
    data,
    devices: int,
    accelerator: str,
    precision: str,
    threads: int,
    folder: RunFolder,
    deadline: float | None = None,
) -> None:
    """Prints what will run and what it takes. Raises OSError(ENOSPC) where the disk cannot hold the checkpoints.

    Only the main process speaks; the others of a DDP group are silent.
    """
    if not is_main_process():
        return
    needed = 3 * checkpoint_bytes(stage)  # last, best, and the one being written
    parameters = sum(p.numel() for p in stage.parameters() if p.requires_grad)
    settings = stage.settings
    lines = [
        f"{title}: {parameters / 1e6:.2f} M parameters, {devices} x {accelerator}, {precision}, {threads} threads",
        f"  {data.train_count} training {data.items}, {stage.images_per_step} {data.samples} a step, "
        f"{stage.planned_steps} steps, {data.val_count} validation {data.items}",
    ]
    steps = stage.planned_steps - stage.generator_step
    if steps > 0:
        world = devices * settings.nodes
        batch = seconds_per_batch(stage, data.settings.batch // world, data.settings.size, accelerator, precision)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        limit = "" if left is None else f", stopped in {clock(left)} at the latest"
        lines.append(f"  about {clock(steps * settings.accumulate * batch)} of computing{limit}")
    lines.append(f"  {needed / 2**20:.0f} MB of disk for checkpoints in {folder.path}")
    if stage.generator_step:
        lines.append(f"  resumed at step {stage.generator_step}, epoch {stage.position['epoch'] + 1}")
    print("\n".join(lines), file=sys.stderr, flush=True)
    check_disk(folder, needed)


def check_disk(folder: RunFolder, needed: int) -> None:
    """Raises OSError(ENOSPC) when the disk of `folder` has less than `needed` bytes."""
    folder.path.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.path).free
    if free < needed:
        text = f"{needed / 2**20:.0f} MB needed for checkpoints, {free / 2**20:.0f} MB free"
        raise OSError(errno.ENOSPC, text, str(folder.path))
