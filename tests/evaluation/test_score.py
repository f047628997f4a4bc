"""Two folders of images made by any program get the metrics of an evaluation."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from facedeblur.errors import UsageError
from facedeblur.evaluation.image_folders import images_in, score
from facedeblur.evaluation.rows import read_rows
from facedeblur.evaluation.score import main
from facedeblur.evaluation.settings import JudgeSettings
from facedeblur.faces.pts import write_pts
from facedeblur.report.rows import read_rows as report_rows
from facedeblur.report.summary import summarise

RNG = np.random.default_rng(0)
POINTS = RNG.random((68, 2)) * 50 + [60, 40]  # the face lies in a corner of a larger photo


@pytest.fixture
def settings(judges_file):
    return JudgeSettings(f"{judges_file}:Localizer", "dlib", f"{judges_file}:Embedder", box="truth")


@pytest.fixture
def folders(tmp_path):
    """Four photos of 180 x 150; the second restored one is smaller, the third is missing, of the fourth the suffix
    differs."""
    for number in range(4):
        sharp = cv2.resize(RNG.integers(0, 256, (15, 18, 3), np.uint8), (180, 150), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(sharp + RNG.normal(0, 8, sharp.shape), 0, 255).astype(np.uint8)
        for folder in ("sharp/ann", "restored/ann"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / f"sharp/ann/{number}.png"), sharp)
        write_pts(tmp_path / f"sharp/ann/{number}.pts", POINTS)
        if number != 2:
            small = cv2.resize(noisy, (90, 75)) if number == 1 else noisy
            cv2.imwrite(str(tmp_path / f"restored/ann/{number}.{'bmp' if number == 3 else 'png'}"), small)
    cv2.imwrite(str(tmp_path / "restored/other.png"), noisy)
    return tmp_path / "restored", tmp_path / "sharp"


def test_two_files_of_one_name_are_refused(tmp_path):
    for name in ("a/1.png", "a/1.jpg", "a/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=r"1.png: 1.jpg has the same name"):
        images_in(tmp_path)
    (tmp_path / "a" / "1.jpg").unlink()
    assert sorted(images_in(tmp_path)) == ["a/1", "a/2"]


def test_rows_of_two_folders(folders, settings, capsys):
    restored, sharp = folders
    rows = score({"theirs": restored, "oracle": sharp}, sharp, settings)
    theirs = [row for row in rows if row.method == "theirs"]
    assert [row.video for row in theirs] == [f"ann/{n}" for n in range(4)] and theirs[0].identity == "ann"
    assert [row.flags for row in theirs] == ["", "size_mismatch", "no_face,error", ""]
    for number, suffix in ((0, "png"), (3, "bmp")):
        a, b = (cv2.imread(str(f)) for f in (sharp / f"ann/{number}.png", restored / f"ann/{number}.{suffix}"))
        assert theirs[number].psnr == pytest.approx(peak_signal_noise_ratio(a, b), abs=1e-3)
    assert theirs[2].landmark_error == np.inf and theirs[2].identity_cosine is None
    np.testing.assert_allclose(np.reshape(theirs[0].truth, (68, 2)), POINTS, atol=1e-3)
    found = np.reshape(theirs[0].landmarks, (68, 2))  # back in pixels of the photo
    assert (np.abs(found - POINTS.mean(axis=0)) < 60).all()
    oracle = [row for row in rows if row.method == "oracle"]
    assert all(row.psnr == 60 and row.identity_cosine == pytest.approx(1) for row in oracle)
    assert "other has no partner" in capsys.readouterr().err


def test_the_command_writes_an_evaluation_folder(folders, settings, tmp_path, capsys):
    restored, sharp = folders
    words = [str(restored), str(sharp), "--out", str(tmp_path / "out"), "--name", "theirs", "--jobs", "0"]
    judges = ["--localizer", settings.localizer, "--embedder", settings.embedder, "--box", "truth"]
    assert main([*words, *judges, "--blurred", str(restored)]) == 0
    out, err = capsys.readouterr()
    assert "theirs" in out and "oracle" in out and "blurred" in out and "ann/2: no_face,error" in err
    rows = read_rows(tmp_path / "out").to_pylist()
    assert len(rows) == 12
    for row in rows:
        missing = row["video"] == "ann/2" and row["method"] != "oracle"
        assert (row["image"] is None) == missing
        assert missing or (tmp_path / "out" / row["image"]).is_file()


@pytest.fixture
def command(folders, settings, tmp_path):
    """`command(restored, ...)` scores a folder against the sharp one with quick judges, in this process."""
    judges = ["--localizer", settings.localizer, "--embedder", settings.embedder, "--box", "truth", "--jobs", "0"]
    return lambda restored, *words: main([str(restored), str(folders[1]), *judges, *map(str, words)])


def test_names_of_rows_that_come_with_the_table_are_refused(folders, command, tmp_path):
    restored, _ = folders
    for name in ("oracle", "blurred", "Blurred"):
        (tmp_path / "of" / name).mkdir(parents=True)
    with pytest.raises(UsageError, match="oracle is the name of a row that comes with the table; choose --name"):
        command(restored, "--name", "oracle")
    for folder in ("of/oracle", "of/blurred", "of/Blurred"):
        with pytest.raises(UsageError, match="choose --name"):
            command(tmp_path / folder, "--blurred", restored)


def test_an_evaluation_of_something_else_is_not_overwritten(folders, command, tmp_path):
    restored, sharp = folders
    out, other = tmp_path / "out", tmp_path / "other"
    shutil.copytree(restored, other)
    assert command(restored, "--out", out) == 0
    before = read_rows(out).to_pylist()
    for words, message in (
        (["--align", "judge"], r"another judge \(align\), truth, now judge"),
        (["--name", "restored"], "holds restored of .*restored; choose --name"),
    ):
        with pytest.raises(UsageError, match=message):
            command(other, "--out", out, *words)
    with pytest.raises(UsageError, match="another sharp folder"):
        main([str(other), str(restored), "--out", str(out)])
    assert read_rows(out).to_pylist() == before
    assert command(other, "--out", out) == 0 and command(restored, "--out", out) == 0
    protocol = json.loads((out / "protocol.json").read_text())
    assert set(protocol["methods"]) == {"restored", "other", "oracle"} and len(read_rows(out)) == 12
    (out / "protocol.json").write_text(json.dumps(protocol | {"corpus": {"name": "x", "kind": "demo"}}))
    with pytest.raises(UsageError, match="another kind of corpus, demo"):
        command(restored, "--out", out)
    (out / "protocol.json").unlink()
    with pytest.raises(UsageError, match="holds something else"):
        command(restored, "--out", out)


def test_images_in_no_folder_of_a_person_are_no_people(folders, command, tmp_path, capsys):
    restored, sharp = folders
    assert command(restored, "--out", tmp_path / "people") == 0
    assert "no interval" not in capsys.readouterr().err
    people = report_rows([tmp_path / "people"])
    assert people.group_kind() == "people" and set(people.groups()) == {"sharp/ann"}
    assert main([str(restored / "ann"), str(sharp / "ann"), "--name", "flat", "--out", str(tmp_path / "flat"),
                 "--embedder", "none", "--box", "truth", "--jobs", "0",
                 "--localizer", people.sources[0].protocol["judges"]["localizer"]]) == 0  # fmt: skip
    assert "no interval is given" in capsys.readouterr().err
    flat = report_rows([tmp_path / "flat"])
    assert set(flat["identity"].tolist()) == {""} and flat.group_kind() == "folders"
    summary = summarise(flat, "flat", "given")
    assert summary.images == 4 and summary.groups == 1 and np.isnan(summary.intervals["ssim"].low)


def test_fewer_than_no_processes_are_refused(folders):
    with pytest.raises(UsageError, match="--jobs: 0 or more"):
        main([*map(str, folders), "--jobs", "-1"])


def test_a_photo_without_a_face_is_kept_without_truth(folders, settings, monkeypatch):
    restored, sharp = folders

    class Nothing:
        def detect(self, image):
            return []

    monkeypatch.setattr("facedeblur.faces.judges.detector", Nothing)
    (sharp / "ann/0.pts").unlink()
    row = score({"theirs": restored}, sharp, settings)[0]
    assert row.flags == "no_truth" and row.landmark_error is None and row.truth is None and row.psnr > 20


def test_folders_that_do_not_belong_together_are_refused(folders, settings, tmp_path):
    restored, sharp = folders
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: holds no image"):
        score({"theirs": tmp_path / "empty"}, sharp, settings)
    with pytest.raises(UsageError, match="no image has a partner"):
        score({"theirs": sharp / "ann"}, sharp, settings)
    with pytest.raises(UsageError, match="nowhere: no such folder"):
        score({"theirs": tmp_path / "nowhere"}, sharp, settings)
