from __future__ import annotations

import re
import sys

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from facedeblur.faces import dlib_models
from facedeblur.faces.dlib_models import (
    REMEDY,
    DlibDetector,
    DlibEmbedder,
    DlibLocalizer,
    FacesExtraError,
    landmark_box,
)
from facedeblur.faces.follow import iou

needs_dlib = pytest.mark.skipif(not dlib_models.has_dlib(), reason="needs the extra faces")
FACE = (177, 76, 270, 180)  # of the portrait, by eye


@pytest.fixture(scope="module")
def landmarks():
    return DlibLocalizer().localize(astronaut(), FACE)


@needs_dlib
@pytest.mark.parametrize("size", [200, 256, 512, 1500])
def test_the_portrait_is_found_at_every_size(size):
    interpolation = cv2.INTER_AREA if size < 512 else cv2.INTER_CUBIC
    boxes = DlibDetector().detect(cv2.resize(astronaut(), (size, size), interpolation=interpolation))
    assert boxes and boxes == sorted(boxes, key=lambda box: -box[4])
    assert iou(tuple(np.array(boxes[0][:4]) * 512 / size), FACE) > 0.6


@needs_dlib
def test_nothing_is_found_where_nothing_is():
    assert DlibDetector().detect(np.full((100, 100, 3), 128, np.uint8)) == []


@needs_dlib
def test_landmarks_lie_on_the_face(landmarks):
    assert landmarks.shape == (68, 2) and landmarks.dtype == np.float32
    left_eye, right_eye, mouth = landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[48:].mean(0)
    np.testing.assert_allclose(left_eye, (203, 101), atol=4)  # pupils and mouth by eye
    np.testing.assert_allclose(right_eye, (246, 103), atol=4)
    np.testing.assert_allclose(mouth, (222, 144), atol=4)


@needs_dlib
def test_landmark_box_is_a_fixed_point_of_localisation(landmarks):
    box = landmark_box(landmarks)
    assert iou(box, DlibDetector().detect(astronaut())[0][:4]) > 0.75
    again = DlibLocalizer().localize(astronaut(), box)
    assert np.linalg.norm(again - landmarks, axis=1).mean() < 0.04 * (box[2] - box[0])


@needs_dlib
def test_identity_survives_light_and_size_and_tells_people_apart(landmarks):
    embedder = DlibEmbedder()
    sharp = embedder.embed(astronaut(), landmarks)
    assert sharp.shape == (128,) and sharp.dtype == np.float32
    dim_and_small = cv2.resize((astronaut() * 0.6).astype(np.uint8), (300, 300), interpolation=cv2.INTER_AREA)
    same = embedder.embed(dim_and_small, landmarks * (300 / 512))
    nobody = embedder.embed(np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8), landmarks)
    assert np.linalg.norm(sharp - same) < 0.3 < 0.6 < np.linalg.norm(sharp - nobody)


@needs_dlib
@pytest.mark.parametrize("image", [np.zeros((9, 9, 3), np.float32), np.zeros((9, 9), np.uint8)])
def test_only_rgb_uint8(image):
    with pytest.raises(ValueError, match="image: must be RGB uint8"):
        DlibDetector().detect(image)


@needs_dlib
def test_views_are_accepted():
    assert DlibDetector().detect(astronaut()[:, ::-1])


def test_a_missing_extra_names_its_remedy(monkeypatch):
    dlib_models._dlib.cache_clear()
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(FacesExtraError, match=re.escape(REMEDY)):
        DlibDetector()
    monkeypatch.undo()
    dlib_models._dlib.cache_clear()


def test_missing_models_name_their_remedy(monkeypatch):
    monkeypatch.setattr(dlib_models.importlib.util, "find_spec", lambda name: None)
    assert not dlib_models.has_dlib()
    with pytest.raises(FacesExtraError, match=re.escape(REMEDY)):
        dlib_models._model("shape_predictor_68_face_landmarks.dat")
