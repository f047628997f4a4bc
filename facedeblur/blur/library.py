"""The blur of this package for other projects: one image or a batch, arrays or tensors, a seed or a generator.

`facedeblur.blur` exports these. The training pipeline calls the modules beneath, which take single arrays and check
nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from facedeblur.blur.averages import average as average_arrays
from facedeblur.blur.camera_shake import CameraShakeSettings
from facedeblur.blur.kernels import apply_kernel as apply_to_array
from facedeblur.blur.kernels import check_kernel
from facedeblur.blur.quality import WindowQuality
from facedeblur.blur.response import Response, response
from facedeblur.blur.schedule import kernel_for
from facedeblur.blur.trajectory import TrajectorySettings
from facedeblur.blur.vla import VLASettings, VLAWindow
from facedeblur.blur.vla import vla_windows as grow_windows
from facedeblur.faces.crop import crop_box

if TYPE_CHECKING:
    import torch

Image = TypeVar("Image", np.ndarray, "torch.Tensor")


def average(frames: Iterable[np.ndarray] | torch.Tensor, response: str = "identity") -> np.ndarray | torch.Tensor:
    """The mean of consecutive frames, which is what a long exposure sees (Eq. 8).

    Args:
        frames: arrays (H, W, C) uint8; or a tensor (..., T, C, H, W) in [0, 1], averaged over T.
        response: "identity" averages stored values, "gamma2.2" light (Eq. 7).

    Returns:
        An array (H, W, C), float32 in [0, 255]; or a tensor (..., C, H, W) in [0, 1] of the type it was given.

    Raises:
        ValueError: no frame, or an unknown response.

    >>> import numpy as np
    >>> average([np.full((1, 1, 1), value, np.uint8) for value in (10, 20, 60)]).item()
    30.0
    """
    curve = _curve(response)
    if isinstance(frames, np.ndarray) or not hasattr(frames, "mean"):
        return average_arrays(frames, curve)
    if frames.ndim < 4 or frames.shape[-4] < 1:
        raise ValueError(f"frames: a tensor (..., T, C, H, W) with T of at least 1, got {tuple(frames.shape)}")
    light = frames.clamp(0, 1) ** curve.exponent if curve.exponent != 1 else frames
    mean = light.mean(dim=-4)
    return mean ** (1 / curve.exponent) if curve.exponent != 1 else mean


def trajectory_kernel(
    seed: int | np.random.Generator | torch.Generator = 0,
    size: int = 256,
    settings: TrajectorySettings | None = None,
    count: int | None = None,
) -> np.ndarray:
    """Kernels of random camera trajectories, a Markov process (section 5.2).

    Args:
        seed: a number stands for one kernel, the same at every `size` but for its extent; a generator draws one.
        size: side of the images in pixels; lengths are stated for 256.
        settings: of the process.
        count: so many kernels at once, of the seeds that follow, padded with zeros to one size.

    Returns:
        float32 (k, k) with k odd, or (count, k, k); no value is negative, each kernel sums to 1.

    >>> kernel = trajectory_kernel(seed=3, size=128)
    >>> kernel.shape[0] % 2, round(float(kernel.sum()), 4)
    (1, 1.0)
    """
    return _kernels("trajectory", seed, size, settings or TrajectorySettings(), count)


def camera_shake_kernel(
    seed: int | np.random.Generator | torch.Generator = 0,
    size: int = 256,
    settings: CameraShakeSettings | None = None,
    count: int | None = None,
) -> np.ndarray:
    """Kernels of camera shake: measured ones, varied, and moderate trajectories (section 5.1, the hourglass's blur).

    The noise of this blur is not part of the kernel.

    Args:
        seed, size, count: as of `trajectory_kernel`.
        settings: how the kernels vary.

    Returns:
        float32 (k, k) with k odd, or (count, k, k); no value is negative, each kernel sums to 1.

    >>> camera_shake_kernel(seed=3, size=64, count=2).sum(axis=(1, 2)).round(4).tolist()
    [1.0, 1.0]
    """
    return _kernels("camera_shake", seed, size, settings or CameraShakeSettings(), count)


def apply_kernel(images: Image, kernels: np.ndarray | torch.Tensor) -> Image:
    """Convolves images with blur kernels, replicating the border.

    Args:
        images: an array (H, W) or (H, W, C) of any type; or a tensor (B, C, H, W) or (C, H, W) of floats.
        kernels: (k, k) for all images, or (B, k, k), one for each of the batch; k odd.

    Returns:
        The same shape; float32 for an array, the type and device of the images for a tensor. Gradients flow.

    Raises:
        ValueError: an even kernel, or not as many kernels as images.

    >>> import numpy as np
    >>> shifted = np.zeros((3, 3), np.float32); shifted[1, 2] = 1
    >>> apply_kernel(np.array([[1, 2, 3]], np.uint8), shifted).tolist()
    [[1.0, 1.0, 2.0]]
    """
    if isinstance(images, np.ndarray):
        kernels = np.asarray(kernels, np.float32)
        if kernels.ndim != 2:
            raise ValueError(f"kernels: one (k, k) for an array, got {kernels.shape}; batches are tensors")
        check_kernel(kernels.shape)
        return apply_to_array(images, kernels)
    import torch
    from kornia.filters import filter2d

    kernels = torch.as_tensor(kernels, dtype=images.dtype, device=images.device)
    batch = images if images.ndim == 4 else images[None]
    kernels = kernels if kernels.ndim == 3 else kernels[None]
    check_kernel(kernels.shape[1:])
    if len(kernels) not in (1, len(batch)):
        raise ValueError(f"kernels: one, or one for each of {len(batch)} images, got {len(kernels)}")
    return filter2d(batch, kernels, border_type="replicate", behaviour="conv").view(images.shape)


def vla_windows(
    landmarks: np.ndarray,
    frames: Sequence[np.ndarray],
    settings: VLASettings | None = None,
    stride: int | None = None,
    response: str = "identity",
) -> list[VLAWindow]:
    """Windows of variable length averaging in one shot (section 3.3): they grow until the blur is strong enough.

    Args:
        landmarks: (F, 68, 2) of the face in every frame, in pixels.
        frames: F luminance images (H, W) uint8.
        settings: thresholds of the three stop conditions.
        stride: frames between the starts of two windows; None: they do not overlap.
        response: the curve under which light is averaged, as in `average`.

    Returns:
        Windows with `start`, `length` (odd; the middle frame is the sharp one) and `stop`, what ended their growth.

    Raises:
        ValueError: not as many landmarks as frames.

    >>> face = 20 + 60 * np.random.default_rng(0).random((68, 2))
    >>> landmarks = np.stack([face + (frame, 0) for frame in range(20)])  # it moves one pixel a frame to the right
    >>> wave = lambda frame: 128 + 100 * np.sin((np.arange(120) - frame) / 4)
    >>> frames = [np.tile(wave(frame), (100, 1)).astype(np.uint8) for frame in range(20)]
    >>> [(window.start, window.length, window.stop) for window in vla_windows(landmarks, frames)]
    [(0, 13, 'quality')]
    """
    landmarks = np.asarray(landmarks, np.float32)
    if landmarks.shape != (len(frames), 68, 2):
        raise ValueError(f"landmarks: ({len(frames)}, 68, 2) for {len(frames)} frames, got {landmarks.shape}")
    quality = WindowQuality(frames.__getitem__, lambda index: crop_box(landmarks[index]), _curve(response))
    return grow_windows(landmarks, quality.ssim, settings or VLASettings(), stride)[0]


def _curve(name: str | Response) -> Response:
    return name if isinstance(name, Response) else response(name)


def _kernels(kind: str, seed: object, size: int, settings: object, count: int | None) -> np.ndarray:
    first = _number(seed)
    kernels = [kernel_for(kind, first + i, size, settings) for i in range(1 if count is None else count)]
    if count is None:
        return kernels[0].copy()
    side = max(len(kernel) for kernel in kernels)
    return np.stack([np.pad(kernel, (side - len(kernel)) // 2) for kernel in kernels])


def _number(seed: object) -> int:
    """A kernel's number: as given, or the next of a generator of NumPy's or PyTorch's."""
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**31))
    if isinstance(seed, (int, np.integer)):
        return int(seed)
    import torch

    return int(torch.randint(2**31, (), generator=seed))
