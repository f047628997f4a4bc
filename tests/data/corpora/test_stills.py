"""Photos as albums: from a folder or a TSV to pairs under kernels."""

from __future__ import annotations

import base64
import logging
import os

import cv2
import numpy as np
import pytest

from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import CorpusSettings, find_clips, ms_celeb, stills
from facedeblur.data.corpora.clip import CorpusError
from facedeblur.data.pairs.pair import describe, read_pair
from facedeblur.data.plans.report import PlanReport
from facedeblur.data.prepare.job import PrepareError, check_blurs
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.faces.crop import crop, resize
from facedeblur.faces.pts import write_pts
from facedeblur.faces.refine import sharpness
from facedeblur.video.album import read_album
from facedeblur.video.open import open_source

POINTS = np.stack([20 + 40 * (np.arange(68) % 9) / 8, 15 + 50 * np.arange(68) / 67], axis=1)


def photo(seed: int, height: int = 90, width: int = 100) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def photos(tmp_path):
    """Five people, photos of different sizes, one of them broken."""
    for number, name in enumerate(("ann/1.png", "ann/2.png", "bob/x.png", "cid/y.png", "dan/z.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), photo(number, 90 + 10 * number))
        write_pts(path.with_suffix(".pts"), POINTS)
    (tmp_path / "photos/ann/3.jpg").write_bytes(b"not a photo")
    write_pts(tmp_path / "photos/ann/3.pts", POINTS)
    return tmp_path / "photos"


def settings(root, tmp_path, kind="stills", **values):
    return CorpusSettings(kind, str(root), cache=str(tmp_path / "cache"), **values)


def test_people_are_held_out_and_albums_are_stable(photos, tmp_path):
    clips = find_clips(settings(photos, tmp_path))
    assert find_clips(settings(photos, tmp_path)) == clips
    held = {
        split: [s.image for c in clips if c.split == split for s in read_album(c.path)] for split in ("train", "val")
    }
    people = {split: {os.path.basename(os.path.dirname(image)) for image in images} for split, images in held.items()}
    assert len(people["val"]) == 1 and not people["val"] & people["train"]
    assert len(held["train"]) + len(held["val"]) == 6
    cv2.imwrite(str(photos / "bob/x.png"), photo(99, 120))
    os.utime(photos / "bob/x.png", (1, 1))
    assert {clip.path for clip in find_clips(settings(photos, tmp_path))} != {clip.path for clip in clips}


def test_albums_are_cut_to_size(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(stills, "ALBUM", 2)
    clips = find_clips(settings(photos, tmp_path, val_fraction=0.0))
    assert [len(read_album(clip.path)) for clip in clips] == [2, 2, 2]
    assert len({clip.identity for clip in clips}) == 3


def test_a_photo_is_a_source_of_one_frame_and_gives_pairs_under_kernels(photos, tmp_path):
    clips = find_clips(settings(photos, tmp_path, val_fraction=0.0))
    plan, report = prepare_plan(clips, [named_schedule("camera_shake")], tmp_path / "cache")
    assert len(plan) == 5 and not report.skipped  # the broken photo alone gives none
    images = [still.image for still in read_album(clips[0].path)]
    for row in range(len(plan)):
        window = plan[row]
        pair = read_pair(describe(window, row, 32, {}))
        decoded = cv2.cvtColor(cv2.imread(images[window.window.start]), cv2.COLOR_BGR2RGB)
        expected = resize(crop(decoded, window.crop), 32)
        assert np.abs(pair.sharp.astype(int) - expected).max() <= 1
        assert np.abs(pair.blurry.astype(int) - pair.sharp).mean() > 0.1
    with pytest.raises(PrepareError, match="pravg7 averages frames, but photos have one"):
        prepare_plan(clips, [named_schedule("pravg7")], tmp_path / "cache")
    with pytest.raises(PrepareError, match="^blur.val_schedules: vla averages frames"):
        check_blurs(clips, [named_schedule("vla")], "blur.val_schedules")


def test_a_photo_that_is_gone_is_a_video_error(photos, tmp_path):
    from facedeblur.video.source import VideoError

    clips = find_clips(settings(photos, tmp_path, val_fraction=0.0))
    plan, _ = prepare_plan(clips, [named_schedule("trajectory")], tmp_path / "cache")
    (photos / "ann/1.png").unlink()
    with pytest.raises(VideoError, match="photo 0 is gone"):
        read_pair(describe(plan[0], 0, 32, {}))
    assert read_pair(describe(plan[1], 1, 32, {})).sharp.shape == (32, 32, 3)


def test_blurred_photos_are_no_ground_truth(tmp_path):
    """Below `min_sharpness` a photo is dropped and counted; one that is only softer than the others is kept."""
    root = tmp_path / "photos"
    root.mkdir()
    images = {f"{n}.png": np.random.default_rng(n).integers(0, 256, (90, 100, 3), np.uint8) for n in range(3)}
    images["soft.png"] = cv2.GaussianBlur(images["0.png"], (0, 0), 0.6)
    images["blurred.png"] = cv2.GaussianBlur(images["0.png"], (0, 0), 3)
    for name, image in images.items():
        cv2.imwrite(str(root / name), image)
        write_pts((root / name).with_suffix(".pts"), POINTS)
    values = {name: sharpness(image[..., ::-1], POINTS) for name, image in images.items()}
    least = values["soft.png"] / 2
    assert values["blurred.png"] < least < values["soft.png"] < 0.5 * np.median(list(values.values()))

    clips = find_clips(settings(root, tmp_path, val_fraction=0.0))
    names = [os.path.basename(still.image) for still in read_album(clips[0].path)]

    def used(min_sharpness: float) -> tuple[set[str], PlanReport]:
        gate = PrepareSettings(min_sharpness=min_sharpness, sharpness_share=0.5)
        plan, report = prepare_plan(clips, [named_schedule("camera_shake")], tmp_path / "cache", settings=gate)
        return {names[start] for start in plan.column("start")}, report

    kept, report = used(least)
    assert kept == set(names) - {"blurred.png"}
    assert (report.clips[0].faces, report.clips[0].blurred, report.clips[0].windows) == (4, 1, 4)
    assert report.lines()[-1] == "too blurred to be ground truth: 1 of 5 faces"
    kept, report = used(0.0)
    assert kept == set(names) and not any("too blurred" in line for line in report.lines())
    with pytest.raises(PrepareError, match="no sharp face"):
        used(1e9)


def tsv_line(person: str, image: np.ndarray, columns: int) -> bytes:
    data = base64.b64encode(cv2.imencode(".jpg", image)[1].tobytes())
    return b"\t".join([person.encode(), b"0", b"http://a/b", b"http://a", b"FaceId-0", b"AAAA"][: columns - 1] + [data])


@pytest.mark.parametrize("columns", [6, 7])
def test_ms_celeb_reads_photos_inside_the_tsv(tmp_path, columns, monkeypatch):
    monkeypatch.setattr(ms_celeb, "has_dlib", lambda: True)
    root = tmp_path / "msceleb"
    root.mkdir()
    images = [photo(n, 60 + n) for n in range(30)]
    lines = [tsv_line(f"m.{n // 2:03}", image, columns) for n, image in enumerate(images)]
    (root / "FaceImageCroppedWithAlignment.tsv").write_bytes(b"\n".join(lines) + b"\n")
    clips = find_clips(settings(root, tmp_path, "ms_celeb", val_fraction=0.4))
    assert {clip.split for clip in clips} == {"train", "val"}
    monkeypatch.setattr(ms_celeb, "_lines", None)  # the second listing does not read the file again
    assert find_clips(settings(root, tmp_path, "ms_celeb", val_fraction=0.4)) == clips
    shapes = []
    for clip in clips:
        with open_source(clip.path) as source:
            for frame in source.frames():
                original = images[frame.shape[0] - 60]
                assert np.abs(frame[..., ::-1].astype(int) - original).mean() < 12  # JPEG
                shapes.append(frame.shape[0])
    assert sorted(shapes) == list(range(60, 90))


def test_ms_celeb_skips_counts_and_names_broken_lines(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(ms_celeb, "has_dlib", lambda: True)
    images = [photo(n, 60 + n) for n in range(4)]
    lines = [tsv_line(f"m.{n}", image, 7) for n, image in enumerate(images)]
    lines[2:2] = [b"", lines[0][:-1], b"m.9\t0\thttp://cut", b"\t" + lines[0].split(b"\t", 1)[1]]
    (tmp_path / "x.tsv").write_bytes(b"\r\n".join(lines) + b"\n\n")
    caplog.set_level(logging.WARNING)
    clips = find_clips(settings(tmp_path, tmp_path, "ms_celeb", val_fraction=0.0))
    with open_source(clips[0].path) as source:
        assert [frame.shape[0] for frame in source.frames()] == [60, 61, 62, 63]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'x.tsv'}: skipped 5 of 9 lines; the first is line 3: blank"
    ]


def test_ms_celeb_names_a_file_without_a_good_line(tmp_path, monkeypatch):
    monkeypatch.setattr(ms_celeb, "has_dlib", lambda: True)
    (tmp_path / "x.tsv").write_bytes(b"m.1\t0\n")
    with pytest.raises(CorpusError, match="x.tsv: line 1: 2 columns; expected"):
        find_clips(settings(tmp_path, tmp_path, "ms_celeb"))


@pytest.mark.parametrize("kind", ["stills", "ms_celeb"])
def test_a_wrong_folder_is_told_with_the_layout(tmp_path, kind):
    for root in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(CorpusError, match=f"{kind} expects <"):
            find_clips(settings(root, tmp_path, kind))
