"""What the front door promises, held by the weights that ship: gain where it blurs, no harm where it does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from facedeblur.faces.crop import crop, crop_box
from facedeblur.inference.api import FaceDeblurrer
from facedeblur.inference.find import FaceFinder
from facedeblur.inference.load import load
from facedeblur.inference.paste import network_crop

# the outline of 68 points around the astronaut's face, so that no detector is needed: all that counts is their box
LEFT, TOP, RIGHT, BOTTOM = 181, 88, 271, 180


class Known:
    """Detector and localiser of a photo that is known."""

    def detect(self, image):
        return [(LEFT, TOP, RIGHT, BOTTOM, 1.0)]

    def localize(self, image, box):
        angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
        x, y = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2
        points = [x + (RIGHT - LEFT) / 2 * np.cos(angle), y + (BOTTOM - TOP) / 2 * np.sin(angle)]
        return np.stack(points, axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    shipped = load(device="cpu")
    return FaceDeblurrer(shipped.deblurrer, shipped.size, shipped.name, FaceFinder(Known(), Known()))


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(data.astronaut())


BOX = crop_box(Known().localize(None, None))


def error(image, photo):
    return float(np.mean(crop(image.astype(float) - photo, BOX) ** 2))


@pytest.mark.parametrize("motion", [(13, 1), (1, 13)])
def test_a_blurred_face_comes_nearer_to_the_sharp_one(model, photo, motion):
    blurred = cv2.blur(photo, motion)
    restored = model(blurred)
    assert error(restored, photo) < 0.97 * error(blurred, photo)
    outside = np.ones(photo.shape[:2], bool)
    outside[BOX.y : BOX.y + BOX.side, BOX.x : BOX.x + BOX.side] = False
    assert np.array_equal(restored[outside], blurred[outside])


def test_a_sharp_face_changes_by_less_than_a_grey_level_with_the_gate_open_too(model, photo):
    assert np.array_equal(model(photo), photo)
    seen = []  # the change may round to nothing: that the network was asked is counted
    watched = FaceDeblurrer(
        lambda images: seen.append(len(images)) or model.deblurrer(images),
        model.size,
        model.name,
        FaceFinder(Known(), Known()),
    )
    change = np.abs(crop(watched(photo, always=True).astype(int) - photo, BOX))
    assert seen and change.mean() < 1


def test_most_of_a_weakly_blurred_face_is_corrected_by_a_network_that_knows_the_truth(photo):
    sharp = torch.from_numpy(network_crop(photo, BOX, 128)).permute(2, 0, 1)[None]
    knows = FaceDeblurrer(lambda images: sharp, 128, "truth", FaceFinder(Known(), Known()))
    blurred = cv2.blur(photo, (1, 3))
    assert error(knows(blurred), photo) < 0.6 * error(blurred, photo)  # 147 pixels seen at 128: the finest detail lacks
