"""Methods over pairs: in batches, timed, and whatever a method may do wrong is flagged and counted.

An image that a method does not deliver (it raised an error), and pixels that are not finite, count as black, and the
face as not found: the row stays. An image of another size is resized to that of the sharp one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.methods import Method


@dataclass(frozen=True, eq=False)
class Restored:
    """What a method made of one image: RGB uint8 (S, S, 3), seconds of the deblurring alone, None where it failed."""

    image: np.ndarray
    seconds: float | None
    flags: frozenset[str] = field(default_factory=frozenset)

    @property
    def usable(self) -> bool:
        """False where there is nothing for a judge to look at."""
        return not self.flags & {"nan", "error"}


class Restorer:
    """Runs one method on images in batches of at most `batch`; the first batch also warms it up, untimed."""

    def __init__(self, method: Method, device: str | torch.device, batch: int) -> None:
        self.method, self.device, self.batch = method, torch.device(device), batch
        self._warm = False
        self.complaint: str | None = None  # the first error that the method raised

    def __call__(self, images: Sequence[np.ndarray]) -> list[Restored]:
        """RGB uint8 images of one size -> what became of each, in order."""
        restored: list[Restored] = []
        for first in range(0, len(images), self.batch):
            restored += self._run(images[first : first + self.batch])
        return restored

    def _run(self, images: Sequence[np.ndarray]) -> list[Restored]:
        batch = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 3, 1, 2).float().div_(255)
        try:
            with torch.no_grad():  # a method of the user's may not think of it
                if not self._warm:
                    self.method.deblurrer(batch)
                    self._warm = True
                self._wait()
                begin = time.perf_counter()
                output = self.method.deblurrer(batch)
                self._wait()
            seconds = (time.perf_counter() - begin) / len(images)
            if not isinstance(output, Tensor) or output.shape[:2] != batch.shape[:2] or output.ndim != 4:
                shape = tuple(output.shape) if hasattr(output, "shape") else type(output).__name__
                raise ValueError(f"gave {shape} for images {tuple(batch.shape)}")
        except Exception as error:  # a method may raise anything
            if len(images) > 1:  # one image may be to blame, or the batch too large for the device
                half = len(images) // 2
                return self._run(images[:half]) + self._run(images[half:])
            if self.complaint is None:
                self.complaint = f"{type(error).__name__}: {error}".splitlines()[0]
                print(f"{self.method.name}: {self.complaint}; the image counts as black", file=sys.stderr)
            return [Restored(np.zeros_like(images[0]), None, frozenset({"error"}))]
        return [Restored(image, seconds, flags) for image, flags in _as_files(output, batch.shape[-2:])]

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _as_files(output: Tensor, size: tuple[int, int]) -> list[tuple[np.ndarray, frozenset[str]]]:
    """Images as 8-bit files would hold them, with the flags "nan" and "size_mismatch" where they apply."""
    shared = set()
    output = output.detach().float()
    finite = torch.isfinite(output).flatten(1).all(dim=1).tolist()
    output = torch.nan_to_num(output, nan=0.0, posinf=0.0, neginf=0.0)
    if output.shape[-2:] != size:
        shared = {"size_mismatch"}
        output = F.interpolate(output, size, mode="bilinear", antialias=True)
    images = (output.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [
        (np.ascontiguousarray(image), frozenset(shared | (set() if good else {"nan"})))
        for image, good in zip(images, finite, strict=True)
    ]
