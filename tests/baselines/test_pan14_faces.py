"""pan14_faces on a real face, in the public domain, under a kernel that is known."""

import cv2
import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from skimage import data

from facedeblur.baselines.names import load_baseline
from facedeblur.baselines.pan14_faces import Pan14Faces
from facedeblur.data.demo.portrait import LANDMARKS
from facedeblur.errors import UsageError
from facedeblur.faces.crop import crop, crop_box

from .rendered import Blurred, camera_kernel, gain, kernel_similarity


@pytest.fixture(scope="module")
def face() -> Blurred:
    """The face of scikit-image's astronaut at 128 pixels under a camera shake of 15."""
    sharp = cv2.resize(crop(data.astronaut(), crop_box(LANDMARKS, 1.9)), (142, 142), interpolation=cv2.INTER_AREA) / 255
    kernel = camera_kernel(np.random.default_rng(1), 15)
    blurry = np.stack([fftconvolve(sharp[..., c], kernel, mode="valid") for c in range(3)])
    blurry = np.rint((blurry + np.random.default_rng(2).normal(0, 0.005, blurry.shape)).clip(0, 1) * 255) / 255
    inside = np.moveaxis(sharp, -1, 0)[:, 7:-7, 7:-7].copy()
    return Blurred(*(torch.from_numpy(a)[None].float() for a in (inside, blurry, kernel[None])))


@pytest.mark.parametrize("exemplars", [None, "none"])
def test_a_known_kernel_is_recovered_from_a_face(face, exemplars):
    done = Pan14Faces(side=15, exemplars=exemplars).deconvolve(face.blurry)
    assert kernel_similarity(done.kernels, face.kernel) >= 0.75
    assert gain(done.images, face) >= 2


def test_float32_and_float64_agree(face):
    method = Pan14Faces(side=15, iterations=10)
    made = [method.deconvolve(face.blurry.to(dtype)).kernels for dtype in (torch.float32, torch.float64)]
    assert kernel_similarity(*made) >= 0.99


def test_a_row_says_which_exemplars_it_is_of(tmp_path):
    name, method, source = load_baseline("pan14_faces")
    assert name == "pan14_faces" and source["exemplars"] == "24 rendered faces"
    assert method.exemplars.fingerprint in source["fingerprint"]
    assert Pan14Faces(exemplars="none").given["exemplars"] == "none"
    with pytest.raises(UsageError, match="no set of exemplars"):
        load_baseline(f"pan14_faces:{tmp_path / 'set.npz'}")


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0, float("nan")])
def test_an_image_of_nothing_stays_itself_and_touches_no_other(face, value):
    method = Pan14Faces(side=7, iterations=3, final_iterations=5)
    good = face.blurry[..., :40, :44]
    batch = torch.cat([good, torch.full_like(good, value), good])
    made = method(batch)
    assert torch.equal(made[0], made[2]) and torch.equal(made[:1], method(good))
    expected = torch.nan_to_num(batch[1])
    assert torch.allclose(made[1], expected, atol=2e-3)


@pytest.mark.parametrize("size", [(1, 1), (40, 1), (9, 31)])
def test_tiny_and_narrow_images_come_back_in_their_size(size):
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    restored = Pan14Faces(side=5, iterations=2, final_iterations=5)(images)
    assert restored.shape == images.shape and torch.isfinite(restored).all()
