"""Optional packages: which extra of the package brings them, and the one line that says so where they are missing.

`pyproject.toml` lists what each extra installs; a test holds the two lists together.
"""

from __future__ import annotations

from importlib.util import find_spec

from facedeblur.errors import UsageError

# import name -> the extra that installs it
EXTRAS = {
    "pytorch_lightning": "train",
    "hydra": "train",
    "omegaconf": "train",
    "albumentations": "train",
    "skimage": "train",
    "matplotlib": "train",
    "wandb": "wandb",
    "wandb_workspaces": "workspaces",
    "tensorboard": "tensorboard",
    "dlib": "faces",
    "face_recognition_models": "faces",
    "pillow_heif": "heif",
    "aiohttp": "serve",
    "onnx": "export",
    "onnxruntime": "export",
    "submitit": "slurm",
    "hydra_plugins.hydra_submitit_launcher": "slurm",
    "hydra_plugins.hydra_ray_launcher": "ray",
}


def remedy(extra: str) -> str:
    """The command that installs an extra, from a checkout or beside a wheel file.

    >>> remedy("train")
    "pip install '.[train]' in the checkout, or pip install '<wheel file>[train]'"
    """
    return f"pip install '.[{extra}]' in the checkout, or pip install '<wheel file>[{extra}]'"


def missing_line(what: str, module: str) -> str:
    """One line: `what` needs `module`, which is not installed, and the extra that brings it."""
    return f"{what}: needs {module}, which is not installed: {remedy(EXTRAS[module])}"


def need(what: str, *modules: str) -> None:
    """Raises UsageError where one of `modules` is not installed; it names `what` wants it and the extra to install.

    Nothing is imported: the import system says whether a package is there.
    """
    for module in modules:
        if not _installed(module):
            raise UsageError(missing_line(what, module))


def explained(error: ModuleNotFoundError, what: str) -> UsageError | None:
    """The UsageError that a failed import of an optional package stands for; None where it is another package."""
    names = (error.name or "").split(".")
    for length in range(len(names), 0, -1):
        module = ".".join(names[:length])
        if module in EXTRAS:
            return UsageError(missing_line(what, module))
    return None


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent package of a dotted name
        return False
