"""What a number depends on: versions of packages, and the commit of the code."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path


def versions() -> dict[str, str | None]:
    """Versions of what a number depends on, and the git commit of the code (None outside a checkout)."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {"python": platform.python_version(), "platform": platform.platform()}
    for name in (
        "facedeblur", "torch", "pytorch-lightning", "hydra-core", "torchmetrics", "kornia", "decord", "av",
        "albumentations", "numpy", "opencv-python-headless", "dlib-bin",
    ):  # fmt: skip
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    found["git_commit"] = _git_commit()
    return found


def _git_commit() -> str | None:
    here = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "-C", str(here), "status", "--porcelain", "--", str(here)],
            capture_output=True,
            text=True,
            timeout=5,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-modified" if dirty else commit
