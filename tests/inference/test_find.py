"""Faces that hide: blurred ones, turned pictures, and those that a user points at."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from facedeblur.faces.crop import CropBox
from facedeblur.faces.dlib_models import DlibDetector, has_dlib
from facedeblur.inference.api import FaceDeblurrer
from facedeblur.inference.find import FaceFinder

needs_dlib = pytest.mark.skipif(not has_dlib(), reason='needs pip install "facedeblur[faces]"')
FACE = (177, 76, 270, 180)  # of the portrait, by eye


@pytest.fixture(scope="module")
def finder():
    return FaceFinder.dlib(640)


@pytest.fixture(scope="module")
def portrait():
    return np.ascontiguousarray(data.astronaut()[:300, 80:400])


def on_the_face(points: np.ndarray) -> bool:
    return bool(np.linalg.norm(points.mean(axis=0) - ((177 + 270) / 2 - 80, (76 + 180) / 2)) < 20)


@needs_dlib
def test_a_face_that_blur_hides_from_the_detector_is_found_by_the_second_search(finder, portrait):
    blurred = cv2.blur(portrait, (21, 1))
    assert DlibDetector(longest=640).detect(blurred) == []
    turns, faces = finder.search(blurred)
    assert turns == 0 and len(faces) == 1 and on_the_face(faces[0])


@needs_dlib
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_picture_on_its_side_or_head_is_found_and_deblurred_where_it_lies(unsharp, finder, portrait, turns):
    lying = np.ascontiguousarray(np.rot90(portrait, -turns))
    found, faces = finder.search(lying)
    assert found == turns and len(faces) == 1 and on_the_face(faces[0])
    model = FaceDeblurrer(unsharp, 64, "unsharp", finder)
    done = model(lying, always=True)
    changed = np.rot90((done != lying).any(axis=2), turns)
    assert done.shape == lying.shape and changed[100:160, 110:180].mean() > 0.3 and not changed[-40:].any()


@needs_dlib
@pytest.mark.parametrize("name", ["coffee", "chelsea", "brick"])
def test_nothing_is_found_where_nobody_is(finder, name):
    picture = getattr(data, name)()[:256, :256]
    picture = np.dstack([picture] * 3) if picture.ndim == 2 else np.ascontiguousarray(picture)
    assert finder.search(picture).faces == []


def test_a_box_gives_the_crop_of_its_landmarks_else_its_own(picture):
    class Everywhere:
        def __init__(self, box):
            self.box = box

        def localize(self, image, box):
            (x0, y0, x1, y1) = self.box or box
            return np.stack([np.linspace(x0, x1, 68), np.tile([y0, y1], 34)], axis=1).astype(np.float32)

    class Nowhere:
        def detect(self, image):
            raise AssertionError("nothing is searched where a box is given")

    image = picture(200, 200, [])
    lost = FaceFinder(Nowhere(), Everywhere((0, 0, 20, 20)))  # the localiser slips away
    assert lost.crop_in(image, (100, 60, 40, 40)) == CropBox(93, 53, 54)
    assert lost.crop_in(image, (100, 60, 20, 40)) == CropBox(83, 53, 54)
    model = FaceDeblurrer(lambda images: 1 - images, 64, "negative", lost)
    done = model(image, always=True, boxes=[(100, 60, 40, 40)])
    changed = (done != image).any(axis=2)
    assert changed[70:90, 110:130].mean() > 0.9 and not changed[:, :90].any() and not changed[110:].any()
    for boxes in ([(1, 2, 0, 4)], [(300, 10, 20, 20)], [(1, 2, float("nan"), 4)]):
        with pytest.raises(ValueError, match="box: "):
            model(image, boxes=boxes)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pil_images_are_searched_upright_and_returned_as_they_lay(unsharp, discs_model, picture, orientation):
    image = Image.fromarray(picture(150, 200, [(60, 70, 25)]))
    transform = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # of Pillow, from upright to lying
    lying = image if orientation == 1 else image.transpose(Image.Transpose(transform[orientation]))
    lying.getexif()[0x0112] = orientation
    seen = []

    class Upright(discs_model):
        def detect(self, picture):
            seen.append(picture)
            return super().detect(picture)

    finder = FaceFinder(Upright(), Upright())
    done = FaceDeblurrer(unsharp, 64, "unsharp", finder)(lying, always=True)
    assert np.array_equal(seen[0], np.asarray(image))
    assert done.size == lying.size and (np.asarray(done) != np.asarray(lying)).any()
    expected = FaceDeblurrer(unsharp, 64, "unsharp", finder)(image, always=True)
    back = expected if orientation == 1 else expected.transpose(Image.Transpose(transform[orientation]))
    assert np.array_equal(np.asarray(done), np.asarray(back))
