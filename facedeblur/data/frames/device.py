"""Batches of pairs out of stored tiles, made on the device where these lie: gather, average, warp, blur, relight.

A worker decides what a batch holds (`plan_batch`: a few kilobytes); `make_batch` takes the frames of all its windows in
one gather, each shifted to the place of its middle frame, and sums whole numbers, exactly, whatever the order. The warp
is bilinear, as on the CPU, which enlarges by cubic interpolation. All randomness comes from the items' own seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.blur.camera_shake import noise_level
from facedeblur.blur.photo_motion import face_path
from facedeblur.blur.response import response
from facedeblur.data.frames.device_light import draw_light, normal, quantised, relit
from facedeblur.data.frames.items import Item
from facedeblur.data.frames.store import FrameStore, mapped
from facedeblur.data.frames.view import inverse_map
from facedeblur.data.pairs.augment import AugmentSettings

FREE_SHARE = 0.5  # of a device's free memory that tiles may take
Arrays = dict[str, Any]


class DeviceFrames:
    """The tiles of a store where a network is, and batches made of them.

    On a device that has not room for them they stay in the memory of the host, which then makes the images.
    """

    def __init__(self, store: FrameStore, augment: AugmentSettings) -> None:
        self.store, self.augment = store, augment
        self._tiles: Tensor | None = None

    def images(self, items: Sequence[Item], metas: Sequence[dict], device: torch.device) -> tuple[Tensor, Tensor]:
        """The images (blurry, sharp) of a batch, as `make_batch`, on `device`."""
        if self._tiles is None:
            self._tiles = self._placed(device)
        index, curves = self.store.index, [meta["response"] for meta in metas]
        plan = plan_batch(items, curves, index.offsets, metas[0]["size"], self.augment)
        blurry, sharp = make_batch(self._tiles, plan)
        return blurry.to(device), sharp.to(device)

    def _placed(self, device: torch.device) -> Tensor:
        store = self.store
        tiles = torch.from_numpy(mapped(store.path, store.index, store.settings, "c"))
        if device.type != "cuda":
            return tiles
        free, _ = torch.cuda.mem_get_info(device)
        if tiles.nbytes > FREE_SHARE * free:
            print(
                f"data.frames=device: {len(tiles)} faces take {tiles.nbytes / 1e9:.2f} GB, more than half of the free "
                f"{free / 1e9:.2f} GB of {device}; they stay in the memory of the host",
                file=sys.stderr,
            )
            return tiles
        return tiles.to(device)


def plan_batch(items: Sequence[Item], curves: Sequence[str], offsets: np.ndarray, size: int, augment: AugmentSettings):
    """What `make_batch` needs to know of some items, as arrays.

    Args:
        curves: name of each item's response curve.
        offsets: of the tiles, see `FrameIndex`.

    frames   (n,) int64 rows of the tiles of all windows, one window after another; `owner` (n,) whose they are
    shift    (n, 2) int64 x and y of each against its middle tile; `middle` (B,) rows of the middle tiles
    matrix   (B, 2, 3) from pixels of the tile to pixels of the image
    exponent (B,) of the response curves
    kernel   (B, k, k) blur of single frames, [[1]] where there is none; noise (B,) its standard deviation in [0, 1]
    moving   places of the items in motion, their `amounts` (frames, A) and `fields` (A, 2, S, S), see `face_path`
    light    (B, 8): see `draw_light`; `seed` of what is drawn by pixel
    """
    frames, owner, shift = [], [], []
    for place, item in enumerate(items):
        rows = np.arange(item.window.row, item.window.row + item.window.length)
        frames.append(rows)
        owner.append(np.full(len(rows), place))
        shift.append(offsets[item.window.target] - offsets[rows])
    kernels = [
        item.schedule.kernel(item.kernel_seed, size)
        if item.schedule is not None and item.schedule.kind != "motion"
        else np.ones((1, 1), np.float32)
        for item in items
    ]
    side = max(len(kernel) for kernel in kernels)
    moving = [place for place, item in enumerate(items) if item.schedule is not None and item.schedule.kind == "motion"]
    paths = [_path(items[place], size) for place in moving]
    return {
        "frames": np.concatenate(frames),
        "owner": np.concatenate(owner),
        "shift": np.concatenate(shift).astype(np.int64),
        "middle": np.array([item.window.target for item in items]),
        "matrix": np.stack([inverse_map(item.matrix) for item in items]).astype(np.float32),
        "exponent": np.array([response(curve).exponent for curve in curves], np.float32),
        "kernel": np.stack([np.pad(kernel, (side - len(kernel)) // 2) for kernel in kernels]),
        "noise": np.array([_noise(item) for item in items], np.float32),
        "moving": np.array(moving, np.int64),
        "amounts": [amounts for amounts, _ in paths],
        "fields": [fields for _, fields in paths],
        "light": np.stack([draw_light(item.seed, augment, size) for item in items]),
        "seed": int(items[0].seed or 0),
        "size": size,
    }


def make_batch(tiles: Tensor, plan: Arrays) -> tuple[Tensor, Tensor]:
    """The images (blurry, sharp) of a batch: float32 (B, 3, S, S) in [0, 1], on the device of `tiles`.

    Args:
        tiles: (N, side, side, 3) uint8.
        plan: of `plan_batch`; arrays or tensors, on any device.
    """
    device, size = tiles.device, plan["size"]
    on = lambda name: torch.as_tensor(plan[name]).to(device, non_blocking=True)  # noqa: E731
    owner, matrix, exponent, count = on("owner"), on("matrix"), on("exponent"), len(plan["middle"])
    middle = _warped(tiles[on("middle")].permute(0, 3, 1, 2).float() / 255, matrix, size)
    # what is asked of a plan is asked on the host: a question to a GPU would wait for it
    moves = bool(torch.as_tensor(plan["shift"]).any())
    taken = _gathered(tiles, on("frames"), on("shift")) if moves else tiles[on("frames")]
    curved = bool((torch.as_tensor(plan["exponent"]) != 1).any())
    light = (taken / 255) ** exponent[owner, None, None, None] if curved else taken.float()
    total = torch.zeros((count, *light.shape[1:]), device=device).index_add_(0, owner, light)
    length = torch.bincount(owner, minlength=count)[:, None, None, None]
    mean = (total / length) ** (1 / exponent)[:, None, None, None] if curved else total / (255 * length)
    blurry = quantised(_warped(mean.permute(0, 3, 1, 2), matrix, size))
    sharp = quantised(middle)
    blurry = _convolved(blurry, plan, on, exponent[:, None, None, None], curved)
    for place, amounts, fields in zip(plan["moving"], plan["amounts"], plan["fields"], strict=True):
        blurry[int(place)] = _moved(sharp[int(place)], torch.as_tensor(amounts), torch.as_tensor(fields))
    return relit(blurry, sharp, on("light"), plan)


def _gathered(tiles: Tensor, frames: Tensor, shift: Tensor) -> Tensor:
    """Tiles (n, side, side, 3), each read at its place plus `shift`; outside, their border is repeated."""
    side = tiles.shape[1]
    steps = torch.arange(side, device=tiles.device)
    columns, rows = ((steps + shift[:, axis, None]).clamp(0, side - 1) for axis in (0, 1))
    return tiles[frames[:, None, None], rows[:, :, None], columns[:, None, :]]


def _warped(images: Tensor, matrix: Tensor, size: int) -> Tensor:
    from kornia.geometry.transform import warp_affine

    return warp_affine(images, matrix, (size, size), mode="bilinear", padding_mode="border", align_corners=True)


def _convolved(blurry: Tensor, plan: Arrays, on, exponent: Tensor, curved: bool) -> Tensor:
    """Under each item's own kernel (Section 5.2), with replicated borders, and noise where its schedule has some."""
    from kornia.filters import filter2d

    if plan["kernel"].shape[-1] > 1:
        kernel = on("kernel").flip(-1, -2)  # filter2d correlates
        light = blurry**exponent if curved else blurry
        light = filter2d(light, kernel, border_type="replicate")
        blurry = light ** (1 / exponent) if curved else light
    if torch.as_tensor(plan["noise"]).any():
        blurry = blurry + on("noise")[:, None, None, None] * normal(blurry, plan["seed"])
    return quantised(blurry)


def _moved(sharp: Tensor, amounts: Tensor, fields: Tensor) -> Tensor:
    """The mean of one image (3, S, S) over a path of warps: `blur.photo_motion` on a device."""
    size = sharp.shape[-1]
    steps = torch.arange(size, device=sharp.device, dtype=torch.float32)
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"))
    source = grid - torch.einsum("fa,axhw->fxhw", amounts.to(sharp.device), fields.to(sharp.device))
    places = (2 * source / (size - 1) - 1).permute(0, 2, 3, 1)
    frames = sharp.expand(len(places), -1, -1, -1)
    found = F.grid_sample(frames, places, mode="bilinear", padding_mode="border", align_corners=True)
    return quantised(found.mean(0))


def _path(item: Item, size: int) -> tuple[np.ndarray, np.ndarray]:
    schedule = item.schedule
    return face_path(item.kernel_seed, (size, size), item.landmarks, schedule.motion, schedule.seed)


def _noise(item: Item) -> float:
    schedule = item.schedule
    if schedule is None or schedule.kind != "camera_shake" or schedule.camera_shake.noise == 0:
        return 0.0
    return float(noise_level(item.kernel_seed, schedule.camera_shake, schedule.seed))
