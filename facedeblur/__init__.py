"""facedeblur: train, compare and use face motion-deblurring networks (Chrysos, Favaro, Zafeiriou).

In short::

    import facedeblur

    deblur = facedeblur.load()  # the shipped weights; or a name, a file of weights, a run folder
    sharp = deblur(image)  # an array, a tensor, a PIL image, or a batch of them

    for blurry, sharp, meta in facedeblur.pairs("videos/", blur="vla", size=128):
        ...

Nothing heavy is imported with the package: torch comes with the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from facedeblur.data.dataset import Pairs
    from facedeblur.evaluation.api import Scores
    from facedeblur.inference.api import FaceDeblurrer
    from facedeblur.models.deblurrer import Deblurrer

__version__ = "0.1.0"
__all__ = ["__version__", "evaluate", "load", "make_report", "pairs"]


def load(weights: str | Path | None = None, device: str = "auto", plugins: Sequence[str] = ()) -> FaceDeblurrer:
    """The test-time network, the hourglass and G_bl alone, as a function of images: see `FaceDeblurrer.__call__`.

    Args:
        weights: the name of shipped weights (by default the last of them), a `.safetensors` file, a run folder
            (the checkpoint that validation chose, else the last), a checkpoint, or "blurred" for a copy of the input.
        device: where it runs; "auto" is the first GPU, or the processor where there is none.
        plugins: targets of the networks of your own that the weights were trained with, such as "my_net.py:Net"; no
            code is imported because a file of weights names it.

    Returns:
        A function of pictures, whose method `video` takes files; it gives back what it is given, deblurred.

    Raises:
        facedeblur.errors.UsageError: no such weights or device, or weights that cannot be read.

    >>> import numpy as np
    >>> picture = np.full((128, 128, 3), 90, np.uint8)
    >>> deblur = load("blurred")
    >>> deblur(picture, aligned=True).shape  # aligned: the picture is the crop of one face
    (128, 128, 3)
    """
    from facedeblur.inference.load import load as load_weights  # torch is imported here, not with the package
    from facedeblur.plugins import trust

    trust(plugins)
    return load_weights(weights, device)


def pairs(
    folder: str | Path, blur: str | Sequence[str] | Mapping[str, float] = "vla", size: int = 128, **options: Any
) -> Pairs:
    """Blurry and sharp face crops out of a folder of videos, photos or pairs of files, as a PyTorch dataset.

    The first call finds the faces and plans the windows, which takes a while; what it found is kept in `cache`.

    Args:
        folder: what `layout` says, by default `<person>/**/<video>.mp4`.
        blur: "vla", "pravg7" ... "pravg21", "pravg", "trajectory", "camera_shake", several of them, or name -> weight;
            of pairs of files (layout="pairs") "given".
        size: side of the images in pixels.
        **options: see `facedeblur.data.dataset.Pairs`: layout, split, seed, windows, strength, shuffle, cache, jobs.

    Returns:
        An IterableDataset of (blurry, sharp, meta), the images float32 (3, size, size) in [0, 1]; `meta` says where the
        pair is from.

    Raises:
        facedeblur.errors.UsageError: no such folder, no usable file, an unknown blur.
    """
    from facedeblur.data.dataset import Pairs

    return Pairs(folder, blur, size, **options)


def evaluate(
    methods: Sequence[str | Path | Deblurrer] | Mapping[str, str | Path | Deblurrer],
    data: str | Path,
    blurs: str | Sequence[str] = ("pravg7", "pravg11", "pravg21", "vla"),
    **options: Any,
) -> Scores:
    """Scores methods on a test set: landmarks, identity, PSNR, SSIM and time, beside the blurry and the sharp images.

    Args:
        methods: run folders, names of weights, files, targets such as "mine.py:Method", or any function of images
            (B, 3, H, W) in [0, 1]; as a mapping, label -> one of these.
        data: "demo", or a folder of videos as `pairs` takes it.
        blurs: names of blurs.
        **options: see `facedeblur.evaluation.api.evaluate`: name, output, images, size, layout, judge, metrics,
            device, jobs.

    Returns:
        The scores, which are a table to print, its rows, and the folder that `make_report` reads.

    Raises:
        facedeblur.errors.UsageError: a method, corpus or blur that is not there.
    """
    from facedeblur.evaluation.api import evaluate as run_evaluation

    return run_evaluation(methods, data, blurs, **options)


def make_report(*folders: str | Path, out: str | Path | None = None, title: str | None = None) -> Path:
    """Tables, plots and one self-contained page of what evaluations wrote.

    Args:
        *folders: of `evaluate` or `facedeblur evaluate`; several are joined.
        out: where it goes, by default `report` in the first folder.
        title: heading of the page.

    Returns:
        The page; its tables and plots lie beside it.

    Raises:
        facedeblur.errors.UsageError: a folder without rows, or the extra `train` is missing (matplotlib draws).
    """
    from facedeblur.report.api import make_report as write_report

    return write_report(folders, out, title)
