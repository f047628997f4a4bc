"""Annotated photos, and the batches made of them."""

from __future__ import annotations

from itertools import zip_longest
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from facedeblur.data.corpora import CorpusSettings, find_clips
from facedeblur.data.photos.augment import CropAugmentSettings
from facedeblur.data.photos.photo_stream import FaceDataModule, FaceStream
from facedeblur.data.photos.photos import read_faces
from facedeblur.data.stream import epoch_stream
from facedeblur.data.stream.interleave import interleave
from facedeblur.data.stream.settings import LoaderSettings
from facedeblur.faces.crop import crop, points_to_crop, resize
from facedeblur.faces.dlib_models import landmark_box
from facedeblur.faces.hourglass_localizer import localizer_crop
from facedeblur.faces.pts import write_pts

SETTINGS = LoaderSettings(size=64, batch=4, workers=0, epoch_windows=22)


def annotated(folder, name, seed, side=300, points=None):
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.integers(0, 256, (side, side + 20, 3), np.uint8), (0, 0), 4)
    points = rng.uniform(0.3 * side, 0.7 * side, (68, 2)) if points is None else points
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    write_pts(folder / f"{name}.pts", points)
    return image, points.astype(np.float32)


@pytest.fixture
def root(tmp_path):
    for i in range(5):
        annotated(tmp_path / "photos", f"p{i}", i)
    return tmp_path / "photos"


@pytest.fixture
def clips(root, tmp_path):
    settings = CorpusSettings("stills", str(root), val_fraction=0.0, cache=str(tmp_path / "cache"))
    return lambda: find_clips(settings)


def test_faces_are_cut_out_with_their_points(clips, root):
    faces = read_faces(clips(), 64)
    assert len(faces.items) == 5 and not faces.skipped
    for i, face in enumerate(faces.items):
        _, points = annotated(root, f"p{i}", i)
        image = face.still.load()
        square = localizer_crop(landmark_box(points), 1.4 * 1.6)
        side = face.image.shape[0]
        assert face.image.shape == (side, side, 3) and side <= 108 < square.side
        np.testing.assert_allclose(face.landmarks, points_to_crop(points, square, side), atol=2e-3)
        np.testing.assert_array_equal(face.image, resize(crop(image, square), side))


def test_photos_that_give_no_face_are_named(clips, root):
    (root / "p0.pts").write_text("nothing\n")
    (root / "p1.png").write_bytes(b"no image")
    (root / "p2.pts").unlink()
    cv2.imwrite(str(root / "p2.png"), np.zeros((50, 50, 3), np.uint8))
    annotated(root, "p3", 3, points=np.random.default_rng(0).uniform(1000, 1100, (68, 2)))
    annotated(root, "p4", 4, points=np.full((68, 2), 100.0))
    pytest.importorskip("dlib", reason="extra faces: a photo without .pts is refused earlier without a detector")
    faces = read_faces(clips(), 64)
    assert not faces.items
    reasons = {path.rsplit("/", 1)[1]: reason for path, reason in faces.skipped}
    assert "braces" in reasons["p0.png"] and "decoded" in reasons["p1.png"] and "no .pts" in reasons["p2.png"]
    assert "no face inside" in reasons["p3.png"] and "no face inside" in reasons["p4.png"]


def batches(stream, epoch=0, first=0):
    stream.set_position(epoch, first)
    return list(stream)


def test_an_epoch_depends_on_seed_and_epoch_alone(clips):
    faces = read_faces(clips(), 64).items
    stream = FaceStream(faces, SETTINGS, CropAugmentSettings())
    assert len(stream) == 5  # 22 faces are five whole batches
    one, again = batches(stream), batches(FaceStream(faces, SETTINGS, CropAugmentSettings()))
    assert all(torch.equal(a[key], b[key]) for a, b in zip(one, again, strict=True) for key in ("image", "points"))
    assert one[0]["image"].shape == (4, 3, 64, 64) and one[0]["image"].dtype == torch.uint8
    assert one[0]["image"].is_contiguous(memory_format=torch.channels_last)
    other = batches(stream, epoch=1)
    assert not any(torch.equal(a["image"], b["image"]) for a, b in zip(one, other, strict=True))
    late = batches(stream, first=3)
    assert len(late) == 2 and torch.equal(late[0]["image"], one[3]["image"])
    seen = [meta["video"] for batch in one for meta in batch["meta"]]
    assert {seen.count(video) for video in set(seen)} == {4}  # four passes over five faces
    pictures = torch.cat([batch["image"] for batch in one])
    assert len({picture.numpy().tobytes() for picture in pictures}) == 20  # no face comes twice alike


@pytest.mark.parametrize("first", [0, 1])
def test_workers_make_the_same_batches(clips, monkeypatch, first):
    faces = read_faces(clips(), 64).items
    stream = FaceStream(faces, SETTINGS, CropAugmentSettings())
    whole = batches(stream, first=first)
    workers = []
    for worker in range(3):
        info = SimpleNamespace(id=worker, num_workers=3)
        monkeypatch.setattr(epoch_stream, "get_worker_info", lambda info=info: info)
        workers.append(iter(stream))
    packs = (pack for turn in zip_longest(*workers) for pack in turn if pack is not None)
    for a, b in zip(whole, interleave(packs, 3, 4), strict=True):
        assert torch.equal(a["image"], b["image"]) and torch.equal(a["points"], b["points"])
        assert (a["meta"], a["replaced"]) == (b["meta"], b["replaced"])


def test_ranks_share_an_epoch(clips):
    faces = read_faces(clips(), 64).items
    shares = [batches(FaceStream(faces, SETTINGS, CropAugmentSettings(), rank, 2)) for rank in range(2)]
    assert [len(share) for share in shares] == [5, 5]
    assert {batch["image"].shape[0] for share in shares for batch in share} == {2}
    seen = [meta["video"] for share in shares for batch in share for meta in batch["meta"]]
    assert {seen.count(video) for video in set(seen)} == {4}


def test_validation_sees_what_the_localiser_sees(clips):
    faces = read_faces(clips(), 64).items
    shown = batches(FaceStream(faces, SETTINGS))
    assert [len(batch["meta"]) for batch in shown] == [4, 1]
    square = localizer_crop(faces[4].box)
    expected = resize(crop(faces[4].image, square), 64)
    np.testing.assert_array_equal(shown[1]["image"][0].permute(1, 2, 0), expected)
    np.testing.assert_allclose(shown[1]["points"][0], points_to_crop(faces[4].landmarks, square, 64))


def test_a_resumed_module_goes_on_with_the_next_batch(clips):
    faces = read_faces(clips(), 64).items
    whole = FaceDataModule(faces, faces, SETTINGS, CropAugmentSettings())
    assert (whole.batches_per_epoch(), whole.train_count, whole.val_count) == (5, 5, 5)
    first = list(whole.train_dataloader())
    second = list(whole.train_dataloader())
    assert len(first) == len(second) == 5
    resumed = FaceDataModule(faces, faces, SETTINGS, CropAugmentSettings())
    resumed.set_position(0, 3)
    assert len(resumed.train_dataloader()) == 2
    rest = list(resumed.train_dataloader()) + list(resumed.train_dataloader())
    assert len(rest) == 7
    for a, b in zip(rest, first[3:] + second, strict=True):
        assert torch.equal(a["image"], b["image"])
    ready = resumed.on_after_batch_transfer(rest[0], 0)["image"]
    assert ready.dtype == torch.float32 and ready.min() >= 0 and ready.max() <= 1


def test_an_epoch_without_a_batch_is_refused(clips):
    faces = read_faces(clips(), 64).items
    with pytest.raises(ValueError, match="epoch_windows"):
        FaceStream(faces, LoaderSettings(size=64, batch=8, epoch_windows=6), CropAugmentSettings())
