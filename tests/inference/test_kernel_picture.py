"""`facedeblur deblur --weights pan16 --kernel`: the kernels of a blind method as a picture."""

import cv2
import numpy as np
import pytest
import torch

from facedeblur.baselines.pan import L0Deblurrer
from facedeblur.errors import UsageError
from facedeblur.inference.command import main
from facedeblur.inference.kernel_picture import KernelRecorder, write_kernels
from facedeblur.inference.load import load


def test_a_compared_method_deblurs_by_its_name(tmp_path):
    image, given = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8), tmp_path / "face.png"
    cv2.imwrite(str(given), cv2.GaussianBlur(image, (0, 0), 2))
    arguments = [str(given), "-o", str(tmp_path / "out.png"), "--aligned", "--weights", "l0"]
    assert main([*arguments, "--kernel", str(tmp_path / "kernel.png")]) == 0
    assert cv2.imread(str(tmp_path / "out.png")).shape == (48, 48, 3)
    kernel = cv2.imread(str(tmp_path / "kernel.png"), cv2.IMREAD_UNCHANGED)
    assert kernel.ndim == 2 and kernel.shape[0] == kernel.shape[1] >= 256 and kernel.max() == 255
    other = tmp_path / "other.png"
    other.write_bytes(given.read_bytes())
    with pytest.raises(UsageError, match="--kernel: takes one picture"):
        main([str(given), str(other), "-o", str(tmp_path / "many"), "--weights", "l0", "--kernel", "kernel.png"])


@pytest.mark.parametrize(
    ("kernel", "flags", "message"),
    [
        ("face.png", ["--force"], "is the picture itself, or its result"),
        ("out.png", [], "is the picture itself, or its result"),
        ("there.png", [], "exists; --force overwrites"),
        ("kernel.jpg", [], "ends in .png"),
        ("face.png/kernel.png", [], "cannot be written to"),
    ],
)
def test_a_picture_of_the_kernel_takes_no_other_files_place(tmp_path, kernel, flags, message):
    for name in ("face.png", "there.png"):
        cv2.imwrite(str(tmp_path / name), np.full((48, 48, 3), 90, np.uint8))
    before = (tmp_path / "face.png").read_bytes()
    arguments = [str(tmp_path / "face.png"), "-o", str(tmp_path / "out.png"), "--aligned", "--weights", "l0", *flags]
    with pytest.raises(UsageError, match=message):
        main([*arguments, "--kernel", str(tmp_path / kernel)])
    assert (tmp_path / "face.png").read_bytes() == before and not (tmp_path / "out.png").exists()


def test_a_face_that_is_left_alone_has_no_kernel_and_a_line_says_so(tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)  # as sharp as a picture can be
    cv2.imwrite(str(tmp_path / "face.png"), noise)
    arguments = [str(tmp_path / "face.png"), "-o", str(tmp_path / "out.png"), "--box", "30,30,60,60"]
    assert main([*arguments, "--weights", "l0", "--kernel", str(tmp_path / "kernel.png")]) == 0
    assert "--kernel: no face was deblurred" in capsys.readouterr().err and not (tmp_path / "kernel.png").exists()


def test_kernels_stand_side_by_side_scaled_to_their_largest_tap(tmp_path):
    kernels = [np.diag([0.5, 0.25, 0.25]).astype(np.float32), np.zeros((3, 3), np.float32)]
    write_kernels(tmp_path / "kernels.png", kernels)
    picture = cv2.imread(str(tmp_path / "kernels.png"), cv2.IMREAD_UNCHANGED)
    taps = picture[2:-2, 2 : picture.shape[1] // 2 - 2][43::86, 43::86]  # the middles of squares of 86 pixels
    np.testing.assert_array_equal(taps, np.diag([255, 128, 128]))
    assert picture[2:-2, picture.shape[1] // 2 + 2 : -2].max() == 0


def test_the_recorder_gives_what_the_method_gives_and_keeps_the_kernels():
    images = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    method = L0Deblurrer(side=5, iterations=1)
    recorder = KernelRecorder(method, "l0")
    expected = method.deconvolve(images)
    assert torch.equal(recorder(images), expected.images)
    np.testing.assert_array_equal(np.stack(recorder.kernels), expected.kernels[:, 0])


def test_a_name_that_is_none_is_answered_with_the_compared_methods_too():
    with pytest.raises(UsageError, match=r"pan17: no such weights; .* compared method: krishnan11, .*, nah17:FILE"):
        load("pan17")


def test_a_method_without_kernels_is_named():
    with pytest.raises(UsageError, match="--kernel: blurred estimates no kernel"):
        KernelRecorder(load("blurred").deblurrer, "blurred")
