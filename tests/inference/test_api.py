from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import facedeblur
from facedeblur.errors import UsageError
from facedeblur.inference.api import FaceDeblurrer


@pytest.fixture
def deblur(unsharp, finder):
    return FaceDeblurrer(unsharp, 64, "unsharp", finder)


@pytest.fixture
def image(picture):
    return picture(120, 100, [(50, 60, 25)])


def test_every_kind_of_image_gives_the_same(deblur, image):
    expected = deblur(image, always=True)
    assert expected.shape == image.shape and expected.dtype == np.uint8 and not np.array_equal(expected, image)

    batch = deblur(np.stack([image, image]), always=True)
    assert batch.shape == (2, *image.shape) and np.array_equal(batch[1], expected)

    tensor = torch.from_numpy(image).permute(2, 0, 1)
    done = deblur(tensor, always=True)
    assert done.shape == tensor.shape and done.dtype == torch.uint8
    assert np.array_equal(done.permute(1, 2, 0).numpy(), expected)

    for dtype, tolerance in ((torch.float32, 0.51), (torch.float64, 0.51), (torch.float16, 0.8)):
        done = deblur(torch.stack([tensor, tensor]).to(dtype) / 255, always=True)
        assert done.shape == (2, 3, 120, 100) and done.dtype == dtype
        assert np.abs(done[0].permute(1, 2, 0).float().numpy() * 255 - expected).max() < tolerance

    done = deblur(Image.fromarray(image), always=True)
    assert done.mode == "RGB" and np.array_equal(np.asarray(done), expected)

    one, two = deblur([image, Image.fromarray(image)], always=True)
    assert np.array_equal(one, expected) and np.array_equal(np.asarray(two), expected)
    assert deblur([]) == []


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64", "longdouble"])
def test_pixels_outside_the_face_are_equal_to_the_bit_in_every_type(deblur, image, dtype):
    kind = np.dtype(dtype)
    scaled = image / 255 + np.random.default_rng(0).random(image.shape) / 1e4  # more digits than float32 has
    given = (scaled if kind.kind == "f" else image.astype(kind) * (np.iinfo(kind).max // 255)).astype(kind)
    done = deblur(np.stack([given, given]), always=True)
    assert done.dtype == kind and np.array_equal(done[0], done[1])
    changed = (done[0] != given).any(axis=2)
    assert not changed[:10].any() and not changed[-10:].any() and changed[50:70, 40:60].mean() > 0.5


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_a_step_outside_are_rounded_ones_and_stay_where_no_face_is(deblur, image, kind):
    given = (image / 255).astype(kind)
    given[0, 0], given[0, 1] = np.nextafter(kind(1), kind(2)), -1e-4
    done = deblur(given, always=True)
    assert done.dtype == kind and np.array_equal(done[:2], given[:2]) and 0 <= done[2:].min() <= done[2:].max() <= 1
    given[0, 0] = 1.01
    with pytest.raises(ValueError, match=r"floats must be in \[0, 1\], got"):
        deblur(given)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_same_for_tensors(deblur, image, dtype):
    whole = torch.from_numpy(image).permute(2, 0, 1)
    noise = torch.rand(whole.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 1e4
    given = whole if dtype == torch.uint8 else (whole / 255 + noise).to(dtype)
    done = deblur(given, always=True)
    assert done.dtype == dtype
    changed = (done != given).any(dim=0)
    assert not changed[:10].any() and not changed[-10:].any() and changed[50:70, 40:60].float().mean() > 0.5


def test_transparency_and_grey_of_pil_images(deblur, image):
    alpha = Image.fromarray(np.random.default_rng(0).integers(0, 256, image.shape[:2], np.uint8))
    given = Image.fromarray(image)
    given.putalpha(alpha)
    done = deblur(given, always=True)
    assert done.mode == "RGBA" and np.array_equal(np.asarray(done)[..., 3], np.asarray(alpha))
    assert deblur(Image.fromarray(image).convert("L"), always=True).mode == "L"


def test_inputs_stay_as_they_are(deblur, image):
    kept = image.copy()
    deblur(image, always=True)
    assert np.array_equal(image, kept)


def test_aligned_needs_no_detector(unsharp, image):
    deblur = FaceDeblurrer(unsharp, 64)
    deblur.photo_finder = None
    tensor = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    done = deblur(tensor, aligned=True, batch=2)
    torch.testing.assert_close(done, unsharp(tensor), rtol=0, atol=1e-6)
    assert [shape[0] for shape in unsharp.seen[:3]] == [2, 2, 1]


BAD = [
    np.zeros((4, 4), np.uint8), np.zeros((2, 3, 8, 8), np.float32), np.zeros((8, 8, 3), np.int64),
    np.full((8, 8, 3), 1.5), np.full((8, 8, 3), np.nan), torch.zeros(8, 8, 3), "photo.jpg", None,
    Image.new("CMYK", (8, 8)),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: getattr(bad, "shape", bad).__repr__()[:40])
def test_other_images_are_refused(deblur, bad):
    with pytest.raises(ValueError, match="image: "):
        deblur(bad)


def test_a_refusal_says_what_was_given(deblur, image):
    whole = torch.from_numpy(image).permute(2, 0, 1)
    with pytest.raises(ValueError, match="got a tensor of torch.int64"):
        deblur(whole.long())
    with pytest.raises(ValueError, match="floats must be in .0, 1., got NaN"):
        deblur(np.full((8, 8, 3), np.nan))
    with pytest.raises(ValueError, match="box: must be x,y,width,height in pixels, got '20'"):
        deblur(image, boxes=(20, 10, 40, 40))  # one box where a list of boxes is wanted


def test_load_gives_the_copy_and_names_what_is_missing():
    loaded = facedeblur.load("blurred")
    tensor = torch.rand(1, 3, 128, 128)
    torch.testing.assert_close(loaded(tensor, aligned=True), tensor)
    with pytest.raises(UsageError, match="no-such-weights"):
        facedeblur.load("no-such-weights-v1")
    with pytest.raises(UsageError, match="cuda:77"):
        facedeblur.load("blurred", device="cuda:77")


@pytest.mark.system
def test_importing_the_package_stays_light():
    probe = "import sys, facedeblur; facedeblur.load; print([m for m in ('torch', 'numpy', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.fixture
def run_folder(tmp_path):
    """A run folder whose last and best checkpoints differ in their weights."""
    from dataclasses import asdict

    import yaml

    from facedeblur.models.build import build_networks
    from facedeblur.models.settings import ModelSettings

    settings = ModelSettings(image_size=128, base_width=2, hourglass_features=4, hourglass_stacks=1)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model": json_plain(asdict(settings))}))
    kept = {}
    for seed, name in enumerate(("last", "best")):
        torch.manual_seed(seed)
        kept[name] = networks = build_networks(settings).eval()
        with torch.no_grad():
            for weights in networks.generator.decoder.parameters():
                if weights.ndim == 1:
                    weights += 0.3 * seed  # so that the two can be told apart
        state = {"format": 1, "stage": "adversarial", "generator_step": 3, "networks": networks.state_dict()}
        torch.save(state | {"average": None}, tmp_path / "checkpoints" / f"{name}.ckpt")
    return tmp_path, kept


def json_plain(value):
    import json

    return json.loads(json.dumps(value))


def test_a_run_gives_its_best_test_time_network_alone(run_folder):
    folder, kept = run_folder
    results = []
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    for given, name in ((folder, "best"), (folder / "checkpoints" / "last.ckpt", "last")):
        networks = kept[name]
        with torch.no_grad():
            expected = (networks.generator(networks.condition(images * 2 - 1)) + 1) / 2
        loaded = facedeblur.load(given)
        # within a grey level or two, since it computes in bfloat16 where the hardware does
        torch.testing.assert_close(loaded(images, aligned=True), expected.clamp(0, 1), rtol=0, atol=2 / 255)
        results.append(expected)
    assert (results[0] - results[1]).abs().max() > 8 / 255
    held = sum(p.numel() for p in loaded.deblurrer.network.parameters())
    whole = sum(p.numel() for n in (networks.generator, networks.hourglass) for p in n.parameters())
    assert 0.9 * whole < held <= whole  # batch norms may be folded; no discriminator, no second encoder
    assert loaded.size == 128 and str(folder) in repr(loaded)
