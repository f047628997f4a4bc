"""Pairs of files that were made elsewhere: listed, planned, read and scored as any other corpus is."""

from __future__ import annotations

import os
import shutil

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import facedeblur
from facedeblur.blur.quality import psnr, ssim
from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import CorpusSettings, find_clips
from facedeblur.data.corpora.clip import CorpusError
from facedeblur.data.pairs.pair import describe, read_pair
from facedeblur.data.prepare.job import PrepareError, check_blurs
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.errors import UsageError
from facedeblur.faces.crop import crop, crop_box, resize
from facedeblur.faces.pts import write_pts
from facedeblur.video.album import read_album
from facedeblur.video.write import write_video

from ..conftest import moving_frames
from .test_stills import POINTS, photo

GIVEN = named_schedule("given")
ANY_SHARPNESS = PrepareSettings(min_sharpness=0, sharpness_share=0)
BOX = crop_box(POINTS)


def write_pair(sharp, blurry, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture and another one as its partner, in files with landmarks; both RGB."""
    images = photo(seed, 90 + 10 * (seed % 3)), photo(100 + seed, 90 + 10 * (seed % 3))
    for file, image in zip((sharp, blurry), images, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), image)
    write_pts(sharp.with_suffix(".pts"), POINTS)
    return tuple(image[..., ::-1] for image in images)


@pytest.fixture
def folder(tmp_path):
    """sharp/ and blurry/ of four people, one of them with two pictures; and what is in the files."""
    root, images = tmp_path / "mine", {}
    for seed, name in enumerate(("ann/1", "ann/2", "bob/1", "cid/1", "dan")):
        images[name] = write_pair(root / f"sharp/{name}.png", root / f"blurry/{name}.png", seed)
    return root, images


def settings(root, tmp_path, **values):
    return CorpusSettings("pairs", str(root), cache=str(tmp_path / "cache"), **values)


def stills_of(clips, split):
    return [still for clip in clips if clip.split == split for still in read_album(clip.path)]


def test_both_pictures_are_cut_alike_and_neither_is_touched(folder, tmp_path):
    root, images = folder
    clips = find_clips(settings(root, tmp_path, val_fraction=0.0))
    plan, report = prepare_plan(clips, [GIVEN], tmp_path / "cache", settings=ANY_SHARPNESS)
    assert len(plan) == 5 and not report.skipped
    names = [os.path.relpath(still.image, root / "sharp").removesuffix(".png") for still in stills_of(clips, "train")]
    for row in range(5):
        sharp, blurry = images[names[plan[row].window.start]]
        pair = read_pair(describe(plan[row], row, 32, {"given": GIVEN}))
        for made, original in ((pair.sharp, sharp), (pair.blurry, blurry)):
            assert np.abs(made.astype(int) - resize(crop(original, BOX), 32)).max() <= 1
        grey = [resize(crop(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), BOX), 256) for image in (blurry, sharp)]
        assert plan[row].psnr == pytest.approx(psnr(*grey), abs=1e-4)
        assert plan.column("ssim")[row] == pytest.approx(ssim(*grey), abs=1e-4)


def test_gopro_as_it_is_published(tmp_path):
    for split, sequence in (("train", "GOPR1"), ("train", "GOPR2"), ("test", "GOPR3")):
        place = tmp_path / split / sequence
        write_pair(place / "sharp/000001.png", place / "blur/000001.png", 1)
        shutil.copytree(place / "blur", place / "blur_gamma")
    clips = find_clips(settings(tmp_path, tmp_path))
    found = {split: stills_of(clips, split) for split in ("train", "val", "test")}
    assert {split: len(stills) for split, stills in found.items()} == {"train": 1, "val": 1, "test": 1}
    assert found["test"][0].blurry == str(tmp_path / "test/GOPR3/blur/000001.png")
    held = find_clips(settings(tmp_path, tmp_path, val_root=str(tmp_path / "test")))
    assert [len(stills_of(held, split)) for split in ("train", "val", "test")] == [2, 1, 1]


def test_people_are_held_out_and_a_changed_partner_is_another_album(folder, tmp_path):
    root, _ = folder
    clips = find_clips(settings(root, tmp_path, val_fraction=0.5))
    assert find_clips(settings(root, tmp_path, val_fraction=0.5)) == clips
    people = {
        split: {os.path.relpath(s.image, root / "sharp").split("/")[0] for s in stills_of(clips, split)}
        for split in ("train", "val")
    }
    assert people["train"] and people["val"] and not people["train"] & people["val"]
    os.utime(root / "blurry/bob/1.png", (1, 1))
    assert {clip.path for clip in find_clips(settings(root, tmp_path, val_fraction=0.5))} != {c.path for c in clips}


def test_what_is_wrong_is_told_by_name_and_counted(folder, tmp_path):
    root, _ = folder
    (root / "blurry/ann/2.png").rename(root / "blurry/ann/3.png")
    with pytest.raises(CorpusError, match=r"sharp/ann/2\.png: no partner of this name in .*blurry; 1 of 5 pictures"):
        find_clips(settings(root, tmp_path))
    (root / "blurry/ann/3.png").rename(root / "blurry/ann/2.png")
    (root / "blurry/eve.png").write_bytes(b"x")
    with pytest.raises(CorpusError, match=r"blurry/eve\.png: no partner of this name in .*sharp; 1 of 6 pictures"):
        find_clips(settings(root, tmp_path))
    (root / "blurry/eve.png").unlink()
    cv2.imwrite(str(root / "blurry/bob/1.png"), photo(0, 50, 40))
    with pytest.raises(CorpusError, match=r"bob/1\.png has 100x110 .*, its partner 40x50; 1 of 5 pairs differ"):
        find_clips(settings(root, tmp_path))
    shutil.copy(root / "blurry/bob/1.png", root / "blurry/bob/1.jpg")
    with pytest.raises(UsageError, match=r"bob/1\.png: 1\.jpg has the same name"):
        find_clips(settings(root, tmp_path))
    shutil.rmtree(root / "blurry")
    with pytest.raises(CorpusError, match="no pairs; pairs expects sharp/<name>.png and blurry/"):
        find_clips(settings(root, tmp_path))


def test_a_partner_that_cannot_be_decoded_costs_its_pair_alone(folder, tmp_path):
    root, _ = folder
    (root / "blurry/bob/1.png").write_bytes(b"\x89PNG, but no more")
    clips = find_clips(settings(root, tmp_path, val_fraction=0.0))
    plan, report = prepare_plan(clips, [GIVEN], tmp_path / "cache", settings=ANY_SHARPNESS)
    assert len(plan) == 4 and "blurry picture cannot be decoded" in "\n".join(report.lines())


def test_given_and_averages_are_refused_where_they_cannot_be(folder, tmp_path):
    root, _ = folder
    with pytest.raises(PrepareError, match="pravg7 averages frames, but photos have one; use given"):
        facedeblur.pairs(root, "pravg7", layout="pairs", cache=tmp_path / "cache", jobs=1)
    write_video(tmp_path / "videos" / "ann" / "1.mp4", moving_frames(1))
    with pytest.raises(PrepareError, match="given is the blur of pairs of files alone"):
        facedeblur.pairs(tmp_path / "videos", "given", cache=tmp_path / "cache", jobs=1)


def test_a_mixture_takes_them_beside_photos(folder, tmp_path):
    root, _ = folder
    write_pair(tmp_path / "alone/eve.png", tmp_path / "other/eve.png", 7)
    stills = find_clips(
        CorpusSettings("stills", str(tmp_path / "alone"), cache=str(tmp_path / "cache"), val_fraction=0)
    )
    mixed = [*stills, *find_clips(settings(root, tmp_path, val_fraction=0.0))]
    check_blurs(mixed, [GIVEN, named_schedule("trajectory")])
    with pytest.raises(PrepareError, match="these clips are none"):
        check_blurs(stills, [GIVEN])


def test_the_front_door_gives_them_to_a_plain_loop(folder, tmp_path):
    root, images = folder
    pairs = facedeblur.pairs(root, blur="given", size=64, layout="pairs", cache=tmp_path / "cache", jobs=1)
    ((blurry, sharp, meta),) = DataLoader(pairs, batch_size=5)
    assert blurry.shape == sharp.shape == (5, 3, 64, 64) and set(meta["schedule"]) == {"given"}
    wanted = [torch.from_numpy(resize(crop(b, BOX), 64).copy()).permute(2, 0, 1) / 255 for _, b in images.values()]
    for image in blurry:
        assert min((image - other).abs().max() for other in wanted) <= 1.5 / 255


def test_evaluation_scores_the_given_pictures(folder, tmp_path):
    root, images = folder
    options = {"output": tmp_path / "outputs", "jobs": 0, "cache": tmp_path / "cache", "judge": {"embedder": "none"}}
    scores = facedeblur.evaluate([], root, "given", layout="pairs", front_door=True, **options)
    rows = {(row["method"], row["video"]): row for row in scores.rows.to_pylist()}
    assert {video for _, video in rows} == {f"{name}.png" for name in images}
    assert rows["blurred", "ann/1.png"]["identity"] == "ann" and rows["blurred", "dan.png"]["identity"] == "dan"
    for name, (sharp, blurry) in images.items():
        cut = [cv2.resize(crop(image, BOX), (128, 128), interpolation=cv2.INTER_CUBIC) for image in (sharp, blurry)]
        expected = -10 * np.log10(np.mean((cut[0] / 255.0 - cut[1] / 255.0) ** 2))
        for method in ("blurred", "blurred (front door)"):
            assert rows[method, f"{name}.png"]["psnr"] == pytest.approx(expected, abs=0.1)
