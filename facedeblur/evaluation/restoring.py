"""Methods over pairs: in batches, timed, and whatever a method may do wrong is flagged and counted.

An image that a method does not deliver (it raised an error or ended the program, or gave something that is no tensor of
floating-point numbers), and pixels that are not finite, count as black, and the face as not found: the row stays. An
image of another size is resized to that of the sharp one; one of another range than [0, 1] is cut to it and flagged.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.errors import UsageError
from facedeblur.evaluation.judging import PROCESS_DIED, JudgePool
from facedeblur.methods import Method, load_method
from facedeblur.models.outputs import check_images, of_another_range, values_of
from facedeblur.models.settings import SIDE_MULTIPLE


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


WARM_UP_SIDE = 16  # of the image that warms a slow method up, in pixels
CALL_SECONDS = 5.0  # of a call at most: what an image that a method fails on costs the others of its batch


class Restorer:
    """Runs one method on images in batches of at most `batch`; the first image also warms it up, untimed.

    A slow method gets smaller batches, so that a call takes about CALL_SECONDS.
    """

    def __init__(self, method: Method, device: str | torch.device, batch: int, warm: bool = False) -> None:
        self.method, self.device, self.batch = method, torch.device(device), batch
        self._warm = warm
        self._seconds = 0.0  # of an image, as it took last
        self.complaints: set[str] = set()  # kinds of those that were printed

    def __call__(self, images: Sequence[np.ndarray]) -> list[Restored]:
        """RGB uint8 images of one size -> what became of each, in order."""
        restored: list[Restored] = []
        while len(restored) < len(images):
            fitting = int(CALL_SECONDS / self._seconds) if self._seconds else self.batch
            count = min(self.batch, max(1, fitting))
            restored += self._run(images[len(restored) : len(restored) + count])
        return restored

    def _run(self, images: Sequence[np.ndarray]) -> list[Restored]:
        batch = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 3, 1, 2).float().div_(255)
        try:
            with torch.no_grad():  # a method of the user's may not think of it
                if not self._warm:
                    self._warm = True
                    begin = time.perf_counter()
                    self.method.deblurrer(batch[:1].clone())  # it may work in place
                    self._wait()
                    self._seconds = time.perf_counter() - begin
                    if len(images) * self._seconds > CALL_SECONDS:
                        return self(images)
                self._wait()
                begin = time.perf_counter()
                output = self.method.deblurrer(batch)
                self._wait()
            seconds = self._seconds = (time.perf_counter() - begin) / len(images)
            check_images(output, batch.shape)
        except (Exception, SystemExit) as error:  # a method may raise anything, and may call sys.exit
            if len(images) > 1:  # one image may be to blame, or the batch too large for the device
                half = len(images) // 2
                return self._run(images[:half]) + self._run(images[half:])
            text = " ".join(f"{type(error).__name__}: {error}".split())
            self._complain("error", f"{text}; the image counts as black")
            return [Restored(np.zeros_like(images[0]), None, frozenset({"error"}))]
        restored = [Restored(image, seconds, flags) for image, flags in _as_files(output, batch.shape[-2:])]
        if any("range" in each.flags for each in restored):
            self._complain("range", f"{values_of(output)}; they must be in [0, 1], and are cut to it")
        return restored

    def _complain(self, kind: str, text: str) -> None:
        """Prints the first complaint of a kind."""
        if kind not in self.complaints:
            self.complaints.add(kind)
            print(f"{self.method.name}: {text}", file=sys.stderr)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class PooledRestorer:
    """Runs a slow method in the judges' processes, which have nothing else to do then: an image a core at a time.

    The method is loaded once a process; an error costs only its image.
    """

    def __init__(self, method: Method, pool: JudgePool) -> None:
        self.method, self.pool = method, pool

    def __call__(self, images: Sequence[np.ndarray], progress: Callable[[int], object] = bool) -> list[Restored]:
        """RGB uint8 images of one size -> what became of each, in order; seconds are of one core.

        `progress` is called with how many are done.
        """
        submitted = [self.pool.run(_restore_one, (self.method.spec, image)) for image in images]
        restored: list[Restored] = []
        try:
            for future in submitted:
                restored.append(future.result())
                progress(len(restored))
            return restored
        except BrokenProcessPool as error:
            raise UsageError(f"{self.method.name}: {PROCESS_DIED}") from error


def _restore_one(task: tuple[str, np.ndarray]) -> Restored:
    spec, image = task
    return _restorer(spec)([image])[0]


@cache
def _restorer(spec: str) -> Restorer:
    torch.set_num_threads(1)
    method = load_method(spec)
    with suppress(Exception, SystemExit), torch.no_grad():  # what is imported at the first call is no image's time
        method.deblurrer(torch.zeros(1, 3, WARM_UP_SIDE, WARM_UP_SIDE))
    return Restorer(method, "cpu", batch=1, warm=True)


def _as_files(output: Tensor, size: tuple[int, int]) -> list[tuple[np.ndarray, frozenset[str]]]:
    """Images as 8-bit files would hold them, with the flags "nan", "range" and "size_mismatch" where they apply."""
    shared = set()
    output = output.detach().float()
    finite = torch.isfinite(output).flatten(1).all(dim=1).tolist()
    output = torch.nan_to_num(output, nan=0.0, posinf=0.0, neginf=0.0)
    foreign = of_another_range(output).tolist()
    if output.shape[-2:] != size:
        shared = {"size_mismatch"}
        output = F.interpolate(output, size, mode="bilinear", antialias=True)
    images = (output.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    found = [
        {"nan"} if not good else {"range"} if other else set() for good, other in zip(finite, foreign, strict=True)
    ]
    return [(np.ascontiguousarray(image), frozenset(shared | own)) for image, own in zip(images, found, strict=True)]


def is_slow(method: Method) -> bool:
    """Whether a method may take seconds an image: the compared ones do."""
    return method.source.get("of", method.source).get("kind") == "baseline"  # through the front door, too


def image_size(methods: Sequence[Method], asked: int | None) -> int:
    """Side of the images: as asked, that of the trained methods, or 128. Raises UsageError where they differ."""
    sizes = {method.image_size: method.name for method in methods if method.image_size is not None}
    if asked is None and len(sizes) > 1:
        listed = ", ".join(f"{name} ({size} px)" for size, name in sizes.items())
        raise UsageError(f"size: the methods were trained at different sizes: {listed}; set size=<pixels>")
    return asked or next(iter(sizes), SIDE_MULTIPLE)
