"""Blur as in the paper: averages of frames, random trajectories, camera shake, windows of variable length.

Everything is a pure function of its arguments: the same seed, the same blur, on any machine.

>>> from facedeblur.blur import apply_kernel, trajectory_kernel
>>> import torch
>>> sharp = torch.rand(4, 3, 128, 128)
>>> apply_kernel(sharp, trajectory_kernel(seed=7, size=128, count=4)).shape
torch.Size([4, 3, 128, 128])
"""

from __future__ import annotations

from facedeblur.lazy import lazy_names

_HOMES = {
    "average": "library",
    "apply_kernel": "library",
    "trajectory_kernel": "library",
    "camera_shake_kernel": "library",
    "vla_windows": "library",
    "VLAWindow": "vla",
    "VLASettings": "vla",
    "TrajectorySettings": "trajectory",
    "CameraShakeSettings": "camera_shake",
    "Schedule": "schedule",
    "named_schedule": "schedule",
    "blur_with_kernel": "schedule",
    "pravg_windows": "windows",
    "Window": "windows",
    "Response": "response",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
