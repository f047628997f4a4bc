"""The networks of section 3.2 and Table 3, and the Deblurrer that wraps them. Importing the package loads no torch.

`DeblurGenerator` is the paper's G_bl, `IdentityStream` G_s, `Discriminator` D, `TwoStep` the frozen first step around a
`StackedHourglass`; `Encoder` and `Decoder` are Table 3's. Images are in [-1, 1] here; a `Deblurrer` speaks [0, 1].

>>> import torch
>>> from facedeblur.models import Decoder, DeblurGenerator, Encoder
>>> g_bl = DeblurGenerator(Encoder(in_channels=3, width=4), Decoder(width=4)).eval()
>>> g_bl(torch.zeros(1, 3, 128, 128)).shape
torch.Size([1, 3, 128, 128])
"""

from __future__ import annotations

from facedeblur.lazy import lazy_names

_HOMES = {
    "DeblurGenerator": "generator",
    "IdentityStream": "generator",
    "TwoStep": "generator",
    "Encoder": "encoder",
    "Decoder": "decoder",
    "Discriminator": "discriminator",
    "StackedHourglass": "hourglass",
    "LightEncoder": "light",
    "LightDecoder": "light",
    "LossWeights": "settings",
    "ModelSettings": "settings",
    "Networks": "build",
    "build_hourglass": "build",
    "build_networks": "build",
    "Blurred": "deblurrer",
    "Deblurrer": "deblurrer",
    "HourglassDeblurrer": "deblurrer",
    "NetworkDeblurrer": "deblurrer",
    "TrainedRun": "checkpoint",
    "load_run": "checkpoint",
    "Weights": "weights",
    "load_weights": "weights",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
