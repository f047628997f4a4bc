"""Devices as masks for CUDA_VISIBLE_DEVICES, and the slots in which jobs run. Never loads CUDA itself."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hydra_plugins.facedeblur_launcher._errors import SweepError


@dataclass(frozen=True)
class Gpu:
    """One GPU as `nvidia-smi -L` lists it: its number, its UUID, and the UUIDs of its MIG slices, if it is cut up."""

    index: str
    uuid: str
    slices: tuple[str, ...] = ()

    @property
    def masks(self) -> tuple[str, ...]:
        return self.slices or (self.uuid,)


@dataclass(frozen=True)
class Device:
    """A device for jobs. `mask` is their CUDA_VISIBLE_DEVICES; empty means the CPU."""

    name: str
    mask: str


@dataclass(frozen=True)
class Slot:
    """A place for one job at a time: a device, and the CPU cores that go with it (none: all of them)."""

    name: str
    mask: str
    cores: tuple[int, ...] = ()


CPU = Device("cpu", "")


def parse_listing(text: str) -> list[Gpu]:
    """The GPUs in the output of `nvidia-smi -L`."""
    gpus: list[Gpu] = []
    for line in text.splitlines():
        if whole := re.match(r"GPU (\d+):.*\(UUID: (GPU-[^)]+)\)", line):
            gpus.append(Gpu(whole[1], whole[2]))
        elif (part := re.match(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)", line)) and gpus:
            gpus[-1] = Gpu(gpus[-1].index, gpus[-1].uuid, (*gpus[-1].slices, part[1]))
    return gpus


def list_gpus() -> list[Gpu]:
    """The GPUs of this machine that answer now; none where there is no driver."""
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return parse_listing(listing.stdout)


def choose_devices(
    gpus: str | Sequence[int | str],
    environment: Mapping[str, str] = os.environ,
    listing: Callable[[], list[Gpu]] = list_gpus,
) -> list[Device]:
    """The devices that `gpus` asks for.

    `auto` keeps to CUDA_VISIBLE_DEVICES where it is set, else takes every GPU; the CPU where there is none. Ids in a
    list are masks as CUDA reads them: numbers as `nvidia-smi` shows them, or (the beginning of) UUIDs. On a machine
    without any GPU, listed ids are mere slots on its CPU, which is how sweeps are rehearsed.

    Raises:
        SweepError: not `auto` or a list of ids, an id twice, or one that this machine does not have.
    """
    if gpus == "auto":
        visible = environment.get("CUDA_VISIBLE_DEVICES")
        if visible is None:
            return [_device(gpu.index, mask) for gpu in listing() for mask in gpu.masks] or [CPU]
        masks = [mask.strip() for mask in visible.split(",")]
        usable = next((i for i, mask in enumerate(masks) if mask in ("", "-1")), len(masks))  # as CUDA reads it
        return [_device(mask, mask) for mask in masks[:usable]] or [CPU]
    if isinstance(gpus, (str, bytes, int, float)) or gpus is None or not all(_is_id(gpu) for gpu in gpus):
        raise SweepError(f"hydra.launcher.gpus: auto, a list of ids such as [0,1], or [] for the CPU; not {gpus}")
    masks = [str(gpu) for gpu in gpus]
    if len(set(masks)) < len(masks):
        raise SweepError(f"hydra.launcher.gpus: {gpus} names a device twice; jobs_per_gpu puts several jobs on one")
    known = listing() if masks else []
    for mask in masks:
        if known and not is_listed(mask, known):
            there = ", ".join(gpu.index for gpu in known)
            raise SweepError(f"hydra.launcher.gpus: this machine has no GPU {mask}; it has {there}")
    return [_device(mask, mask) for mask in masks] or [CPU]


def whole_mask(mask: str, gpus: Sequence[Gpu]) -> str:
    """`mask` as the UUID of what it stands for among `gpus`; as it is where it is none of them."""
    for gpu in gpus:
        for name in (gpu.uuid, *gpu.slices):
            if (mask == gpu.index and name == gpu.uuid) or (len(mask) > 4 and name.startswith(mask)):
                return name
    return mask


def is_listed(mask: str, gpus: Sequence[Gpu]) -> bool:
    """Whether `mask` is one of `gpus` or one of their slices."""
    names = [name for gpu in gpus for name in (gpu.uuid, *gpu.slices)]
    return any(mask == gpu.index for gpu in gpus) or (
        mask.startswith(("GPU-", "MIG-")) and any(name.startswith(mask) for name in names)
    )


def _is_id(gpu: object) -> bool:
    if isinstance(gpu, bool):
        return False
    return str(gpu).isdigit() or str(gpu).startswith(("GPU-", "MIG-"))


def _device(name: str, mask: str) -> Device:
    if mask.startswith("MIG-"):
        name = mask[:12]
    return Device(f"gpu {name[:12]}", mask)


def make_slots(
    devices: Sequence[Device],
    jobs_per_gpu: int,
    jobs: int,
    cores: Sequence[int] = (),
    taken: Sequence[str] = (),
) -> list[Slot]:
    """At most `jobs` slots: one on every device first, then a second on each, and so on; `cores` shared between them.

    Args:
        taken: masks of devices on which another job runs already, once for each: so many slots less are on them.

    Raises:
        SweepError: `jobs_per_gpu` is not a whole number of at least 1.
    """
    if isinstance(jobs_per_gpu, bool) or not isinstance(jobs_per_gpu, int) or jobs_per_gpu < 1:
        raise SweepError(f"hydra.launcher.jobs_per_gpu: a whole number of at least 1, not {jobs_per_gpu}")
    there = [(device, lane) for lane in range(jobs_per_gpu) for device in devices]
    places = [(device, lane) for device, lane in there if lane >= Counter(taken)[device.mask]][:jobs]
    slots = []
    for number, (device, lane) in enumerate(places):
        first, last = (len(cores) * n // len(places) for n in (number, number + 1))
        share = tuple(cores[first:last]) or tuple(cores[number % len(cores) :][:1] if cores else ())
        name = device.name if jobs_per_gpu == 1 else f"{device.name} #{lane + 1}"
        slots.append(Slot(name, device.mask, share))
    return slots


def child_environment(slot: Slot, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a job in `slot`: its mask is there before any library looks for devices."""
    child = {**environment, "CUDA_VISIBLE_DEVICES": slot.mask}
    if "CUDA_VISIBLE_DEVICES" not in environment:
        child.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # numbers then mean what nvidia-smi shows
    return child
