"""`facedeblur.load(name)(image)`: the test-time network for arrays, tensors, PIL images and batches of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from facedeblur.faces.protocols import Box
from facedeblur.inference.deblur import DeblurOptions, deblur_pictures
from facedeblur.inference.exif import ORIENTATION
from facedeblur.inference.find import PHOTO_SIDE, VIDEO_SIDE, FaceFinder
from facedeblur.inference.photo import turned
from facedeblur.models.deblurrer import Deblurrer, NetworkDeblurrer

if TYPE_CHECKING:
    from PIL.Image import Image

    from facedeblur.inference.files import Outcome

INVERSE = {6: 8, 8: 6}  # of the orientations of EXIF; the others undo themselves

ROUNDING = 1e-3  # floats so far outside of [0, 1] are rounded ones, as of (x + 1) / 2 in half precision
SHAPES = (
    "uint8, uint16 or float arrays (H, W, 3) or (B, H, W, 3), uint8 or float tensors (3, H, W) or (B, 3, H, W), "
    "PIL images, or a list of those; floats in [0, 1]"
)


class FaceDeblurrer:
    """Deblurs the faces in pictures.

    Args:
        deblurrer: the test-time network alone, (B, 3, H, W) float32 in [0, 1] to the same.
        size: side in pixels of the face crops it was trained on; the smaller where there are networks for two sizes, of
            which each face of a picture gets the one that it has the pixels for.
        name: where its weights come from.
        finder: finds faces in photos and videos; None: dlib's models.
    """

    def __init__(self, deblurrer: Deblurrer, size: int, name: str = "", finder: FaceFinder | None = None) -> None:
        self.deblurrer, self.size, self.name = deblurrer, size, name
        self._finder = finder

    @cached_property
    def photo_finder(self) -> FaceFinder:
        """dlib's models, loaded when they are needed first, or the given finder."""
        return self._finder or FaceFinder.dlib(PHOTO_SIDE)

    @cached_property
    def video_finder(self) -> FaceFinder:
        """The same, made to be asked often."""
        return self._finder or FaceFinder.dlib(VIDEO_SIDE)

    def __call__(
        self,
        image: Any,
        *,
        faces: str = "all",
        aligned: bool = False,
        always: bool = False,
        batch: int = 8,
        strength: float = 1.0,
        boxes: Sequence[Box] = (),
    ) -> Any:
        """Returns what it is given, with the faces deblurred: same type, shape, range and device.

        Args:
            image: RGB, upright (PIL images as their EXIF says). An array (H, W, 3) or (B, H, W, 3), uint8 in [0, 255],
                uint16 in [0, 65535] or float in [0, 1]; a tensor (3, H, W) or (B, 3, H, W), uint8 or float in [0, 1];
                a PIL image of mode RGB, RGBA or L; or a list of any of them.
            faces: "all" or the "largest" of each picture.
            aligned: every picture is the crop of one face already (square, 1.6 times its 68 points' extent, as in
                training) and goes through the network as it is; at `size` x `size` pixels the result is the network's.
            always: also faces that already look sharp.
            batch: faces that go through the network at once.
            strength: the share of every correction that is applied, in [0, 1]; 0 returns the picture as it is.
            boxes: where the faces are, (x, y, width, height) in pixels; none are searched then.

        A face is searched, cut out, deblurred at `size` pixels, and what the network changed is pasted back under a
        feathered mask; pixels outside the masks stay equal to the bit.

        Raises:
            ValueError: another shape, type or range, or an option that cannot be.
            facedeblur.errors.UsageError: faces have to be found, and the extra `faces` is not installed.
        """
        options = DeblurOptions(faces, aligned, always, batch, strength, tuple(boxes))
        pictures, rebuild = _unpacked(image)
        finder = None if aligned else self.photo_finder
        done = deblur_pictures(pictures, self.deblurrer, self.size, finder, options)
        return rebuild([result.picture for result in done])

    def video(
        self,
        source: str | Path,
        target: str | Path,
        *,
        faces: str = "all",
        aligned: bool = False,
        always: bool = False,
        batch: int = 8,
        strength: float = 1.0,
        boxes: Sequence[Box] = (),
        start: float = 0.0,
        stop: float | None = None,
        crf: int = 16,
        metadata: bool = True,
        progress: Callable[[int, int], object] | None = None,
    ) -> Outcome:
        """Deblurs the faces of a video file; sound, times and orientation stay (`facedeblur.video.rewrite`).

        Args:
            source, target: the files; the suffix of `target`, .mp4, .m4v, .mov or .mkv, names its container.
            faces, aligned, always, batch, strength: as for images.
            boxes: where the faces are in the first frame, (x, y, width, height) in pixels; they are followed on.
            start, stop: in seconds, the part that is written; all of it by default.
            crf: quality, less is better.
            metadata: whether tags, such as places and devices, are kept.
            progress: called as `progress(frames done, frames in all)`.

        Returns:
            What was found and changed.

        Raises:
            facedeblur.errors.UsageError: the file cannot be read or written, or shows no face; nothing is written then.
        """
        from facedeblur.inference.files import FileDeblurrer
        from facedeblur.inference.jobs import FileJob

        options = DeblurOptions(faces, aligned, always, batch, strength, tuple(boxes))
        quiet = progress or (lambda done, total: None)
        files = FileDeblurrer(self, options, False, crf, (start, stop), metadata, lambda name: quiet)
        return files(FileJob(Path(source), str(source), True, Path(target)))

    def __repr__(self) -> str:
        sizes = [self.size]
        if isinstance(self.deblurrer, NetworkDeblurrer) and self.deblurrer.smaller is not None:
            sizes.append(self.deblurrer.size)
        return f"FaceDeblurrer({self.name!r}, size={' and '.join(map(str, sizes))})"


def _unpacked(image: Any) -> tuple[list[np.ndarray], Any]:
    """Pictures (H, W, 3) of uint8, uint16 or float32, and the function that makes of them what was given."""
    if isinstance(image, list | tuple):
        return _of_list(image)
    if isinstance(image, Tensor):
        return _of_tensor(image)
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if hasattr(image, "mode") and hasattr(image, "convert"):
        return _of_pil(image)
    raise ValueError(f"image: must be {SHAPES}; got {type(image).__name__}")


def _of_list(images: Sequence[Any]) -> tuple[list[np.ndarray], Any]:
    parts = [_unpacked(image) for image in images]

    def rebuild(pictures: list[np.ndarray]) -> list[Any]:
        remaining = iter(pictures)
        return [build([next(remaining) for _ in own]) for own, build in parts]

    return [picture for own, _ in parts for picture in own], rebuild


def _of_tensor(image: Tensor) -> tuple[list[np.ndarray], Any]:
    if image.ndim not in (3, 4) or image.shape[-3] != 3:
        raise ValueError(f"image: must be {SHAPES}; got a tensor {tuple(image.shape)}")
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise ValueError(f"image: must be {SHAPES}; got a tensor of {image.dtype}")
    plain = image.detach().cpu()
    array = (plain if plain.dtype in (torch.uint8, torch.float64) else plain.float()).movedim(-3, -1).numpy()
    pictures, rebuild = _of_array(np.ascontiguousarray(array))
    return pictures, lambda done: torch.from_numpy(rebuild(done)).movedim(-1, -3).to(image)


def _of_array(image: np.ndarray) -> tuple[list[np.ndarray], Any]:
    if image.ndim not in (3, 4) or image.shape[-1] != 3 or 0 in image.shape:
        raise ValueError(f"image: must be {SHAPES}; got an array {image.shape}")
    if image.dtype not in (np.uint8, np.uint16):
        if not np.issubdtype(image.dtype, np.floating):
            raise ValueError(f"image: must be {SHAPES}; got {image.dtype}")
        if not (image.min() >= -ROUNDING and image.max() <= 1 + ROUNDING):
            found = "NaN" if np.isnan(image).any() else f"{image.min():.3g} to {image.max():.3g}"
            raise ValueError(f"image: floats must be in [0, 1], got {found}")
    kind = image.dtype if image.dtype in (np.uint8, np.uint16) else np.float32
    given = image.astype(kind, copy=False)
    if kind == np.float32:
        given = np.clip(given, 0, 1)

    def rebuild(pictures: list[np.ndarray]) -> np.ndarray:
        done = np.stack(pictures).reshape(image.shape)
        if done.dtype == np.float32:  # what was left alone keeps all its digits
            done = np.where(done == given, image, done)
        return done.astype(image.dtype, copy=False)

    return list(given.reshape(-1, *image.shape[-3:])), rebuild


def _of_pil(image: Image) -> tuple[list[np.ndarray], Any]:
    from PIL import Image as Pillow

    if image.mode not in ("RGB", "RGBA", "L"):
        raise ValueError(f"image: PIL images must be of mode RGB, RGBA or L, got {image.mode}")
    orientation = image.getexif().get(ORIENTATION, 1)
    alpha = image.getchannel("A") if image.mode == "RGBA" else None

    def rebuild(done: list[np.ndarray]) -> Image:
        picture = turned(done[0], INVERSE.get(orientation, orientation))
        result = Pillow.fromarray(picture)
        if image.mode == "L":
            return Pillow.fromarray(np.rint(picture.mean(axis=2)).astype(np.uint8))
        if alpha is not None:
            result.putalpha(alpha)
        return result

    return [turned(np.asarray(image.convert("RGB")), orientation)], rebuild
