"""The metrics as torchmetrics `Metric`s, safe under DDP: every state is a sum, or a list that is gathered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from facedeblur.metrics import identity, image, landmarks, verification


class _Mean(Metric):
    """Mean of one value per sample; `update` adds them up. NaN before the first sample.

    Attributes:
        values: those of the last `update`, (B,), on the device they came from.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.values = torch.empty(0)

    def _add(self, values: Tensor) -> None:
        self.values = values
        self.total += values.double().sum().to(self.total.device)
        self.count += values.numel()

    def compute(self) -> Tensor:
        """() float64: the mean of many float32 values, to their precision."""
        return self.total / self.count


class MeanScore(_Mean):
    """Mean of a score over images: update(images, references), both (B, C, H, W) in [0, 1].

    Args:
        score: (images, references) -> one value for each image, (B,).
        **options: of torchmetrics' `Metric`.

    >>> metric = MeanScore(lambda images, references: (images - references).abs().mean((1, 2, 3)))
    >>> metric(torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)).item()
    1.0
    """

    def __init__(self, score: Callable[[Tensor, Tensor], Tensor], **options: object) -> None:
        super().__init__(**options)
        self.score = score

    def update(self, images: Tensor, references: Tensor) -> None:
        self._add(self.score(images, references))


class CappedPSNR(MeanScore):
    """Mean of `metrics.image.psnr` over images, in dB.

    torchmetrics' PeakSignalNoiseRatio is another number: that of the mean squared error over all images, without a cap.

    >>> metric, black = CappedPSNR(), torch.zeros(1, 3, 16, 16)
    >>> metric.update(black, black)
    >>> metric.update(black, black + 1)
    >>> metric.compute().item()  # of 60, the cap, and 0
    30.0
    """

    higher_is_better = True

    def __init__(self, **options: object) -> None:
        super().__init__(image.psnr, **options)


class StructuralSimilarity(MeanScore):
    """Mean of `metrics.image.ssim` over images: update(images, references), both (B, 3, H, W) in [0, 1].

    Args:
        variant: "luminance", or "channels" for the mean over the three.
        **options: of torchmetrics' `Metric`.

    >>> metric, image = StructuralSimilarity(), torch.rand(1, 3, 16, 16)
    >>> round(metric(image, image).item(), 6)
    1.0
    """

    higher_is_better = True

    def __init__(self, variant: str = "luminance", **options: object) -> None:
        super().__init__(partial(image.ssim, variant=variant), **options)


class IdentityCosine(_Mean):
    """Mean of `metrics.identity.cosine`: update(embeddings, references), both (B, D).

    >>> IdentityCosine()(torch.tensor([[1.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 2.0], [3.0, 4.0]])).item()
    0.5
    """

    higher_is_better = True

    def update(self, embeddings: Tensor, references: Tensor) -> None:
        self._add(torch.from_numpy(identity.cosine(embeddings.cpu().numpy(), references.cpu().numpy())))


class LandmarkError(_Mean):
    """Mean landmark error: update(errors), (B,), +inf where no face was found.

    >>> LandmarkError()(torch.tensor([0.25, 0.75])).item()
    0.5
    """

    higher_is_better = False

    def update(self, errors: Tensor) -> None:
        self._add(errors)


class FailureRate(_Mean):
    """`metrics.landmarks.failure_rate` of all errors seen, in [0, 1]: update(errors), (B,). NaN raises ValueError.

    Args:
        limit: above it a face counts as a failure.
        **options: of torchmetrics' `Metric`.

    >>> FailureRate()(torch.tensor([0.02, 0.04, 0.09, torch.inf])).item()
    0.5
    """

    higher_is_better = False

    def __init__(self, limit: float = landmarks.LIMIT, **options: object) -> None:
        super().__init__(**options)
        self.limit = limit

    def update(self, errors: Tensor) -> None:
        if errors.isnan().any():
            raise ValueError("landmarks: an error is NaN")
        self._add(errors > self.limit)


class LandmarkAUC(Metric):
    """`metrics.landmarks.auc` of all errors seen, in [0, 1]: update(errors), (B,), +inf where no face was found.

    Args:
        limit: end of the interval of errors.
        **options: of torchmetrics' `Metric`.

    >>> round(LandmarkAUC()(torch.tensor([0.02, 0.04, torch.inf])).item(), 3)  # the mean of 0.75, 0.5 and 0
    0.417
    """

    is_differentiable = False
    full_state_update = False
    higher_is_better = True

    def __init__(self, limit: float = landmarks.LIMIT, **options: object) -> None:
        super().__init__(**options)
        self.limit = limit
        self.add_state("errors", [], dist_reduce_fx="cat")

    def update(self, errors: Tensor) -> None:
        self.errors.append(errors.detach().double().reshape(-1))

    def compute(self) -> Tensor:
        return torch.tensor(landmarks.auc(dim_zero_cat(self.errors).cpu().numpy(), self.limit))


class VerificationAccuracy(Metric):
    """Mean accuracy of `metrics.verification.verification`: update(similarities, same, folds), each (B,).

    >>> similar, same = torch.tensor([0.9, 0.1, 0.9, 0.1]), torch.tensor([True, False, True, False])
    >>> VerificationAccuracy()(similar, same, torch.tensor([0, 0, 1, 1])).item()  # two folds
    1.0
    """

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
