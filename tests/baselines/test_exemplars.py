"""Exemplars: what a set holds, which of them matches, and the contours that count."""

import cv2
import numpy as np
import pytest
import torch

from facedeblur.baselines import exemplars
from facedeblur.baselines.exemplars import Exemplars, contour_mask, save_exemplars
from facedeblur.data.exemplars import main
from facedeblur.errors import UsageError


@pytest.fixture(scope="module")
def packaged() -> Exemplars:
    return Exemplars()


def test_the_set_in_the_box_is_of_faces_with_their_landmarks(packaged):
    assert len(packaged) == 24 and packaged.faces.shape == (24, 128, 128) and packaged.name == "rendered faces"
    assert (packaged.landmarks > 0).all() and (packaged.landmarks < 128).all()
    eyes, mouth = packaged.landmarks[:, 36:48, 1].mean(1), packaged.landmarks[:, 48:60, 1].mean(1)
    assert (mouth > eyes + 20).all()


def test_every_face_matches_itself_moved_and_at_another_size(packaged):
    chosen = [3, 11, 20]
    faces = torch.from_numpy(packaged.faces[chosen]).float()[:, None] / 255
    larger = torch.nn.functional.interpolate(faces, (144, 144), mode="bilinear", antialias=True)
    for images in (faces, faces.roll((5, -7), (-2, -1)), larger):
        size = (images.shape[-2], images.shape[-1])
        _, gradients, _ = packaged._prepared(size, images.dtype, images.device)
        assert torch.equal(packaged.salient_gradients(images), gradients[chosen])


def test_salient_gradients_lie_on_the_contours_alone(packaged):
    face, points = packaged.faces[0], packaged.landmarks[0]
    mask = contour_mask(points, (128, 128))
    found = packaged.salient_gradients(torch.from_numpy(face).float()[None, None] / 255)[0]
    horizontal = np.zeros((128, 128), np.float32)
    horizontal[:-1, :-1] = np.diff(face.astype(np.float32) / 255, axis=1)[:-1]
    np.testing.assert_allclose(found[0], horizontal * mask, atol=1e-6)
    x, y = np.rint(points[[8, 37, 44, 51]]).astype(int).T  # chin, eyes, upper lip
    assert mask[y, x].all()
    x, y = np.rint(points[[0, 16, 19, 30]]).astype(int).T  # ends of the outline, eyebrow, nose
    assert not mask[y, x].any() and 0.02 < mask.mean() < 0.2


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"faces": np.zeros((2, 8, 8), np.uint8)},
        {"faces": np.zeros((2, 8, 9), np.uint8), "landmarks": np.zeros((2, 68, 2))},
        {"faces": np.zeros((2, 8, 8)), "landmarks": np.zeros((2, 68, 2))},
        {"faces": np.zeros((0, 8, 8), np.uint8), "landmarks": np.zeros((0, 68, 2))},
    ],
)
def test_a_file_that_is_no_set_is_refused(tmp_path, content):
    np.savez(tmp_path / "set.npz", **content)
    with pytest.raises(UsageError, match=r"set.npz: no set of exemplars.*"):
        Exemplars(tmp_path / "set.npz")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="nothing.npz: no set of exemplars"):
        Exemplars(tmp_path / "nothing.npz")


@pytest.mark.parametrize("length", [0, 3, 400, 5000, 60000])
def test_a_file_cut_short_or_of_something_else_is_refused_in_plain_words(tmp_path, length):
    whole = exemplars.PACKAGED.read_bytes()
    damaged = bytearray(whole)
    damaged[length : length + 2000] = bytes(2000)
    for content in (whole[:length], bytes(damaged), b"a photo" + whole[:length]):
        (tmp_path / "set.npz").write_bytes(content)
        with pytest.raises(UsageError, match=r"set.npz: no set of exemplars \(.*\); `facedeblur exemplars`") as refusal:
            Exemplars(tmp_path / "set.npz")
        assert "pickle" not in str(refusal.value)


def test_the_command_cuts_sharp_faces_out_of_photos(tmp_path, packaged, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, sigma in (("sharp", 0), ("blurred", 6)):
        photo = cv2.copyMakeBorder(packaged.faces[0], 20, 10, 30, 40, cv2.BORDER_REPLICATE)
        cv2.imwrite(str(folder / f"{name}.png"), cv2.GaussianBlur(photo, (0, 0), sigma) if sigma else photo)
        lines = "\n".join(f"{x + 31} {y + 21}" for x, y in packaged.landmarks[0])  # files count from one
        (folder / f"{name}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")
    (folder / "broken.jpg").write_bytes(b"no picture")
    assert main([str(folder), "-o", str(tmp_path / "set.npz")]) == 0
    told = capsys.readouterr().err
    assert "1 exemplars in" in told and "1 left out that look blurred" in told and "broken.jpg" in told
    made = Exemplars(tmp_path / "set.npz")
    assert len(made) == 1 and made.name == "set.npz" and made.fingerprint != packaged.fingerprint
    assert np.abs(made.landmarks[0] - packaged.landmarks[0]).max() < 2  # the crop rule, again
    photo = (folder / "sharp.png").read_bytes()
    with pytest.raises(UsageError, match="ends in .npz"):
        main([str(folder), "-o", str(folder / "sharp.png")])
    assert (folder / "sharp.png").read_bytes() == photo
    with pytest.raises(UsageError, match="no sharp face found"):
        main([str(folder / "blurred.png"), "-o", str(tmp_path / "none.npz")])
    with pytest.raises(UsageError, match="nowhere: no such file or folder"):
        main([str(tmp_path / "nowhere"), "-o", str(tmp_path / "none.npz")])


def test_saving_keeps_every_value(tmp_path):
    faces = np.random.default_rng(0).integers(0, 256, (3, 8, 8), np.uint8)
    landmarks = np.random.default_rng(1).random((3, 68, 2)).astype(np.float32)
    save_exemplars(tmp_path / "a.set", faces, landmarks)
    made = Exemplars(tmp_path / "a.set")
    np.testing.assert_array_equal(made.faces, faces)
    np.testing.assert_array_equal(made.landmarks, landmarks)


def test_unit_gradients_have_norm_one_or_are_zero():
    gradients = torch.rand(2, 2, 5, 5)
    gradients[1, 0] = 0
    norms = exemplars.unit(gradients).square().sum((-2, -1)).sqrt()
    assert torch.allclose(norms, torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
