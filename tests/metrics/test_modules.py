"""The torchmetrics classes equal the functions on everything at once, over batches, processes and resets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facedeblur.metrics import modules
from facedeblur.metrics.identity import cosine
from facedeblur.metrics.image import psnr, ssim
from facedeblur.metrics.landmarks import auc, failure_rate
from facedeblur.metrics.verification import verification

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(2, 6, 3, 16, 16, generator=GENERATOR)
ERRORS = torch.cat([torch.rand(5, generator=GENERATOR) / 10, torch.tensor([float("inf")])])
EMBEDDINGS = torch.rand(2, 6, 8, generator=GENERATOR)
SAME = torch.tensor([True, False, True, False, False, True])

CASES = {
    "psnr": (modules.CappedPSNR, tuple(IMAGES), lambda a, b: psnr(a, b).mean()),
    "ssim": (modules.StructuralSimilarity, tuple(IMAGES), lambda a, b: ssim(a, b).mean()),
    "cosine": (modules.IdentityCosine, tuple(EMBEDDINGS), lambda a, b: cosine(a.numpy(), b.numpy()).mean()),
    "auc": (modules.LandmarkAUC, (ERRORS,), lambda e: auc(e.numpy())),
    "error": (modules.LandmarkError, (ERRORS[:5],), lambda e: e.double().mean()),
    "failures": (modules.FailureRate, (ERRORS,), lambda e: failure_rate(e.numpy())),
    "verification": (
        modules.VerificationAccuracy,
        (ERRORS.nan_to_num(posinf=1.0), SAME, torch.tensor([0, 1] * 3)),
        lambda scores, same, folds: verification(scores.numpy(), same.numpy(), folds.numpy()).mean,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_over_batches_and_after_a_reset(name):
    kind, inputs, function = CASES[name]
    metric = kind()
    metric.update(*(value.flip(0) for value in inputs))
    metric.reset()
    for part in (slice(0, 1), slice(1, 6)):
        metric.update(*(value[part] for value in inputs))
    assert float(metric.compute()) == pytest.approx(float(function(*inputs)), abs=1e-6)


def gathering(other):
    """What torchmetrics calls to gather a state from all processes, as if `other` were the metric of a second one."""
    states = (getattr(other, name) for name in other._reductions)
    values = iter([torch.cat(state) if isinstance(state, list) else state for state in states])
    return lambda state, group=None: [state, next(values)]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_with_unequal_shares_agree_with_one(name):
    kind, inputs, function = CASES[name]
    second = kind()
    second.update(*(value[2:] for value in inputs))
    first = kind(dist_sync_fn=gathering(second), distributed_available_fn=lambda: True)
    first.update(*(value[:2] for value in inputs))
    assert float(first.compute()) == pytest.approx(float(function(*inputs)), abs=1e-6)


def test_channels_variant():
    a, b = IMAGES
    metric = modules.StructuralSimilarity(variant="channels")
    metric.update(a, b)
    expected = np.mean([ssim(a[:, [c]], b[:, [c]]).mean().item() for c in range(3)])
    assert float(metric.compute()) == pytest.approx(expected, abs=1e-6)
