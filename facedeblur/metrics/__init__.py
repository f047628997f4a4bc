"""What a restored face is worth: image quality, landmarks, identity, and how sure a mean is.

Functions give one value for each image or face; the classes are torchmetrics `Metric`s that gather them, also over the
processes of a DDP group.

>>> import torch
>>> from facedeblur.metrics import psnr
>>> psnr(torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), 0.6)).item() > 19
True
"""

from __future__ import annotations

from facedeblur.lazy import lazy_names

_HOMES = {
    "psnr": "image",
    "ssim": "image",
    "normalised_error": "landmarks",
    "ced": "landmarks",
    "auc": "landmarks",
    "failure_rate": "landmarks",
    "cosine": "identity",
    "mean_embedding": "identity",
    "flicker": "temporal",
    "LPIPS": "lpips",
    "bootstrap_interval": "bootstrap",
    "paired_difference": "bootstrap",
    "MeanScore": "modules",
    "CappedPSNR": "modules",
    "StructuralSimilarity": "modules",
    "IdentityCosine": "modules",
    "LandmarkError": "modules",
    "LandmarkAUC": "modules",
    "FailureRate": "modules",
    "VerificationAccuracy": "modules",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
