"""Blur schedules by name: which windows a corpus is cut into and how each becomes blurry (paper, Section 5.2)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from facedeblur.blur.camera_shake import CameraShakeSettings, camera_shake_kernel, noise_level
from facedeblur.blur.kernels import apply_kernel
from facedeblur.blur.photo_motion import MotionSettings, motion_blur
from facedeblur.blur.response import response
from facedeblur.blur.trajectory import TrajectorySettings, trajectory_kernel
from facedeblur.blur.vla import VLASettings
from facedeblur.blur.weak import SharpSettings, weak_kernel
from facedeblur.blur.windows import check_length
from facedeblur.plugins import PluginError, from_text, function_of
from facedeblur.settings import ADDED, check, check_count, hashed

_KERNELS = {"trajectory": trajectory_kernel, "camera_shake": camera_shake_kernel, "sharp": weak_kernel}
SINGLE_KINDS = (*_KERNELS, "motion", "given", "plugin")
KINDS = ("pravg", "vla", "windows", *SINGLE_KINDS)
PRAVG_LENGTHS = (7, 9, 11, 15, 21)


@dataclass(frozen=True)
class Schedule:
    """One way to blur.

    Attributes:
        name: what configurations and rows call it.
        kind: "pravg": averages of fixed `lengths`; "vla": averages whose length the content decides; "windows":
            averages of frames that code of the user's own chooses; "trajectory" and "camera_shake": a single frame
            convolved with a kernel; "sharp": the same with a weak one or none; "motion": a single frame in motion
            around its landmarks; "given": a single frame whose blurry partner is a file beside it; "plugin": a single
            frame through code of the user's own.
        lengths: odd numbers of frames, for "pravg" only; every length tiles the shots by itself.
        stride: frames between the starts of two windows; None: windows do not overlap, and kernel schedules take every
            7th frame.
        response: "identity" or "gamma<exponent>": the curve under which light is averaged.
        seed: of the kernels.
        vla, trajectory, camera_shake, sharp, motion: settings of these kinds.
        plugin: for "windows" and "plugin": the code, as `facedeblur.plugins.as_text` has it.

    Raises:
        ValueError: naming the field, for an impossible value.
    """

    name: str
    kind: str
    lengths: tuple[int, ...] = ()
    stride: int | None = None
    response: str = "identity"
    seed: int = 0
    vla: VLASettings = field(default_factory=VLASettings)
    trajectory: TrajectorySettings = field(default_factory=TrajectorySettings)
    camera_shake: CameraShakeSettings = field(default_factory=CameraShakeSettings)
    sharp: SharpSettings = field(default_factory=SharpSettings, metadata=ADDED)
    motion: MotionSettings = field(default_factory=MotionSettings, metadata=ADDED)
    plugin: str = field(default="", metadata=ADDED)

    def __post_init__(self) -> None:
        check(self.kind in KINDS, "kind", f"one of {', '.join(KINDS)}", self.kind)
        object.__setattr__(self, "lengths", tuple(self.lengths))
        own, averages = self.kind in ("windows", "plugin"), self.kind == "pravg"
        check(own == bool(self.plugin), "plugin", f"{'given' if own else 'empty'} for {self.kind}", self.plugin)
        check(
            averages == bool(self.lengths),
            "lengths",
            f"{'given' if averages else 'empty'} for {self.kind}",
            self.lengths,
        )
        for length in self.lengths:
            check_length(length)
        check_count("stride", self.stride, 1, None)
        response(self.response)

    @property
    def uses_kernels(self) -> bool:
        """True when single frames are blurred by themselves, False when frames are averaged."""
        return self.kind in SINGLE_KINDS

    @property
    def mixes_lengths(self) -> bool:
        """True when windows of several lengths may share a sharp frame."""
        return self.kind == "windows" or len(self.lengths) > 1

    @property
    def kernel_stride(self) -> int:
        """Frames between two windows of a kernel schedule."""
        return 7 if self.stride is None else self.stride

    def kernel(self, kernel_seed: int, size: int) -> np.ndarray:
        """`kernel_for` with this schedule's settings; ValueError for a kind that has no kernels."""
        return kernel_for(self.kind, kernel_seed, size, getattr(self, self.kind, None), self.seed)

    def fingerprint(self) -> str:
        """Hash of everything that decides the windows and their blur; equal settings, equal hash, on any machine."""
        return hashlib.sha256(json.dumps(hashed(self), sort_keys=True).encode()).hexdigest()[:16]


def named_schedule(name: str, **overrides: Any) -> Schedule:
    """The schedule of this name, with its defaults.

    Args:
        name: "pravg7", "pravg9" ... "pravg21", "pravg" (all five lengths), "vla", "trajectory", "camera_shake",
            "sharp", "motion" or "given".
        **overrides: fields of `Schedule`; those that are settings of one kind may be mappings of their own fields.

    Returns:
        The schedule.

    Raises:
        ValueError: an unknown name, key or value.

    >>> named_schedule("pravg9", response="gamma2.2").lengths, named_schedule("vla", vla={"max_length": 21}).kind
    ((9,), 'vla')
    """
    if name.removeprefix("pravg").isdigit() and name.startswith("pravg"):
        defaults: dict[str, Any] = {"kind": "pravg", "lengths": (int(name.removeprefix("pravg")),)}
    elif name == "pravg":
        defaults = {"kind": "pravg", "lengths": PRAVG_LENGTHS}
    elif name in KINDS:
        defaults = {"kind": name}
    elif "kind" in overrides:  # one that has a name of its own
        defaults = {}
    else:
        names = ", ".join([*(f"pravg{length}" for length in PRAVG_LENGTHS), *KINDS])
        raise ValueError(f"blur: must be one of {names}, got {name!r}")
    for key, kind in _SETTINGS.items():
        if isinstance(overrides.get(key), Mapping):
            overrides[key] = _build(kind, f"{name}.{key}", overrides[key])
    return _build(Schedule, name, {"name": name, **defaults, **overrides})


_SETTINGS = {
    "vla": VLASettings,
    "trajectory": TrajectorySettings,
    "camera_shake": CameraShakeSettings,
    "sharp": SharpSettings,
    "motion": MotionSettings,
}


def _build(kind: type, where: str, values: Mapping[str, Any]) -> Any:
    known = {f.name for f in dataclasses.fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}, known are {', '.join(sorted(known))}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def kernel_for(
    kind: str,
    kernel_seed: int,
    size: int,
    settings: TrajectorySettings | CameraShakeSettings | SharpSettings,
    seed: int = 0,
) -> np.ndarray:
    """The blur kernel that a number stands for: of the same shape at every size, its extent in proportion.

    Args:
        kind: "trajectory", "camera_shake" or "sharp".
        kernel_seed: the number.
        size: side of the image in pixels.
        settings: of that kind.
        seed: of the bank of kernels.

    Returns:
        (k, k) float32, k odd, of sum 1.

    Raises:
        ValueError: another kind.
    """
    check(kind in _KERNELS, "kind", f"one of {', '.join(_KERNELS)}", kind)
    return _KERNELS[kind](kernel_seed, size, settings, seed)


def blur_with_kernel(sharp: np.ndarray, schedule: Schedule, kernel_seed: int) -> np.ndarray:
    """The blurry partner of one sharp crop under a kernel schedule; a pure function of its arguments.

    Convolves light (the schedule's response curve) with the kernel, replicating the border, and for camera_shake adds
    its Gaussian noise.

    Args:
        sharp: uint8 (S, S) or (S, S, 3).
        schedule: of kind "trajectory", "camera_shake" or "sharp".
        kernel_seed: stands for one kernel, whose extent is in proportion to S.

    Returns:
        float32 in [0, 255], of the same shape.

    >>> sharp = np.full((32, 32, 3), 90, np.uint8)
    >>> bool(np.allclose(blur_with_kernel(sharp, named_schedule("trajectory"), kernel_seed=3), 90, atol=1e-3))
    True
    """
    curve = response(schedule.response)
    blurry = curve.encode(apply_kernel(curve.decode(sharp), schedule.kernel(kernel_seed, sharp.shape[0])))
    if schedule.kind == "camera_shake" and schedule.camera_shake.noise > 0:
        noise = np.random.default_rng([schedule.seed, kernel_seed]).standard_normal(blurry.shape, np.float32)
        blurry = blurry + np.float32(255 * noise_level(kernel_seed, schedule.camera_shake, schedule.seed)) * noise
    return np.clip(blurry, 0.0, 255.0)


def blur_single(sharp: np.ndarray, schedule: Schedule, kernel_seed: int, landmarks: np.ndarray) -> np.ndarray:
    """The blurry partner of one sharp crop under a schedule of single frames: `blur_with_kernel`, or its own motion.

    Args:
        landmarks: (68, 2) of the crop, in its pixels.
    """
    if schedule.kind == "motion":
        return motion_blur(
            sharp, landmarks, kernel_seed, schedule.motion, schedule.seed, response=response(schedule.response)
        )
    if schedule.kind == "plugin":
        return _blur_by_plugin(sharp, schedule, kernel_seed, landmarks)
    return blur_with_kernel(sharp, schedule, kernel_seed)


def _blur_by_plugin(sharp: np.ndarray, schedule: Schedule, kernel_seed: int, landmarks: np.ndarray) -> np.ndarray:
    key = f"blur.plugins.{schedule.name}"
    blurry = np.asarray(_function(schedule.plugin, key)(sharp, kernel_seed, landmarks))
    if blurry.shape != sharp.shape:
        raise PluginError(f"{key}: must give an image {sharp.shape}, got {blurry.shape}")
    if not np.isfinite(blurry).all():
        raise PluginError(f"{key}: gives values that are not finite")
    return np.clip(blurry, 0.0, 255.0).astype(np.float32)


def chosen_windows(landmarks: np.ndarray, schedule: Schedule) -> list[tuple[int, int]]:
    """The windows of one shot under a schedule of the user's own: (start, length), in ascending order.

    Args:
        landmarks: (frames, 68, 2) in pixels; frames without a face lie between shots.

    Raises:
        PluginError: anything but windows of an odd number of frames inside the shot, and whatever the code throws.
    """
    key = f"blur.windows.{schedule.name}"
    chosen = _function(schedule.plugin, key)(landmarks)
    try:
        windows = sorted({(int(start), int(length)) for start, length in chosen})
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"{key}: must give a list of (start, length), got {type(chosen).__name__} ({error})"
        ) from error
    for start, length in windows:
        if length < 1 or length % 2 == 0 or start < 0 or start + length > len(landmarks):
            raise PluginError(f"{key}: must give (start, length) of an odd number of frames among {len(landmarks)}, "
                              f"got ({start}, {length})")  # fmt: skip
    return windows


@lru_cache
def _function(plugin: str, key: str) -> Callable[..., np.ndarray]:
    return function_of(from_text(plugin), key)
