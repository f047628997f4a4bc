"""Sharp faces that a blurred one is compared with: the exemplars of Pan et al., ECCV 2014.

A set is an .npz file: gray crops and the 68 landmarks of each. `facedeblur exemplars` makes one out of photos;
the set that ships with the package is rendered (data/exemplars.md).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.fourier import good_size, valid_differences
from facedeblur.errors import UsageError
from facedeblur.files import NPZ_ERRORS, write_atomic

PACKAGED = Path(__file__).parent / "data" / "exemplars.npz"
SHIFT = 16  # pixels at half size: how far an exemplar is moved to match
# the contours a person's face keeps when it is blurred: lower outline, eyes, mouth (iBUG points; closed or not)
CONTOURS = ((range(2, 15), False), (range(36, 42), True), (range(42, 48), True), (range(48, 60), True))


class Exemplars:
    """A set of exemplars.

    Args:
        path: an .npz file; None for the set that ships with the package.

    `name` and `fingerprint` say which set it is. Raises UsageError for another file.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = PACKAGED if path is None else Path(path).expanduser()
        try:
            content = self.path.read_bytes()
            with np.load(self.path, allow_pickle=False) as file:
                self.faces, self.landmarks = file["faces"], file["landmarks"]
        except NPZ_ERRORS as error:
            # a ValueError of NumPy's, for a file of anything else, is about how to run the code in it all the same
            why = error if isinstance(error, OSError | KeyError) else "it is another file, or damaged"
            raise UsageError(f"{self.path}: no set of exemplars ({why}); `facedeblur exemplars` makes one") from error
        count = len(self.faces)
        square = self.faces.ndim == 3 and self.faces.shape[1] == self.faces.shape[2]
        if not count or not square or self.faces.dtype != np.uint8 or self.landmarks.shape != (count, 68, 2):
            raise UsageError(f"{self.path}: no set of exemplars: needs faces (N, S, S) uint8 and landmarks (N, 68, 2)")
        self.name = "rendered faces" if path is None else self.path.name
        self.fingerprint = hashlib.sha256(content).hexdigest()[:12]
        self._prepared = lru_cache(maxsize=4)(self._prepare)

    def __len__(self) -> int:
        return len(self.faces)

    def salient_gradients(self, images: Tensor) -> Tensor:
        """Gradients (B, 2, H, W) of the best exemplar of each image (B, 1, H, W), zero off its contours."""
        size = (images.shape[-2], images.shape[-1])
        spectra, gradients, fft_size = self._prepared(size, images.dtype, images.device)
        half = unit(central_differences(halved(images)))
        spectrum = torch.fft.rfft2(half, s=fft_size)
        best = []
        for image in spectrum:  # by itself: exemplars are many
            scores = torch.fft.irfft2((spectra.conj() * image).sum(1), s=fft_size)
            near = torch.cat((scores[..., : SHIFT + 1, :], scores[..., -SHIFT:, :]), dim=-2)
            near = torch.cat((near[..., : SHIFT + 1], near[..., -SHIFT:]), dim=-1)
            best.append(near.amax((-2, -1)).argmax())
        return gradients[torch.stack(best)]

    def _prepare(
        self, size: tuple[int, int], dtype: torch.dtype, device: torch.device
    ) -> tuple[Tensor, Tensor, tuple[int, int]]:
        """For images of one size: spectra to match with, salient gradients, and the size of the transforms."""
        resized = np.stack([cv2.resize(face, size[::-1], interpolation=cv2.INTER_AREA) for face in self.faces])
        faces = torch.from_numpy(resized).to(device, dtype)[:, None] / 255
        scale = np.array(size[::-1]) / self.faces.shape[-1]
        masks = np.stack([contour_mask((points + 0.5) * scale - 0.5, size) for points in self.landmarks])
        gradients = padded_differences(faces) * torch.from_numpy(masks).to(device)[:, None]
        half = unit(central_differences(halved(faces)))
        fft_size = (good_size(half.shape[-2] + SHIFT), good_size(half.shape[-1] + SHIFT))
        return torch.fft.rfft2(half, s=fft_size), gradients, fft_size


def contour_mask(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boolean (H, W): the pixels within about 1 % of the image's side of the face's contours.

    landmarks: (68, 2) pixels (x, y) of an image of `size`.
    """
    mask = np.zeros(size, np.uint8)
    width = max(1, round(3 * min(size) / 128))
    for points, closed in CONTOURS:
        polyline = np.rint(landmarks[list(points)] * 16).astype(np.int32)  # in sixteenths of a pixel
        cv2.polylines(mask, [polyline], closed, 255, width, cv2.LINE_AA, shift=4)
    return mask > 127


def save_exemplars(path: Path, faces: np.ndarray, landmarks: np.ndarray) -> None:
    """Writes a set: gray uint8 (N, S, S), landmarks (N, 68, 2) in their pixels."""
    content = {"faces": faces.astype(np.uint8), "landmarks": landmarks.astype(np.float32)}

    def write(place: Path) -> None:
        with place.open("wb") as file:  # savez would add a suffix to a name
            np.savez_compressed(file, **content)

    write_atomic(path, write)


def halved(images: Tensor) -> Tensor:
    """Images (B, 1, H, W) at half their size; an odd last row or column is left out."""
    return F.avg_pool2d(images, 2)


def central_differences(images: Tensor) -> Tensor:
    """(B, 1, H, W) to (B, 2, H, W), horizontal and vertical; zero at the border."""
    result = images.new_zeros(len(images), 2, *images.shape[-2:])
    result[:, :1, :, 1:-1] = (images[..., 2:] - images[..., :-2]) / 2
    result[:, 1:, 1:-1] = (images[..., 2:, :] - images[..., :-2, :]) / 2
    return result


def padded_differences(images: Tensor) -> Tensor:
    """Forward differences (B, 2, H, W) of (B, 1, H, W), zero in the last row and column."""
    return F.pad(valid_differences(images), (0, 1, 0, 1))


def unit(gradients: Tensor) -> Tensor:
    """Every channel of every image over its own Euclidean norm; zero stays zero."""
    norm = gradients.square().sum((-2, -1), keepdim=True).sqrt()
    return gradients / torch.where(norm > 0, norm, torch.ones_like(norm))
