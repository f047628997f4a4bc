"""Which devices a sweep takes, and what a child is told of its own."""

from __future__ import annotations

import pytest

from hydra_plugins.facedeblur_launcher._devices import (
    Gpu,
    Slot,
    child_environment,
    choose_devices,
    is_listed,
    make_slots,
    parse_listing,
)
from hydra_plugins.facedeblur_launcher._errors import SweepError

LISTING = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa1111-0000)
  MIG 3g.20gb     Device  0: (UUID: MIG-1111-2222)
  MIG 3g.20gb     Device  1: (UUID: MIG-3333-4444)
GPU 1: NVIDIA GeForce RTX 4090 (UUID: GPU-bbbb2222-0000)
"""


def devices(gpus, environment=None, listing=LISTING):
    chosen = choose_devices(gpus, environment or {}, lambda: parse_listing(listing))
    return [device.mask for device in chosen]


def test_listing_knows_slices():
    first, second = parse_listing(LISTING)
    assert first == Gpu("0", "GPU-aaaa1111-0000", ("MIG-1111-2222", "MIG-3333-4444"))
    assert second.masks == ("GPU-bbbb2222-0000",)


def test_auto_takes_every_gpu_slice_by_slice_and_the_cpu_without_any():
    assert devices("auto") == ["MIG-1111-2222", "MIG-3333-4444", "GPU-bbbb2222-0000"]
    assert devices("auto", listing="") == [""]


@pytest.mark.parametrize(
    ("visible", "masks"),
    (("3,1", ["3", "1"]), ("MIG-a/1/0,GPU-b", ["MIG-a/1/0", "GPU-b"]), ("2,-1,3", ["2"]), ("", [""]), ("-1", [""])),
)
def test_auto_keeps_to_the_mask_it_was_given(visible, masks):
    assert devices("auto", {"CUDA_VISIBLE_DEVICES": visible}) == masks


def test_ids_are_masks():
    assert devices([1, 0]) == ["1", "0"]
    assert devices(["MIG-1111", "GPU-bbbb2222-0000"]) == ["MIG-1111", "GPU-bbbb2222-0000"]
    assert devices([]) == [""]
    assert devices([0, 1], listing="") == ["0", "1"]  # a rehearsal on the CPU


@pytest.mark.parametrize("gpus", (2, "0,1", [0, 0], [-1], [True], [7], ["GPU-cccc"], None, ["first"]))
def test_wrong_gpus_are_refused_by_name(gpus):
    with pytest.raises(SweepError, match="hydra.launcher.gpus"):
        devices(gpus)


def test_slots_fill_devices_evenly_and_share_the_cores():
    pair = choose_devices([0, 1], {}, list)
    slots = make_slots(pair, 2, jobs=3, cores=range(8))
    assert [(slot.name, slot.mask) for slot in slots] == [("gpu 0 #1", "0"), ("gpu 1 #1", "1"), ("gpu 0 #2", "0")]
    assert [core for slot in slots for core in slot.cores] == list(range(8))
    assert all(len(slot.cores) == 1 for slot in make_slots(pair, 2, jobs=9, cores=[4, 5]))
    assert [slot.cores for slot in make_slots(pair, 1, jobs=9)] == [(), ()]
    with pytest.raises(SweepError, match="jobs_per_gpu"):
        make_slots(pair, 0, jobs=1)


def test_numbers_mean_what_nvidia_smi_shows():
    assert child_environment(Slot("gpu 1", "1"), {})["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    inherited = child_environment(Slot("gpu 1", "1"), {"CUDA_VISIBLE_DEVICES": "0,1"})
    assert inherited == {"CUDA_VISIBLE_DEVICES": "1"}


def test_masks_are_found_in_the_listing():
    gpus = parse_listing(LISTING)
    assert all(is_listed(mask, gpus) for mask in ("0", "1", "GPU-aaaa", "MIG-3333-4444"))
    assert not any(is_listed(mask, gpus) for mask in ("2", "", "GPU-cccc"))
