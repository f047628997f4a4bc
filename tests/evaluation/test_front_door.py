"""Whole frames through the front door, beside what the methods make of the crops."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from facedeblur.evaluation.frames import blurred_frames
from facedeblur.evaluation.front_door import FrontDoor, front_doors, through
from facedeblur.evaluation.rows import read_rows
from facedeblur.evaluation.runner import Evaluation
from facedeblur.evaluation.settings import evaluation_settings
from facedeblur.faces.crop import CropBox, crop, resize
from facedeblur.methods import Method
from facedeblur.models.deblurrer import Blurred
from facedeblur.video.open import open_source

METHOD = """
class Negative:
    image_size = 128
    def __call__(self, images):
        return 1 - images
"""


class Door:
    """Stands for `FaceDeblurrer`: needs no detector, and notes what it was given."""

    made: list = []

    def __init__(self, deblurrer, size, name):
        self.size, self.name, self.frames = size, name, []
        Door.made.append(self)

    def __call__(self, frame):
        self.frames.append(frame)
        return 255 - frame


@pytest.fixture
def door(monkeypatch):
    monkeypatch.setattr(Door, "made", [])
    monkeypatch.setattr("facedeblur.evaluation.front_door.FaceDeblurrer", Door)
    return Door


def images_of(folder, row):
    return cv2.imread(str(folder / row["image"])).astype(int)


def test_frames_go_in_and_their_crops_are_scored(plain, door, tmp_path):
    (tmp_path / "methods.py").write_text(METHOD)
    settings = evaluation_settings(plain(f"method={tmp_path}/methods.py:Negative", "front_door=true"))
    Evaluation(settings).run()
    rows = read_rows(settings.folder).to_pylist()
    assert {row["method"] for row in rows} == {
        "blurred", "oracle", "Negative", "blurred (front door)", "Negative (front door)",
    }  # fmt: skip
    [made] = door.made
    assert made.size == 128 and made.name == "Negative" and {frame.shape for frame in made.frames} == {(128, 128, 3)}
    windows = {}
    for row in rows:
        windows.setdefault((row["video"], row["frame"]), {})[row["method"]] = row
    assert len(windows) == 12 == len(made.frames)
    for window in windows.values():
        blurred, frame, negative = (
            images_of(settings.folder, window[name])
            for name in ("blurred", "blurred (front door)", "Negative (front door)")
        )
        # the mean of the frames is rounded before it is reduced, and not only after
        assert np.abs(frame - blurred).max() <= 1 and np.abs(negative - (255 - frame)).max() <= 1
        assert window["blurred (front door)"]["psnr"] == pytest.approx(window["blurred"]["psnr"], abs=0.1)
        assert window["Negative (front door)"]["seconds"] >= 0
    methods = json.loads((settings.folder / "protocol.json").read_text())["methods"]
    assert methods["Negative (front door)"]["of"]["kind"] == "file"


def evaluation_of(plain, *words):
    evaluation = Evaluation(evaluation_settings(plain(*words)))
    return evaluation.tests, evaluation.tests.blurs[0]


def test_frames_are_averaged_in_any_order_even_where_windows_share_them(plain):
    tests, blur = evaluation_of(plain, "blur=pravg")
    rows = list(range(len(blur.plan)))[::-1]
    found = dict(blurred_frames(blur, rows))
    assert sorted(found) == rows[::-1]
    for row in (0, len(rows) // 2, len(rows) - 1):
        window = blur.plan[row].window
        with open_source(window.video) as source:
            frames = np.stack(list(source.frames(window.start, window.start + window.length)))
        assert np.array_equal(found[row], np.rint(frames.mean(axis=0)))


def test_a_frames_kernel_is_in_proportion_to_its_face(plain):
    """The frame's crop, reduced, is the reduced crop under the kernel of its size, but for its border."""
    tests, blur = evaluation_of(plain, "blur=trajectory")
    pairs = {pair.row: pair for pair in tests.pairs(blur, range(len(blur.plan)), 128)}
    errors, changes = [], []
    for row, frame in blurred_frames(blur, range(len(blur.plan))):
        seen = resize(crop(frame, blur.plan[row].crop), 128).astype(int)[24:-24, 24:-24]
        pair = pairs[row]
        errors.append(np.abs(seen - pair.blurry[24:-24, 24:-24]).mean())
        changes.append(np.abs(pair.sharp.astype(int) - pair.blurry)[24:-24, 24:-24].mean())
    assert np.mean(errors) < 0.25 * np.mean(changes) and max(errors) < 2


def test_an_error_is_flagged_and_the_others_go_on(plain, door, monkeypatch, capsys):
    tests, blur = evaluation_of(plain)
    doors = front_doors(
        [Method("blurred", Blurred()), Method("mine", Blurred()), Method("oracle", Blurred(), sharp=True)], 64
    )
    assert [method.name for method in doors] == ["blurred (front door)", "mine (front door)"]
    assert isinstance(doors[1], FrontDoor) and doors[0].door is None and doors[1].door.size == 64

    def fail(frame):
        raise RuntimeError("lost")

    monkeypatch.setattr(Door, "__call__", lambda self, frame: fail(frame))
    found = through(doors, blur, [3, 1], 128)
    assert [image.flags for image in found["mine (front door)"]] == [{"error"}] * 2
    assert not found["mine (front door)"][0].image.any() and found["blurred (front door)"][0].usable
    assert "mine (front door): RuntimeError: lost" in capsys.readouterr().err
    [[_, frame]] = blurred_frames(blur, [3])
    box = CropBox(*blur.plan[3].crop)
    assert np.array_equal(found["blurred (front door)"][0].image, resize(crop(frame, box), 128))
