"""Flips and photometric degradations through albumentations, a pure function of one item's seed.

What changes the scene is identical for blurry and sharp (flip, brightness, contrast, colour, gamma), and so is what
makes footage soft; what harms the photo falls only on the blurry image (noise, JPEG). albumentations 2.0.8 keeps one
random state per worker and repeats itself from epoch to epoch, so the state is set anew for every item.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from facedeblur.faces.mirror import MIRRORED_POINT
from facedeblur.plugins import PluginError, from_text, function_of
from facedeblur.settings import check_range


@dataclass(frozen=True)
class AugmentSettings:
    """What happens to a pair before it is learned from.

    Attributes:
        flip, photometric, noise, jpeg: probabilities in [0, 1] that it is mirrored, changed in light and colour, made
            noisy, compressed as JPEG.
        soft: probability that both images are made soft alike, out of focus or enlarged from fewer pixels: a network
            then leaves soft what is so in the sharp image too.
        zoom, shift, turn: how the crop differs from the rule's, as a detector's would: standard deviations of the
            logarithm of its side, of its place in sides, of its angle in degrees. Needs what lies around the crop:
            stored frames.
        drift: in [0, 1]: the crop's centre lies up to so far on the way from the middle frame's face to that of another
            frame of the window, where a detector that sees the average alone may find it. Likewise.
        plugin: code of the user's own, as `facedeblur.plugins.as_text` has it: (blurry, sharp, landmarks, generator) ->
            the first three, after everything else.

    Raises:
        ValueError: naming the field.
    """

    flip: float = 0.5
    photometric: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    turn: float = 0.0
    drift: float = 0.0
    soft: float = 0.0
    plugin: str = ""

    def __post_init__(self) -> None:
        check_range(self, 0, 1, "flip", "photometric", "noise", "jpeg", "soft", "drift")
        check_range(self, 0, 0.5, "zoom", "shift")
        check_range(self, 0, 45, "turn")

    @property
    def active(self) -> bool:
        """Whether anything can happen at all."""
        return any((self.flip, self.photometric, self.noise, self.jpeg, self.soft, self.plugin)) or self.moves

    @property
    def moves(self) -> bool:
        """Whether crops lie elsewhere than the rule has them."""
        return any((self.zoom, self.shift, self.turn, self.drift))


SOFT_SIGMA = (0.4, 1.6)  # of a Gaussian, in pixels of a face of SOFT_SIDE: out of focus
SOFT_SCALE = (0.3, 0.8)  # enlarged again from an image of so many times its side
SOFT_SIDE = 128
NO_AUGMENTATION = AugmentSettings(flip=0.0)


def soft_ranges(side: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """What makes a larger face of `side` pixels as soft as one of SOFT_SIDE: standard deviations of a Gaussian in
    pixels, and shares of the side that are left before it is enlarged again."""
    size = max(1.0, side / SOFT_SIDE)
    return (SOFT_SIGMA[0], SOFT_SIGMA[1] * size), (SOFT_SCALE[0] / size, SOFT_SCALE[1])


def item_seed(seed: int, epoch: int, row: int) -> int:
    """The seed of one window in one epoch, independent of the worker that reads it."""
    return int(np.random.SeedSequence([seed, epoch, row]).generate_state(1)[0])


def augment(
    blurry: np.ndarray, sharp: np.ndarray, landmarks: np.ndarray, settings: AugmentSettings, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Augments one pair; equal seeds, equal results.

    A flipped face gets its points mirrored and renumbered, so that point 36 stays the outer corner of the eye on the
    left of the image.

    Args:
        blurry, sharp: uint8 (S, S, 3).
        landmarks: (68, 2) of the sharp image, in its pixels.
        settings: what is changed, and how often.
        seed: of the draws.

    Returns:
        The three, changed.
    """
    both, degrade = _pipelines(settings, len(blurry))
    both.set_random_seed(seed)
    result = both(image=blurry, sharp=sharp, keypoints=landmarks)
    points = np.asarray(result["keypoints"], np.float32)
    if any(name == "HorizontalFlip" for name, _ in result["applied_transforms"]):
        points = points[MIRRORED_POINT]
    degrade.set_random_seed(seed)
    done = degrade(image=result["image"])["image"], result["sharp"], points
    return _by_plugin(settings.plugin, *done, seed) if settings.plugin else done


def _by_plugin(
    plugin: str, blurry: np.ndarray, sharp: np.ndarray, landmarks: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    key = "data.augmentation"
    done = _function(plugin, key)(blurry, sharp, landmarks, np.random.default_rng(seed))
    wanted = [(given.shape, given.dtype) for given in (blurry, sharp)] + [((68, 2), None)]
    shapes = [(np.shape(d), None if np.shape(d) == (68, 2) else np.asarray(d).dtype) for d in done]
    if shapes != wanted:
        raise PluginError(f"{key}: must give (blurry, sharp, landmarks) as {wanted}, got {shapes}")
    return done[0], done[1], np.asarray(done[2], np.float32)


@lru_cache
def _function(plugin: str, key: str) -> Callable[..., Any]:
    return function_of(from_text(plugin), key)


@lru_cache
def _pipelines(settings: AugmentSettings, side: int) -> tuple[Any, Any]:
    """What happens to both images, and what to the blurry one afterwards."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for its newest version otherwise
    import albumentations as A  # noqa: N812

    light = A.ColorJitter(brightness=(0.8, 1.2), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(-0.03, 0.03), p=1.0)
    modes = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_CUBIC}
    sigma, scale = soft_ranges(side)
    fewer = A.Downscale(scale_range=scale, interpolation_pair=modes)
    both = A.Compose(
        [
            A.HorizontalFlip(p=settings.flip),
            A.Sequential([light, A.RandomGamma(gamma_limit=(80, 125), p=1.0)], p=settings.photometric),
            A.OneOf([A.GaussianBlur(blur_limit=0, sigma_limit=sigma), fewer], p=settings.soft),
        ],
        additional_targets={"sharp": "image"},
        keypoint_params=A.KeypointParams(format="xy", remove_invisible=False),
        save_applied_params=True,
    )
    degrade = A.Compose(
        [
            A.GaussNoise(std_range=(0.005, 0.03), p=settings.noise),
            A.ImageCompression(quality_range=(40, 95), p=settings.jpeg),
        ]
    )
    return both, degrade
