"""The metrics as torchmetrics `Metric`s, safe under DDP: every state is a sum, or a list that is gathered."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from facedeblur.metrics import identity, image, landmarks, verification


class _Mean(Metric):
    """Mean of one value per sample; `update` adds them up. NaN before the first sample."""

    is_differentiable = False
    full_state_update = False

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def _add(self, values: Tensor) -> None:
        self.total += values.double().sum().to(self.total.device)
        self.count += values.numel()

    def compute(self) -> Tensor:
        return (self.total / self.count).float()


class PeakSignalNoiseRatio(_Mean):
    """Mean of `metrics.image.psnr` over images: update(images, references), both (B, C, H, W) in [0, 1]. In dB."""

    higher_is_better = True

    def update(self, images: Tensor, references: Tensor) -> None:
        self._add(image.psnr(images, references))


class StructuralSimilarity(_Mean):
    """Mean of `metrics.image.ssim` over images: update(images, references), both (B, 3, H, W) in [0, 1]."""

    higher_is_better = True

    def __init__(self, variant: str = "luminance", **options: object) -> None:
        super().__init__(**options)
        self.variant = variant

    def update(self, images: Tensor, references: Tensor) -> None:
        self._add(image.ssim(images, references, variant=self.variant))


class IdentityCosine(_Mean):
    """Mean cosine of embeddings: update(embeddings, references), both (B, D)."""

    higher_is_better = True

    def update(self, embeddings: Tensor, references: Tensor) -> None:
        self._add(torch.from_numpy(identity.cosine(embeddings.cpu().numpy(), references.cpu().numpy())))


class _Errors(Metric):
    """Keeps one landmark error per face: update(errors), (B,), +inf where no face was found."""

    is_differentiable = False
    full_state_update = False

    def __init__(self, limit: float = landmarks.LIMIT, **options: object) -> None:
        super().__init__(**options)
        self.limit = limit
        self.add_state("errors", [], dist_reduce_fx="cat")

    def update(self, errors: Tensor) -> None:
        self.errors.append(errors.detach().double().reshape(-1))

    def _all(self):
        return dim_zero_cat(self.errors).cpu().numpy()


class LandmarkAUC(_Errors):
    """`metrics.landmarks.auc` of all errors seen, in [0, 1]."""

    higher_is_better = True

    def compute(self) -> Tensor:
        return torch.tensor(landmarks.auc(self._all(), self.limit))


class FailureRate(_Errors):
    """`metrics.landmarks.failure_rate` of all errors seen, in [0, 1]."""

    higher_is_better = False

    def compute(self) -> Tensor:
        return torch.tensor(landmarks.failure_rate(self._all(), self.limit))


class VerificationAccuracy(Metric):
    """Mean accuracy of `metrics.verification.verification`: update(similarities, same, folds), each (B,)."""

    is_differentiable = False
    full_state_update = False
    higher_is_better = True

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        for name in ("similarities", "same", "folds"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, similarities: Tensor, same: Tensor, folds: Tensor) -> None:
        self.similarities.append(similarities.detach().double().reshape(-1))
        self.same.append(same.reshape(-1))
        self.folds.append(folds.reshape(-1))

    def compute(self) -> Tensor:
        states = (self.similarities, self.same, self.folds)
        return torch.tensor(verification.verification(*(dim_zero_cat(state).cpu().numpy() for state in states)).mean)
