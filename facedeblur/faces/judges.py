"""The judges of a restored face by name: localisers, detectors and embedders, each made once per process.

`dlib` is the default of all; a localiser may also be a trained one, by its run folder, or a class of the user's,
`<file>.py:<Class>`, and an embedder the weight file of a FaceNet.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.faces.dlib_models import DlibDetector, DlibEmbedder, DlibLocalizer
from facedeblur.faces.protocols import Detector, Embedder, Localizer
from facedeblur.plugins import TARGET, make, require
from facedeblur.video.fingerprint import fingerprint as content_fingerprint

WEIGHT_SUFFIXES = (".pt", ".pth", ".safetensors")


@cache
def detector() -> Detector:
    """The detector that looks for a face in a crop: dlib's, at one magnification, so that a miss costs no more."""
    return DlibDetector(retry=False)


@cache
def localizer(name: str) -> Localizer:
    """A localiser: "dlib", the run folder of `experiment=localizer`, or `<file>.py:<Class>`.

    Raises:
        UsageError: anything else.
    """
    if name == "dlib":
        return DlibLocalizer()
    if ".py:" in name:
        return _own(name, "localize")
    # judging processes load torch only where a judge needs it
    from facedeblur.models.checkpoint import is_run

    if is_run(name):
        from facedeblur.faces.hourglass_localizer import HourglassLocalizer

        return HourglassLocalizer.load(name)
    raise UsageError(f"judge: localiser {name}: must be dlib, a trained localiser's run folder, or <file>.py:<Class>")


@cache
def embedder(name: str) -> Embedder | None:
    """An embedder: "dlib", "none" (None), or the weight file of a FaceNet. Raises UsageError for anything else."""
    if name == "none":
        return None
    if name == "dlib":
        return DlibEmbedder()
    if ".py:" in name:
        return _own(name, "embed")
    if Path(name).suffix in WEIGHT_SUFFIXES:
        from facedeblur.faces.facenet import FaceNetEmbedder

        return FaceNetEmbedder(name)
    raise UsageError(
        f"judge.embedder: {name}: must be dlib, none, <file>.py:<Class> or a FaceNet's weight file "
        f"({', '.join(WEIGHT_SUFFIXES)})"
    )


def fingerprint(name: str) -> str | None:
    """Identifies the files behind a judge; None for those that come with the package."""
    path = Path(name.rpartition(":")[0] if ".py:" in name else name)
    files = [path, path / "checkpoints" / "last.ckpt"]
    return next((content_fingerprint(file) for file in files if file.is_file()), None)


def _own(target: str, method: str):
    """What the user's class makes. Raises PluginError unless it has the method, see `facedeblur.faces.protocols`."""
    made = make({TARGET: target}, "judge")
    require(made, "judge", "an evaluator of faces", (method,))
    return made
