"""Light and quality of a batch of pairs, on the device where it lies: drawn item by item, applied to all at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.data.pairs.augment import AugmentSettings, soft_ranges

_LIGHT = 0x11C7  # separates this random stream from the others of the same item
_SAME = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])


def draw_light(seed: int | None, augment: AugmentSettings, side: int) -> np.ndarray:
    """(8,) float32 of one item of `side` pixels: gain, contrast, saturation, gamma (1 changes nothing), the standard
    deviation of noise, the quality of JPEG, the standard deviation of a soft focus, the scale of fewer pixels (0:
    none). The ranges are those of `pairs.augment`."""
    values = _SAME.numpy().copy()
    if seed is None:
        return values
    rng = np.random.default_rng([_LIGHT, seed])
    chances, drawn = rng.random(3), rng.random(6)
    if chances[0] < augment.photometric:
        values[:3] = 0.8 + 0.4 * drawn[:3]
        values[3] = 0.8 + 0.45 * drawn[3]
    if chances[1] < augment.noise:
        values[4] = 0.005 + 0.025 * drawn[4]
    if chances[2] < augment.jpeg:
        values[5] = 40 + 55 * drawn[5]
    chance, kind, place = rng.random(3)  # drawn last: the others stay what they were without it
    if chance < augment.soft:
        low, high = soft_ranges(side)[int(kind < 0.5)]
        values[6 + int(kind < 0.5)] = low + (high - low) * place
    return values


def relit(blurry: Tensor, sharp: Tensor, light: Tensor, plan: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Light and colour of both images, noise and JPEG of the blurry one, as `draw_light` drew them."""
    drawn = torch.as_tensor(plan["light"])
    blurry, sharp = _softened(blurry, sharp, drawn)
    if bool((drawn[:, :4] != _SAME[:4]).any()):
        both = torch.cat([blurry, sharp])
        gain, contrast, saturation, gamma = (light[:, i].repeat(2)[:, None, None, None] for i in range(4))
        both = ((both * gain - 0.5) * contrast + 0.5).clamp(0, 1)
        grey = (both * both.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
        both = (grey + (both - grey) * saturation).clamp(0, 1)
        blurry, sharp = (both.clamp_min(1e-6) ** gamma).chunk(2)
    if bool((drawn[:, 4] > 0).any()):
        blurry = (blurry + light[:, 4, None, None, None] * normal(blurry, plan["seed"] + 1)).clamp(0, 1)
    places = torch.nonzero(drawn[:, 5] > 0)[:, 0].to(blurry.device)
    if len(places):
        from kornia.enhance import jpeg_codec_differentiable

        blurry = blurry.index_copy(0, places, jpeg_codec_differentiable(blurry[places], light[places, 5]))
    last = torch.channels_last
    return quantised(blurry).contiguous(memory_format=last), quantised(sharp).contiguous(memory_format=last)


def _softened(blurry: Tensor, sharp: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Both images alike: out of focus, or enlarged from fewer pixels, where `draw_light` drew it."""
    from kornia.filters import gaussian_blur2d

    for place in torch.nonzero((drawn[:, 6:] > 0).any(1))[:, 0].tolist():
        pair, (sigma, scale) = torch.stack([blurry[place], sharp[place]]), drawn[place, 6:].tolist()
        if sigma > 0:
            width = 2 * int(np.ceil(3 * sigma)) + 1
            soft = gaussian_blur2d(pair, (width, width), (sigma, sigma))
        else:
            fewer = max(1, int(scale * pair.shape[-1]))
            soft = F.interpolate(F.adaptive_avg_pool2d(pair, fewer), pair.shape[-2:], mode="bicubic").clamp(0, 1)
        blurry[place], sharp[place] = soft
    return blurry, sharp


def quantised(images: Tensor) -> Tensor:
    """To the levels of the files that a network meets."""
    return (255 * images).round().clamp(0, 255) / 255


def normal(like: Tensor, seed: int) -> Tensor:
    """Standard normal values of the shape of `like`, on its device."""
    generator = torch.Generator(like.device).manual_seed(seed)
    return torch.randn(like.shape, generator=generator, device=like.device)
