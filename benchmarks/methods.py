"""The compared methods that need no weights: CPU seconds per image, what a batch costs and takes, pictures of the docs.

A public-domain portrait (scikit-image's astronaut) at 128 px under eight camera shakes of up to 13 px, with kernels of
15 px, float32, one thread, the last step included. Memory is that of 16 images of 256 px, in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.signal import fftconvolve
from skimage.data import astronaut

from benchmarks.timing import provenance
from facedeblur.baselines.names import CLASSICAL, load_baseline
from facedeblur.blur.trajectory import rasterise, trajectories
from facedeblur.models.deblurrer import Deblurrer

SIZE, SIDE, BATCH = 128, 15, 8
LARGE_BATCH = 32  # that costs no more an image than one alone
MEMORY_SIZE, MEMORY_BATCH = 256, 16
FACE = (0, 80, 290)  # top, left and side of the portrait's face with its surroundings
BARS = {  # seconds per image
    "l0": 0.3,
    "xu13": 0.15,
    "krishnan11": 0.8,
    "babacan12": 3.5,
    "zhang13": 2.0,
    "pan14_text": 1.2,
    "pan14_faces": 2.0,
    "pan16": 1.4,
}


def report(rounds: int = 2, names: Iterable[str] = CLASSICAL) -> Iterator[str]:
    """Lines of each method: CPU seconds per image, the fastest of `rounds` runs; a batch of 32 to one; memory."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        images = torch.cat([blurred_portrait(seed)[1] for seed in range(BATCH)])
        for name in names:
            deblurrer = load_baseline(name)[1]
            deblurrer.side = SIDE
            deblurrer(images[:1])
            seconds = min(_cpu_seconds(deblurrer, images) for _ in range(rounds))
            yield f"{f'{name}, CPU seconds per image at {SIZE} px':<58}{seconds:8.3f}  below {BARS[name]}"
            one = images[:1]
            alone = statistics.median(_cpu_seconds(deblurrer, one) for _ in range(5))
            ratio = _cpu_seconds(deblurrer, one.expand(LARGE_BATCH, -1, -1, -1)) / alone
            yield f"{f'{name}, an image of a batch of {LARGE_BATCH} to one alone':<58}{ratio:8.2f}  at most 1.05"
        for name in names:
            told = f"{name}, GB for {MEMORY_BATCH} images of {MEMORY_SIZE} px"
            yield f"{told:<58}{memory(name) / 1e9:8.2f}  below 1.5"
    finally:
        torch.set_num_threads(threads)


def _cpu_seconds(deblurrer: Deblurrer, images: torch.Tensor) -> float:
    begin = time.process_time()
    deblurrer(images)
    return (time.process_time() - begin) / len(images)


def memory(name: str) -> int:
    """Peak memory in bytes of a fresh process that runs the method, less what the process had before."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_memory, name).result()


def _memory(name: str) -> int:
    torch.set_num_threads(1)
    images = torch.nn.functional.interpolate(blurred_portrait(0)[1], MEMORY_SIZE, mode="bicubic").clamp(0, 1)
    images = images.repeat(MEMORY_BATCH, 1, 1, 1)
    deblurrer = load_baseline(name)[1]
    deblurrer.iterations = 1  # each takes what the first one took
    deblurrer(images[:1, :, :32, :32])  # what is loaded when it is first used
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    deblurrer(images)
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def blurred_portrait(seed: int, extent: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sharp and blurry portrait (1, 3, 128, 128) in [0, 1], 8 bit, and the kernel (1, 1, side, side)."""
    rng = np.random.default_rng([seed, 2])
    path = trajectories(rng, np.array([60.0]), np.array([0.005]), 1000)[0]
    kernel = rasterise(path, extent / max(np.ptp(path.real), np.ptp(path.imag))).astype(np.float64)
    side = max(kernel.shape) + (max(kernel.shape) % 2 == 0)
    rows, columns = side - kernel.shape[0], side - kernel.shape[1]
    kernel = np.pad(kernel, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)))
    top, left, length = FACE
    scene = cv2.resize(astronaut()[top : top + length, left : left + length], (SIZE + side - 1,) * 2, None, 0, 0, 3)
    scene = scene.astype(np.float64) / 255
    blurry = np.stack([fftconvolve(scene[..., c], kernel, mode="valid") for c in range(3)])
    noisy = np.rint((blurry + rng.normal(0, 0.005, blurry.shape)).clip(0, 1) * 255) / 255
    half = side // 2
    sharp = np.moveaxis(scene[half : half + SIZE, half : half + SIZE], -1, 0)
    return tuple(torch.from_numpy(np.ascontiguousarray(a))[None].float() for a in (sharp, noisy, kernel[None]))


def write_pictures(folder: Path, names: list[str], seed: int = 3) -> None:
    """<folder>/<name>.jpg for each method: blurry, restored and sharp, with the kernel found and the true one."""
    folder.mkdir(parents=True, exist_ok=True)
    sharp, blurry, kernel = blurred_portrait(seed)
    for name in names:
        deblurrer = load_baseline(name)[1]
        deblurrer.side = SIDE
        result = deblurrer.deconvolve(blurry)
        tiles = [_tile(blurry, None), _tile(result.images, result.kernels), _tile(sharp, kernel)]
        cv2.imwrite(str(folder / f"{name}.jpg"), np.hstack(tiles)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def _tile(image: torch.Tensor, kernel: torch.Tensor | None) -> np.ndarray:
    tile = (image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    tile = cv2.resize(tile, (2 * SIZE, 2 * SIZE), interpolation=cv2.INTER_CUBIC)
    if kernel is not None:
        taps = (kernel[0, 0] / kernel.max() * 255).numpy().astype(np.uint8)
        taps = cv2.resize(taps, (60, 60), interpolation=cv2.INTER_NEAREST)
        tile[:60, -60:] = taps[..., None]
    return tile


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.methods", description=__doc__)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write the pictures instead")
    parser.add_argument("--methods", nargs="+", default=list(CLASSICAL), choices=CLASSICAL, help="default: all")
    parser.add_argument("--rounds", type=int, default=2, help="runs over the batch, of which the fastest counts")
    arguments = parser.parse_args()
    if arguments.pictures:
        write_pictures(arguments.pictures, arguments.methods)
    else:
        print(provenance())
        for text in report(arguments.rounds, arguments.methods):
            print(text, flush=True)
