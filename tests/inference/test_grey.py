"""Equal channels in, equal channels out: of arrays, photos and videos, even of a network that paints."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from PIL import Image

from facedeblur.inference.api import FaceDeblurrer
from facedeblur.inference.deblur import DeblurOptions
from facedeblur.inference.files import FileDeblurrer
from facedeblur.inference.jobs import FileJob


class Paints:
    """A network that moves light, and every channel otherwise."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        gain = torch.linspace(0.5, 1.5, images.shape[-1]) * torch.tensor([0.8, 1.0, 1.3])[:, None, None]
        return (images * gain).clamp(0, 1)


@pytest.fixture
def model(finder):
    return FaceDeblurrer(Paints(), 64, "paints", finder)


@pytest.fixture
def grey(picture):
    """Also a face that leaves the picture, and one whose size is not the network's."""
    whole = picture(150, 200, [(60, 70, 25), (150, 80, 41), (190, 20, 25)])
    return np.repeat(whole.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)


def is_grey(picture: np.ndarray) -> bool:
    tolerance = 1e-6 if picture.dtype == np.float32 else 0  # the last digit, where no format could keep it
    return bool((abs(picture[..., :1].astype(float) - picture[..., :3]) <= tolerance).all())


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_arrays(model, grey, dtype):
    given = {"uint8": grey, "uint16": grey * np.uint16(257), "float32": grey / np.float32(255)}[dtype]
    done = model(given, always=True)
    assert is_grey(done) and not np.array_equal(done, given)
    coloured = given.copy()
    coloured[..., 0] = coloured[..., 0] // 2 if dtype != "float32" else coloured[..., 0] / 2
    assert not is_grey(model(coloured, always=True).astype(np.float32) - coloured)  # the network does paint


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_photos(model, grey, tmp_path, mode, suffix):
    Image.fromarray(grey).convert(mode).save(tmp_path / "in.png")
    if mode == "RGBA" and suffix == ".jpg":
        suffix = ".png"
    job = FileJob(tmp_path / "in.png", "in.png", False, tmp_path / f"out{suffix}")
    FileDeblurrer(model, DeblurOptions(always=True))(job)
    done = np.asarray(Image.open(job.target).convert("RGB"))
    assert is_grey(done) and np.abs(done.astype(int) - grey).max() > 20


def test_videos(model, grey, tmp_path):
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "8"})
        video.height, video.width, video.pix_fmt = 150, 200, "yuv420p"
        for _ in range(3):
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(video.encode())
    job = FileJob(path, "in.mp4", True, tmp_path / "out.mp4")
    FileDeblurrer(model, DeblurOptions(always=True))(job)
    with av.open(str(path)) as one, av.open(str(job.target)) as other:
        for before, after in zip(one.decode(video=0), other.decode(video=0), strict=True):
            assert is_grey(after.to_ndarray(format="rgb24"))
            assert np.abs(after.to_ndarray(format="gray").astype(int) - before.to_ndarray(format="gray")).max() > 20
