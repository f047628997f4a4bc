"""The two plug-ins of section 3.2, identity stream and two-step conditioning, around any encoder and decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from facedeblur.models.layers import Stream


class EncoderLike(Protocol):
    """Image (B, C, H, W) in [-1, 1] -> feature maps for the decoder, the code last."""

    def __call__(self, image: Tensor) -> Sequence[Tensor]: ...


class DecoderLike(Protocol):
    """Feature maps of an encoder -> image (B, 3, H, W) in [-1, 1]. `stream` says whose they are; it may be ignored."""

    def __call__(self, features: Sequence[Tensor], stream: Stream) -> Tensor: ...


class FirstStepLike(Protocol):
    """A module that restores an image, (B, 3, H, W) in [-1, 1] -> same, such as StackedHourglass."""

    def restore(self, image: Tensor) -> Tensor: ...


class DeblurGenerator(nn.Module):
    """G_bl, the stream that deblurs: (B, C, H, W) in [-1, 1], the blurry image in the first 3 channels -> (B, 3, H, W).

    Args:
        encoder: of images of C channels.
        decoder: of its feature maps.
        global_residual: the decoder's output is a correction; the sum is limited to [-1, 1].
        residual_on: what the correction is added to, the "blurry" image, or with "first_step" the last 3 channels,
            what the first step made of it.

    >>> from facedeblur.models import Decoder, Encoder
    >>> g_bl = DeblurGenerator(Encoder(in_channels=3, width=4), Decoder(width=4)).eval()
    >>> g_bl(torch.zeros(1, 3, 128, 128)).shape
    torch.Size([1, 3, 128, 128])
    """

    stream: Stream = "blurry"

    def __init__(
        self, encoder: EncoderLike, decoder: DecoderLike, global_residual: bool = False, residual_on: str = "blurry"
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.global_residual, self.residual_on = global_residual, residual_on

    def forward(self, image: Tensor) -> Tensor:
        restored = self.decoder(self.encoder(image), stream=self.stream)
        return (residual_base(image, self.residual_on) + restored).clamp(-1, 1) if self.global_residual else restored


def residual_base(image: Tensor, residual_on: str) -> Tensor:
    """What a correction is added to: the blurry image of G_bl's input, or the "first_step"'s, its last 3 channels."""
    return image[:, -3:] if residual_on == "first_step" else image[:, :3]


class IdentityStream(DeblurGenerator):
    """G_s, the stream that learns the face: sharp image (B, 3, H, W) in [-1, 1] -> its reconstruction.

    It serves training only. Its encoder is its own; give it G_bl's decoder, the very object, to tie the two (section
    3.2), and G_bl's `global_residual`, so that the tied decoder means the same thing in both. With it the
    stream's input is its answer and its loss begins near 0: it has a face to learn only where the decoder draws one.

    Args:
        encoder, decoder, global_residual, residual_on: as of `DeblurGenerator`.
    """

    stream: Stream = "sharp"


class TwoStep(nn.Module):
    """The first step, frozen: blurry (B, 3, H, W) in [-1, 1] -> (B, 6, H, W), the image and its first restoration.

    The first step keeps its weights and running statistics for good ("kept as constants", section 5.1): it gets no
    gradients and stays in evaluation mode whatever mode its surroundings are in.

    Args:
        hourglass: a trained first step, which is kept as it is.

    >>> from facedeblur.models import StackedHourglass
    >>> TwoStep(StackedHourglass(features=8, stacks=1))(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 6, 64, 64])
    """

    def __init__(self, hourglass: FirstStepLike) -> None:
        super().__init__()
        self.hourglass = hourglass.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> TwoStep:
        super().train(mode)
        self.hourglass.eval()
        return self

    def forward(self, blurry: Tensor) -> Tensor:
        with torch.no_grad():
            restored = self.hourglass.restore(blurry)
        return torch.cat([blurry, restored.to(blurry.dtype)], dim=1)
