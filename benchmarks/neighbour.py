"""Training steps on two threads, alone and beside one busy process, with threads that wait asleep or spinning."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext

from benchmarks.timing import busy_program

SECONDS, BATCH = 12.0, 8
POLICIES = {"PASSIVE": "at least 0.4, aim 0.5", "ACTIVE": "what spinning threads make of it"}

_STEPS = f"""
import time, torch
from facedeblur.models.build import build_networks
from facedeblur.models.devices import native_bf16
from facedeblur.models.settings import ModelSettings
torch.set_num_threads(2)
torch.manual_seed(0)
settings = ModelSettings(image_size=128, generator="light", base_width=16, global_residual=True, two_step=False)
networks = build_networks(settings).to(memory_format=torch.channels_last).train()
adam = torch.optim.Adam(networks.generator_parameters(), lr=2e-4, foreach=True)
images = torch.rand({BATCH}, 3, 128, 128).contiguous(memory_format=torch.channels_last)
def step():
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16("cpu")):
        loss = (networks.generator(networks.condition(images)).float() - images).abs().mean()
    loss.backward(); adam.step(); adam.zero_grad(set_to_none=True)
for _ in range(3): step()
begin, count = time.perf_counter(), 0
while time.perf_counter() - begin < {SECONDS}:
    step(); count += 1
print(count / (time.perf_counter() - begin))
"""


def report(rounds: int) -> Iterator[str]:
    """Lines with the rate beside a busy process over the rate alone; a machine that is busy already tells little."""
    for policy, target in POLICIES.items():
        rates = [(_rate(policy, busy=False), _rate(policy, busy=True)) for _ in range(max(1, rounds // 2))]
        alone, beside = (statistics.median(found) for found in zip(*rates, strict=True))
        told = f"({alone * BATCH:.1f} and {beside * BATCH:.1f} images a second)"
        yield f"{f'steps beside a busy process / alone, {policy.lower()}':<58}{beside / alone:8.2f}  {told}  {target}"


def _rate(policy: str, busy: bool) -> float:
    """Steps a second of a process of its own: OpenMP reads its policy when torch loads."""
    environment = os.environ | {"OMP_WAIT_POLICY": policy}
    with busy_program() if busy else nullcontext():
        done = subprocess.run(
            [sys.executable, "-c", _STEPS], env=environment, capture_output=True, text=True, check=True, timeout=300
        )
        return float(done.stdout)


if __name__ == "__main__":
    for line in report(2):
        print(line, flush=True)
