"""Chakrabarti, "A neural approach to blind motion deblurring", ECCV 2016: network, kernel, deconvolution.

A network deblurs patches, their average is a first estimate, one kernel is fitted between it and the blurry image, and
the image is deconvolved under the expected patch log likelihood. The authors' `model.mat` loads from a path; without
it, a run of ours.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facedeblur.baselines.authors_files import NetworkFile, read_network
from facedeblur.baselines.deconvolution.driver import BlindDeblurrer, gray
from facedeblur.baselines.deconvolution.epll import epll
from facedeblur.baselines.deconvolution.kernel_cleanup import centred
from facedeblur.baselines.deconvolution.patch_prior import load_prior
from facedeblur.baselines.deconvolution.sparse_kernel import REGULARISERS, STEPS, residual, sparse_kernel
from facedeblur.baselines.networks import fingerprint
from facedeblur.models.chakrabarti16 import BANDS, LAYERS, PATCH, PatchNet, fourier_basis, neural_average
from facedeblur.models.checkpoint import fill
from facedeblur.models.registry import WeightsError

LEAST_NOISE = 0.01  # of the deconvolution, the author's


class Chakrabarti16(BlindDeblurrer):
    """The method as a Deblurrer; every step works on gray values, the last on each channel with the common kernel.

    Args:
        path: the author's `model.mat`, or a run folder or checkpoint of ours.
        device, side, chunk: see BlindDeblurrer; the side is by default a fifth of the image's.
        prior: a file of a patch prior, see load_prior; None for the one that ships with the package.
        stride: of the network's patches; 1 in the paper, which costs 16 times as much.
        patch_stride: of the deconvolution's patches; 1 in the paper, five times as slow and .03 dB better.
        regularisers, steps: see sparse_kernel.

    Raises:
        WeightsError: not such a file; the mismatch is named.
        PriorError: not a file of a prior.
    """

    name = "chakrabarti16"
    side_of_image = 0.2  # 25 taps at 128 px, 51 at 256, the author's
    smallest = 14  # of the derivatives that a kernel of 3 taps is fitted to, see sparse_kernel

    def __init__(
        self,
        path: str | Path,
        device: str | torch.device | None = None,
        side: int | None = None,
        prior: str | Path | None = None,
        stride: int = 4,
        patch_stride: int = 2,
        regularisers: tuple[float, ...] = REGULARISERS,
        steps: int = STEPS,
        chunk: int = 8,
    ) -> None:
        super().__init__(device, side, chunk)
        self.stride, self.patch_stride, self.regularisers, self.steps = stride, patch_stride, regularisers, steps
        file = read_chakrabarti16(path)
        self.path, self.origin = file.path, file.origin
        units = len(file.tensors.get("layers.l1_1.bias", torch.zeros(1)).flatten())
        self.network = PatchNet(units)
        fill(self.network.state_dict(), file.tensors, self.path)
        self.network.requires_grad_(False).eval()
        if device is not None:
            self.network.to(device)
        self.prior = load_prior(prior)
        self.given = {"prior": self.prior.source}
        self.fingerprint = fingerprint(self.network.state_dict() | {"prior": self.prior.variances})

    def solve(self, images: Tensor, side: int) -> tuple[Tensor, Tensor]:
        blurry = gray(images).float()
        estimate, kernels = self._kernels(blurry, side)
        noise = residual(blurry, estimate, kernels).clamp_min(LEAST_NOISE)
        return self._restored(images, kernels, noise), kernels

    def estimate(self, blurry: Tensor, side: int) -> Tensor:
        return self._kernels(blurry.float(), side)[1]

    def restore(self, images: Tensor, kernels: Tensor) -> Tensor:
        return self._restored(images, kernels, images.new_full((len(images),), LEAST_NOISE))

    def _kernels(self, blurry: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """First estimates and kernels of gray images, float32."""
        self.network.to(blurry.device)
        estimate = neural_average(self.network, blurry, self.stride)
        return estimate, centred(sparse_kernel(blurry, estimate, side, self.regularisers, self.steps))

    def _restored(self, images: Tensor, kernels: Tensor, noise: Tensor) -> Tensor:
        return epll(images.float(), kernels.float(), noise, self.prior, stride=self.patch_stride).to(images)


def read_chakrabarti16(path: str | Path) -> NetworkFile:
    """The author's `model.mat`, or a run folder, checkpoint or file of tensors. Raises WeightsError."""
    path = Path(path).expanduser()
    return NetworkFile(path, read_matlab(path)) if path.suffix == ".mat" else read_network(path, "chakrabarti16")


def read_matlab(path: str | Path) -> dict[str, Tensor]:
    """The tensors of PatchNet from the author's `model.mat`, structures `tfm` and `wts`.

    MATLAB counts a patch's pixels down the columns; here they go row by row. Raises WeightsError naming what is
    missing or of another shape, or a transform that is not the network's.
    """
    path = Path(path)
    content = _load_matlab(path)
    try:
        transform, weights = content["tfm"], content["wts"]
        cells = hasattr(transform, "inp")
        bands = list(transform.inp) if cells else [getattr(transform, f"inp{n}") for n in range(1, len(BANDS) + 1)]
        bands, full = [_by_rows(band) for band in bands], _by_rows(transform.full)
        layers = [list(layer) for layer, _ in zip(weights, LAYERS, strict=False)]
    except KeyError as error:
        raise WeightsError(f"{path}: is not the author's model.mat: it has no {error.args[0]}") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: is not the author's model.mat: {error}") from error
    if len(bands) != len(BANDS) or len(layers) != len(LAYERS):
        raise WeightsError(f"{path}: {len(bands)} bands and {len(layers)} layers, not {len(BANDS)} and {len(LAYERS)}")
    tensors = {f"band{number}": band for number, band in enumerate(bands, 1)}
    for (name, before), layer in zip(LAYERS.items(), layers, strict=True):
        if len(layer) != len(before) + 1:
            raise WeightsError(f"{path}: wts of {name}: {len(layer)} arrays, not {len(before)} matrices and a bias")
        bias = torch.as_tensor(np.asarray(layer[-1], dtype=np.float32)).flatten()
        matrices = [torch.as_tensor(np.asarray(one, dtype=np.float32)) for one in layer[:-1]]
        for one in matrices:
            if one.ndim != 2 or one.shape[0] != len(bias):
                raise WeightsError(f"{path}: wts of {name}: a matrix {tuple(one.shape)} beside {len(bias)} biases")
        tensors[f"layers.{name}.weight"], tensors[f"layers.{name}.bias"] = torch.cat(matrices, dim=1), bias
    expected = fourier_basis(PATCH, -1, PATCH)
    if full.shape != expected.shape or not torch.allclose(full, expected, atol=1e-3):
        raise WeightsError(f"{path}: tfm.full is another transform than that of the network")
    return tensors


def _by_rows(rows: np.ndarray) -> Tensor:
    """(n, 65 * 65), a patch's pixels from column by column to row by row. Raises ValueError for another shape."""
    values = torch.as_tensor(np.asarray(rows, dtype=np.float32))
    if values.ndim != 2 or values.shape[1] != PATCH**2:
        raise ValueError(f"a transform is {tuple(values.shape)}, not (n, {PATCH**2})")
    return values.unflatten(1, (PATCH, PATCH)).mT.flatten(1).contiguous()


def _load_matlab(path: Path) -> dict:
    from scipy.io import loadmat

    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        return loadmat(path, squeeze_me=True, struct_as_record=False)
    except NotImplementedError as error:  # version 7.3 is HDF5
        raise WeightsError(
            f"{path}: is a MATLAB file of version 7.3; open it in MATLAB or Octave and save it with -v7"
        ) from error
    except Exception as error:  # scipy raises many kinds on a damaged file
        raise WeightsError(f"{path}: not readable as a MATLAB file ({type(error).__name__}: {error})") from error
