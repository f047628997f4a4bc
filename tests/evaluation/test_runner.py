"""Whole evaluations on a tiny corpus: the contract of the rows, resumption, and what methods do wrong."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from facedeblur.errors import UsageError
from facedeblur.evaluation.rows import SCHEMA, read_rows
from facedeblur.evaluation.runner import Evaluation
from facedeblur.evaluation.settings import evaluation_settings
from facedeblur.faces.pts import write_pts
from facedeblur.metrics.landmarks import normalised_error
from facedeblur.video.write import write_video

METHODS = """
import torch

class Brighter:
    def __call__(self, images):
        return images + 0.1

class Tracked(torch.nn.Conv2d):
    tracked = []
    def __init__(self):
        super().__init__(3, 3, 1)
    def forward(self, images):
        output = super().forward(images)
        Tracked.tracked.append(output.requires_grad)
        return output

class Wrong:
    "takes one image at a time: the first is NaN, the second smaller, the third an error"
    calls = 0
    def __call__(self, images):
        if len(images) > 1:
            raise ValueError("one at a time")
        Wrong.calls += 1
        if Wrong.calls == 2:  # the first call warms up
            return images * float("nan")
        if Wrong.calls == 3:
            return images[..., ::2, ::2]
        if Wrong.calls == 4:
            raise RuntimeError("lost")
        return images
"""


def run(plain):
    evaluation = Evaluation(evaluation_settings(plain))
    evaluation.run()
    return evaluation.folder, read_rows(evaluation.folder).to_pylist()


@pytest.fixture
def methods_file(tmp_path):
    file = tmp_path / "methods.py"
    file.write_text(METHODS)
    return file


def test_rows_keep_the_contract(plain, methods_file):
    folder, rows = run(plain("blur=pravg7,pravg15", f"method={methods_file}:Brighter"))
    assert read_rows(folder).schema.equals(SCHEMA)
    assert {row["method"] for row in rows} == {"blurred", "oracle", "Brighter"}
    assert {row["blur"]: row["L"] for row in rows} == {"pravg7": 7, "pravg15": 15}
    # two people of one clip of 45 frames each: 6 windows of 7 and 3 of 15 that do not overlap
    assert len(rows) == 3 * 2 * (6 + 3)
    by_window = {}
    for row in rows:
        by_window.setdefault((row["blur"], row["video"], row["frame"]), {})[row["method"]] = row
    targets = sorted(frame for blur, video, frame in by_window if blur == "pravg7" and "id001" in video)
    assert targets == [3, 10, 17, 24, 31, 38]
    for (blur, _, _), window in by_window.items():
        assert window["oracle"]["psnr"] == 60 and window["oracle"]["ssim"] == pytest.approx(1)
        assert window["oracle"]["identity_cosine"] == pytest.approx(1)
        assert 10 < window["blurred"]["psnr"] < 60 and window["blurred"]["identity_cosine"] < 1
        for row in window.values():
            assert row["flags"] == "" and row["seconds"] >= 0 and row["corpus"] == "demo" and row["category"] == "A"
            landmarks, truth = (np.reshape(row[name], (68, 2)) for name in ("landmarks", "truth"))
            assert row["landmark_error"] == pytest.approx(normalised_error(landmarks, truth), abs=1e-5)
            image = cv2.imread(str(folder / row["image"]))
            assert image.shape == (128, 128, 3) and row["image"].startswith(f"images/{blur}/demo/")
            reference = cv2.imread(str(folder / window["oracle"]["image"]))
            error = np.mean((image / 255.0 - reference / 255.0) ** 2)  # the file is what was scored
            assert row["psnr"] == pytest.approx(60 if error == 0 else -10 * np.log10(error), abs=1e-3)
        assert window["oracle"]["image"].endswith("/sharp.png")
        assert all(0 < x < 128 for x in window["oracle"]["truth"])
    protocol = json.loads((folder / "protocol.json").read_text())
    assert protocol["image_size"] == 128 and protocol["blurs"]["pravg15"]["windows"] == 6
    assert protocol["corpus"]["truth"] == "annotated landmarks" and protocol["methods"]["Brighter"]["kind"] == "file"
    assert json.loads((folder / "status.json").read_text())["state"] == "done"


def test_a_run_that_was_cut_off_goes_on_and_gives_the_same_rows(plain, monkeypatch):
    whole, expected = run(plain("name=whole", "shard=4"))
    settings = evaluation_settings(plain("name=cut", "shard=4"))
    evaluation, finish, finished = Evaluation(settings), Evaluation._finish, []

    def cut(self, *arguments):
        if len(finished) == 2:
            raise KeyboardInterrupt
        finished.append(1)
        return finish(self, *arguments)

    monkeypatch.setattr(Evaluation, "_finish", cut)
    with pytest.raises(KeyboardInterrupt):
        evaluation.run()
    assert json.loads((settings.folder / "status.json").read_text())["state"] == "interrupted"
    monkeypatch.undo()
    kept = {file: file.stat().st_mtime_ns for file in (settings.folder / "rows").iterdir()}
    assert 0 < len(kept) < len(list((whole / "rows").iterdir()))
    _, rows = run(plain("name=cut", "shard=4"))
    assert all(file.stat().st_mtime_ns == stamp for file, stamp in kept.items())
    for row in (*rows, *expected):
        row.pop("seconds")
    assert rows == expected


@pytest.fixture
def two_videos(tmp_path):
    """300VW of two test videos of 30 frames; the words that say so."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8), (0, 0), 2)
    points = np.random.default_rng(0).random((68, 2)) * 40 + 30
    for number in ("114", "203"):
        write_video(tmp_path / number / "vid.avi", [np.ascontiguousarray(noise[:, n : n + 120]) for n in range(30)])
        for frame in range(1, 31):
            write_pts(tmp_path / number / "annot" / f"{frame:06}.pts", points)
    return "data=vw300", f"data.root={tmp_path}", f"data.cache={tmp_path / 'cache'}", "shard=3"


def test_windows_that_could_not_be_read_are_tried_again(plain, two_videos, tmp_path, capsys):
    def rows_of(folder):
        return [{k: v for k, v in row.items() if k != "seconds"} for row in read_rows(folder).to_pylist()]

    def lost(evaluation):
        return json.loads((evaluation.folder / "status.json").read_text())["lost_windows"]

    whole, _ = run(plain("name=whole", *two_videos))
    video = tmp_path / "114/vid.avi"
    content = video.read_bytes()
    evaluation = Evaluation(evaluation_settings(plain("name=broken", *two_videos)))
    video.write_bytes(b"gone")
    evaluation.run()
    assert lost(evaluation) == 4 and 0 < len(rows_of(evaluation.folder)) < len(rows_of(whole))
    assert "window(s) of" in capsys.readouterr().err
    video.write_bytes(content)
    # another call that has nothing to do with it does not forget
    other = Evaluation(evaluation_settings(plain("name=broken", "blur=pravg9", *two_videos)))
    other.run()
    assert lost(other) == 4
    for file in (other.folder / "rows").glob("pravg9*"):
        file.unlink()
    again = Evaluation(evaluation_settings(plain("name=broken", *two_videos)))
    assert 0 < sum(bool(shard.files) for shard in again.shards()) < len(list(again.shards()))
    again.run()
    assert lost(again) == 0 and rows_of(again.folder) == rows_of(whole)
    assert not any(shard.files for shard in again.shards())


def test_flags_of_earlier_calls_stay_in_the_status(plain, methods_file):
    folder, _ = run(plain("images=3", f"method={methods_file}:Wrong"))
    before = json.loads((folder / "status.json").read_text())["flags"]
    assert before["Wrong"]["nan"] == 1 and before["blurred"] == {}
    run(plain("images=3", f"method={methods_file}:Brighter"))
    assert json.loads((folder / "status.json").read_text())["flags"] == before | {"Brighter": {}}


def test_a_method_that_comes_later_adds_its_rows_alone(plain, methods_file, monkeypatch):
    folder, before = run(plain())
    evaluation = Evaluation(evaluation_settings(plain(f"method={methods_file}:Brighter")))
    assert all(set(shard.files) == {"Brighter"} for shard in evaluation.shards())
    evaluation.run()
    rows = read_rows(folder).to_pylist()
    assert len(rows) == len(before) * 3 // 2 and all(row in rows for row in before)
    assert list(json.loads((folder / "protocol.json").read_text())["methods"]) == ["blurred", "oracle", "Brighter"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("judge.align=judge", "another judges.*align: 'truth', now 'judge'"),
        ("size=256", "another image_size"),
        ("shard=3", "another shard"),
    ],
)
def test_rows_of_another_protocol_are_not_mixed_in(plain, change, message):
    run(plain("images=2"))
    with pytest.raises(UsageError, match=f"{message}.*another name="):
        Evaluation(evaluation_settings(plain("images=2", change)))


def test_a_judge_that_changed_is_another_judge(plain, judges_file, tmp_path):
    file = tmp_path / "judge.py"
    file.write_text(judges_file.read_text())
    run(plain("images=2", localizer=f"{file}:Localizer"))
    file.write_text(judges_file.read_text().replace("std() / 50", "std() / 40"))
    with pytest.raises(UsageError, match="another judges.*files"):
        Evaluation(evaluation_settings(plain("images=2", localizer=f"{file}:Localizer")))


def test_another_method_of_the_same_name_is_not_mixed_in(plain, methods_file):
    run(plain("images=2", f"method={methods_file}:Brighter"))
    methods_file.write_text(METHODS.replace("0.1", "0.2"))
    with pytest.raises(UsageError, match="rows of another Brighter"):
        Evaluation(evaluation_settings(plain("images=2", f"method={methods_file}:Brighter")))
    _, rows = run(plain("images=2", f"method=more={methods_file}:Brighter"))
    assert {row["method"] for row in rows} == {"blurred", "oracle", "Brighter", "more"}


def test_methods_that_would_share_files_are_refused(plain):
    with pytest.raises(UsageError, match="a-b and A-B would share their files"):
        Evaluation(evaluation_settings(plain("images=2", "method=a-b=blurred,A-B=blurred")))


def test_windows_of_several_lengths_have_images_of_their_own(plain):
    folder, rows = run(plain("blur=pravg"))
    images = {(row["video"], row["frame"], row["L"]): row["image"] for row in rows if row["method"] == "blurred"}
    assert len({key[:2] for key in images}) < len(images)  # two lengths share a target frame
    assert len(set(images.values())) == len(images) and all((folder / image).is_file() for image in images.values())


def test_what_a_method_does_wrong_is_flagged_and_counted(plain, methods_file):
    _, rows = run(plain(f"method={methods_file}:Wrong"))
    wrong = [row for row in rows if row["method"] == "Wrong"]
    assert len(wrong) == 12  # none is left out
    assert [row["flags"] for row in wrong[:4]] == ["no_face,nan", "size_mismatch", "no_face,error", ""]
    for row in (wrong[0], wrong[2]):  # counts as black, and as a failure
        assert row["landmark_error"] == np.inf and row["landmarks"] is None and row["embedding"] is None
        assert row["identity_cosine"] is None and row["psnr"] < 15
    assert np.isfinite(wrong[1]["landmark_error"]) and wrong[1]["psnr"] < 50
    blurred = [row for row in rows if row["method"] == "blurred"]
    assert wrong[3]["psnr"] == blurred[3]["psnr"]


def test_no_method_tracks_gradients(plain, methods_file):
    evaluation = Evaluation(evaluation_settings(plain("images=2", f"method={methods_file}:Tracked")))
    evaluation.run()
    tracked = type(evaluation.methods[-1].deblurrer).tracked
    assert tracked and not any(tracked)


def test_worker_processes_restore_and_judge_as_the_main_process_does(plain):
    _, here = run(plain("name=here", "images=3", "method=l0"))
    _, there = run(plain("name=there", "images=3", "method=l0", "jobs=1"))
    assert {row["method"] for row in here} == {"blurred", "oracle", "l0"}
    for row in (*here, *there):
        row.pop("seconds")
    assert here == there


def test_slow_methods_are_written_one_by_one(plain, monkeypatch):
    plain_words = ("images=2", "method=l0,again=l0")
    evaluation, start = Evaluation(evaluation_settings(plain(*plain_words))), Evaluation._start

    def cut(self, shard, methods, *arguments):
        if methods[0].name == "again":
            raise KeyboardInterrupt
        return start(self, shard, methods, *arguments)

    monkeypatch.setattr(Evaluation, "_start", cut)
    with pytest.raises(KeyboardInterrupt):
        evaluation.run()
    monkeypatch.undo()
    rest = Evaluation(evaluation_settings(plain(*plain_words)))
    assert [set(shard.files) for shard in rest.shards()] == [{"again"}]
    rest.run()
    rows = read_rows(rest.folder).to_pylist()
    assert {row["method"] for row in rows} == {"blurred", "oracle", "l0", "again"} and len(rows) == 8
    assert len({row["psnr"] for row in rows if row["method"] in ("l0", "again")}) == 2  # one a window
    assert json.loads((rest.folder / "protocol.json").read_text())["methods"]["l0"]["fingerprint"].startswith("l0-")
