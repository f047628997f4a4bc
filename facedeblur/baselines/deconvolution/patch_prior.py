"""A Gaussian mixture over 8x8 image patches without their mean, and the patch it makes of a noisy one.

Zoran and Weiss, "From learning models of natural image patches to whole image restoration", ICCV 2011, section 4. The
prior that ships with the package, `patch_prior.npz`, is fitted by `fit` to pictures in the public domain; its file
says which. The authors' own (`GSModel_8x8_200_2M_noDC_zeromean.mat`, of 200 components) loads from a path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facedeblur.files import NPZ_ERRORS

SIDE = 8
PIXELS = SIDE**2
PACKAGED = Path(__file__).with_name("patch_prior.npz")
FAINT = 1e-3  # directions whose variance is below this share of the noise's do not decide between components
ROWS = 16384  # patches at a time


class PriorError(ValueError):
    """A file holds no mixture over 8x8 patches."""


@dataclass(frozen=True, eq=False)
class PatchPrior:
    """weights: (K,), summing to one. variances: (K, 64), of the principal directions (K, 64, 64), one a row.

    Attributes:
        source: where it comes from, for the row of a table.
    """

    weights: Tensor
    variances: Tensor
    directions: Tensor
    source: str = ""

    @classmethod
    def of(cls, weights: Tensor, covariances: Tensor, source: str = "") -> PatchPrior:
        """From covariances (K, 64, 64); computed in float64."""
        variances, vectors = torch.linalg.eigh(covariances.double())
        return cls(weights.double(), variances.clamp_min(0), vectors.mT, source)

    def to(self, like: Tensor) -> PatchPrior:
        """The same in the type and on the device of `like`."""
        return PatchPrior(self.weights.to(like), self.variances.to(like), self.directions.to(like), self.source)

    def restore(self, patches: Tensor, noise: Tensor) -> Tensor:
        """Patches (N, 64) under noise of standard deviation `noise` (a number) -> (N, 64).

        Every patch gets the Wiener filter of the component that most probably made it, its mean kept.
        """
        mean = patches.mean(dim=1, keepdim=True)
        centred = patches - mean
        chosen = torch.cat([self.choose(some, noise) for some in centred.split(ROWS)])
        order = chosen.argsort()
        counts = chosen.bincount(minlength=len(self.weights)).tolist()
        gains = self.variances / (self.variances + noise**2)
        filters = self.directions.mT @ (gains[:, :, None] * self.directions)
        parts = zip(centred[order].split(counts), filters, strict=True)
        restored = torch.empty_like(centred)
        restored[order] = torch.cat([part @ one for part, one in parts])
        return restored + mean

    def choose(self, patches: Tensor, noise: Tensor) -> Tensor:
        """For each patch of mean 0 (N, 64) the index of its most probable component (N,)."""
        noisy = self.variances + noise**2
        # log w - log|S| / 2 - z' S^-1 z / 2, where z' S^-1 z = |z|² / noise² less what the strong directions explain
        constant = self.weights.log() - 0.5 * noisy.log().sum(1)
        shares = self.variances / noisy
        scaled = self.directions * (shares / (2 * noise**2)).sqrt()[:, :, None]
        ranks = (shares > FAINT).sum(1).tolist()
        best = patches.new_full((len(patches),), -math.inf)
        chosen = torch.zeros(len(patches), dtype=torch.long, device=patches.device)
        for component, rank in enumerate(ranks):  # variances rise: the strong ones are last
            score = constant[component] + (patches @ scaled[component, PIXELS - rank :].mT).square().sum(1)
            better = score > best
            best = torch.where(better, score, best)
            chosen = chosen.masked_fill(better, component)
        return chosen


def fit(patches: Tensor, components: int, iterations: int = 15, seed: int = 0, floor: float = 1e-5) -> PatchPrior:
    """A mixture fitted to patches (N, 64) by expectation maximisation, their means taken off.

    The start is random: as many patches as components, every other beside the one most like it.

    Args:
        patches: (N, 64).
        components: of the mixture.
        iterations: of expectation and maximisation.
        seed: of the start.
        floor: added to every variance.
    """
    x = patches.float() - patches.float().mean(dim=1, keepdim=True)
    generator = torch.Generator().manual_seed(seed)
    first = x[torch.randperm(len(x), generator=generator)[:components]]
    like = torch.nn.functional.normalize(first, dim=1)
    resemblance = torch.cat([(some @ like.mT).abs() / some.norm(dim=1, keepdim=True).clamp_min(1e-6)
                             - (some.norm(dim=1, keepdim=True) / first.norm(dim=1).clamp_min(1e-6)).log().abs()
                             for some in x.split(ROWS)])  # fmt: skip
    shares = torch.nn.functional.one_hot(resemblance.argmax(1), components).float()
    eye = torch.eye(PIXELS)
    for iteration in range(iterations + 1):
        totals = shares.sum(0).clamp_min(1e-3)
        covariances = torch.stack([(x * share[:, None]).mT @ x for share in shares.mT]) / totals[:, None, None]
        covariances = covariances + floor * eye
        weights = totals / totals.sum()
        if iteration == iterations:
            break
        factors = torch.linalg.cholesky(covariances.double())
        logs = weights.double().log() - factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        inverses = torch.linalg.solve_triangular(factors, torch.eye(PIXELS, dtype=torch.float64), upper=False).float()
        scores = torch.stack(
            [log - 0.5 * (x @ one.mT).square().sum(1) for log, one in zip(logs, inverses, strict=True)]
        )
        shares = scores.softmax(dim=0).mT.float()
    return PatchPrior.of(weights, covariances)


def load_prior(path: str | Path | None = None) -> PatchPrior:
    """The prior that ships with the package, one that `save_prior` wrote, or the authors' .mat file (its structure GS).

    Raises:
        PriorError: naming what is wrong with the file.
    """
    path = PACKAGED if path is None else Path(path).expanduser()
    if not path.is_file():
        raise PriorError(f"{path}: no such file")
    if path.suffix == ".mat":
        weights, covariances, source = *_from_matlab(path), f"{path.name} (the authors' file)"
    else:
        try:
            with np.load(path) as content:
                weights, triangles, source = content["weights"], content["triangles"], str(content["source"])
        except NPZ_ERRORS as error:
            raise PriorError(f"{path}: holds no mixture of patches, or is damaged") from error
        rows, columns = np.tril_indices(PIXELS)
        covariances = np.zeros((len(weights), PIXELS, PIXELS))
        covariances[:, rows, columns] = covariances[:, columns, rows] = triangles
    return PatchPrior.of(torch.as_tensor(weights), torch.as_tensor(covariances), source)


def save_prior(path: str | Path, prior: PatchPrior, source: str) -> None:
    """Writes the prior with the sentence that says where it comes from; float32, triangles of the covariances."""
    covariances = prior.directions.mT @ (prior.variances[:, :, None] * prior.directions)
    rows, columns = np.tril_indices(PIXELS)
    triangles = covariances.numpy()[:, rows, columns].astype(np.float32)
    np.savez_compressed(path, weights=prior.weights.numpy(), triangles=triangles, source=source)


def _from_matlab(path: Path) -> tuple[np.ndarray, np.ndarray]:
    from scipy.io import loadmat

    try:
        mixture = loadmat(path, squeeze_me=True, struct_as_record=False)["GS"]
        weights, covariances = np.atleast_1d(mixture.mixweights), np.asarray(mixture.covs, dtype=np.float64)
    except Exception as error:  # scipy raises many kinds on a damaged file
        raise PriorError(f"{path}: holds no structure GS with mixweights and covs ({error})") from error
    if covariances.shape != (PIXELS, PIXELS, len(weights)):
        raise PriorError(f"{path}: covs are {covariances.shape}, not (64, 64, {len(weights)}): no 8x8 patches")
    # MATLAB counts pixels down the columns
    swapped = np.arange(PIXELS).reshape(SIDE, SIDE).T.ravel()
    return weights.astype(np.float64), covariances.transpose(2, 0, 1)[:, swapped][:, :, swapped]
