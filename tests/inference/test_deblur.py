from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from facedeblur.faces.crop import crop_box, resize
from facedeblur.inference.deblur import DeblurOptions, deblur_pictures, run
from facedeblur.inference.sharpness import BLURRED, SHARP, blend_weight, blur_of
from facedeblur.models.deblurrer import NetworkDeblurrer

ALWAYS = DeblurOptions(always=True)


def test_two_faces_change_and_nothing_else(picture, unsharp, finder):
    image = picture(200, 300, [(60, 80, 30), (220, 100, 40)])
    [done] = deblur_pictures([image], unsharp, 64, finder, ALWAYS)
    boxes = [crop_box(points) for points in finder.find(image)]
    outside = np.ones(image.shape[:2], bool)
    for x, y, side in boxes:
        changed = done.picture[y + side // 4 : y + 3 * side // 4, x + side // 4 : x + 3 * side // 4]
        assert not np.array_equal(changed, image[y + side // 4 : y + 3 * side // 4, x + side // 4 : x + 3 * side // 4])
        outside[max(y, 0) : y + side, max(x, 0) : x + side] = False
    assert done.faces == 2 and done.sharp == 0
    assert outside.mean() > 0.3 and np.array_equal(done.picture[outside], image[outside])
    assert unsharp.seen == [(2, 3, 64, 64)]


class Dimmer(torch.nn.Module):
    """Halves contrast around grey, and notes the shapes it is given."""

    def __init__(self):
        super().__init__()
        self.contrast = torch.nn.Parameter(torch.tensor(0.5))
        self.seen = []

    def forward(self, image):
        self.seen.append(tuple(image.shape))
        return image * self.contrast


def test_each_face_goes_to_the_network_it_has_the_pixels_for(picture, finder):
    small, large = Dimmer(), Dimmer()
    both = NetworkDeblurrer(large, size=256)
    both.smaller = NetworkDeblurrer(small, size=128)
    image = picture(500, 900, [(100, 100, 30), (450, 250, 90), (700, 100, 40)])
    sides = [crop_box(points).side for points in finder.find(image)]
    assert sorted(side >= 0.75 * 256 for side in sides) == [False, False, True]
    [done] = deblur_pictures([image], both, 128, finder, ALWAYS)
    assert large.seen == [(1, 3, 256, 256)] and small.seen == [(2, 3, 128, 128)] and done.faces == 3
    for x, y in ((100, 100), (450, 250), (700, 100)):  # around each the contrast of disc and ground has fallen
        before, after = (p[y, x - 95 : x + 95].astype(int) for p in (image, done.picture))
        assert np.ptp(after) < 0.9 * np.ptp(before)


def test_crops_of_several_sizes_come_back_in_their_order():
    crops = [np.full((side, side, 3), i / 10, np.float32) for i, side in enumerate((8, 4, 8, 4, 8))]
    shapes = []

    def dimmed(images):
        shapes.append(tuple(images.shape))
        return images / 2

    done = run(dimmed, crops, 2)
    assert shapes == [(2, 3, 8, 8), (1, 3, 8, 8), (2, 3, 4, 4)]
    for crop, face in zip(crops, done, strict=True):
        np.testing.assert_array_equal(face, crop / 2)


def test_only_the_largest(picture, unsharp, finder):
    image = picture(200, 300, [(60, 80, 30), (220, 100, 40)])
    [done] = deblur_pictures([image], unsharp, 64, finder, DeblurOptions("largest", always=True))
    assert done.faces == 1 and np.array_equal(done.picture[:, :100], image[:, :100])
    assert not np.array_equal(done.picture[:, 200:], image[:, 200:])


def test_no_face_returns_the_picture(picture, unsharp, finder):
    image = picture(80, 90, [])
    [done] = deblur_pictures([image], unsharp, 64, finder)
    assert done.faces == 0 and np.array_equal(done.picture, image) and not unsharp.seen


def test_hundreds_of_faces_go_through_in_batches(picture, unsharp, finder):
    faces = [(20 + 30 * i, 20 + 30 * j, 9) for i in range(20) for j in range(15)]
    image = picture(470, 620, faces)
    [done] = deblur_pictures([image], unsharp, 32, finder, DeblurOptions(always=True, batch=64))
    assert done.faces == 300 and [shape[0] for shape in unsharp.seen] == [64] * 4 + [44]


@pytest.mark.parametrize("face", [(5, 60, 30), (95, 60, 30), (50, 2, 30), (50, 118, 30)])
def test_a_face_at_the_border(picture, unsharp, finder, face):
    image = picture(120, 100, [face])
    [done] = deblur_pictures([image], unsharp, 64, finder, ALWAYS)
    assert done.faces == 1 and done.picture.shape == image.shape
    assert not np.array_equal(done.picture, image)


def test_batches_run_over_pictures_and_order_is_kept(picture, unsharp, finder):
    images = [picture(120, 100 + 10 * i, [(50, 60, 25)], seed=i) for i in range(5)]
    together = deblur_pictures(images, unsharp, 64, finder, DeblurOptions(always=True, batch=3))
    alone = [deblur_pictures([image], unsharp, 64, finder, ALWAYS)[0] for image in images]
    assert unsharp.seen[:2] == [(3, 3, 64, 64), (2, 3, 64, 64)]
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.picture, other.picture)


def test_aligned_pictures_are_the_networks_own(picture, unsharp):
    image = picture(64, 64, [(32, 32, 20)])
    [done] = deblur_pictures([image], unsharp, 64, None, DeblurOptions(aligned=True))
    [expected] = run(unsharp, [image.astype(np.float32) / 255], 1)
    assert np.array_equal(done.picture, np.rint(255 * expected).astype(np.uint8)) and done.faces == 1


def test_sixteen_bits_and_floats_are_treated_like_eight(picture, unsharp, finder):
    image = picture(120, 100, [(50, 60, 25)])
    [eight] = deblur_pictures([image], unsharp, 64, finder, ALWAYS)
    [deep] = deblur_pictures([image * np.uint16(257)], unsharp, 64, finder, ALWAYS)
    [real] = deblur_pictures([image / np.float32(255)], unsharp, 64, finder, ALWAYS)
    assert deep.picture.dtype == np.uint16 and real.picture.dtype == np.float32
    assert np.abs(deep.picture / 257 - eight.picture).max() <= 0.51
    assert np.abs(real.picture * 255 - eight.picture).max() <= 0.51


def test_sharp_faces_are_left_alone_unless_always(picture, unsharp, finder):
    """A disc of crisp noise is sharp; smeared over nine pixels in one direction it is not."""
    rng = np.random.default_rng(0)
    sharp = picture(200, 200, [(100, 100, 60)])
    sharp = np.clip(sharp + rng.integers(-40, 40, sharp.shape), 0, 255).astype(np.uint8)
    blurred = cv2.blur(sharp, (9, 1))
    found, _ = finder.find(sharp), finder.find(blurred)
    assert found
    for image, left in ((sharp, 1), (blurred, 0)):
        [done] = deblur_pictures([image], unsharp, 128, finder)
        assert (done.faces, done.sharp) == (1, left)
        assert np.array_equal(done.picture, image) == bool(left)
    [done] = deblur_pictures([sharp], unsharp, 128, finder, ALWAYS)
    assert done.sharp == 0 and not np.array_equal(done.picture, sharp)


def test_blur_grows_with_the_length_of_a_motion_in_any_direction(picture):
    image = picture(128, 128, [(64, 64, 50)]).astype(np.float32) / 255
    for shape in (lambda n: (n, 1), lambda n: (1, n)):
        blurs = [blur_of(cv2.blur(image, shape(n))) for n in (1, 5, 9, 15)]
        assert blurs == sorted(blurs) and blurs[-1] > blurs[0] + 0.1


def test_the_weight_rises_from_nothing_to_one_between_the_thresholds(monkeypatch):
    blurs = [0.0, SHARP, (SHARP + BLURRED) / 2, BLURRED, 1.0]
    for blur, expected in zip(blurs, [0, 0, 0.5, 1, 1], strict=True):
        monkeypatch.setattr("facedeblur.inference.sharpness.blur_of", lambda face, blur=blur: blur)
        assert blend_weight(np.zeros((128, 128, 3), np.float32), 200) == pytest.approx(expected)


def test_a_small_sharp_face_is_not_taken_for_a_blurred_one():
    """A photo's detail, enlarged from 48 pixels to the network's size, looks smooth; that it was enlarged is known."""
    photo = data.astronaut()[:256, 100:356].astype(np.float32) / 255
    small = resize(photo, 48)
    given = resize(small, 128).clip(0, 1)
    assert blend_weight(given, 128) > 0.5 and blend_weight(given, 48) == 0
    smeared = resize(cv2.blur(small, (7, 1)), 128).clip(0, 1)
    assert blend_weight(smeared, 48) > 0.9


def test_blur_is_the_published_metric(picture):
    from skimage.measure import blur_effect

    for blur in ((1, 1), (7, 1), (1, 11), (5, 5)):
        image = cv2.blur(picture(128, 128, [(64, 64, 50)]), blur).astype(np.float32) / 255
        expected = blur_effect(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), h_size=11)
        assert blur_of(image) == pytest.approx(expected, abs=1e-3)
    assert blur_of(np.full((64, 64, 3), 0.5, np.float32)) == 1.0


def test_strength_blends_and_nothing_is_computed_for_none(picture, unsharp, finder):
    image = picture(200, 300, [(60, 80, 30), (220, 100, 40)])
    full, half, none = (
        deblur_pictures([image], unsharp, 64, finder, DeblurOptions(always=True, strength=strength))[0]
        for strength in (1.0, 0.5, 0.0)
    )
    change, inside = full.picture.astype(int) - image, (full.picture > 0) & (full.picture < 255)
    assert np.abs(change).max() > 10
    assert np.abs(change - 2 * (half.picture.astype(int) - image))[inside].max() <= 2
    assert np.array_equal(none.picture, image) and (none.faces, none.sharp) == (2, 0)
    assert len(unsharp.seen) == 2


def test_strength_holds_for_aligned_pictures(picture, unsharp):
    image = picture(64, 64, [(32, 32, 20)])
    [none] = deblur_pictures([image], unsharp, 64, None, DeblurOptions(aligned=True, strength=0.0))
    assert np.array_equal(none.picture, image) and none.sharp == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("faces", "both"), ("batch", 0), ("strength", -0.1), ("strength", 1.01), ("strength", float("nan"))],
)
def test_options_name_what_is_wrong(field, value):
    with pytest.raises(ValueError, match=f"{field}: must be"):
        DeblurOptions(**{field: value})
