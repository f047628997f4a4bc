from __future__ import annotations

import numpy as np
import pytest

from facedeblur.errors import UsageError
from facedeblur.evaluation.real_world import MeasuredFace, face_at, score_video, sharpest
from facedeblur.methods import Method, load_method
from facedeblur.report.rows import read_rows

SIZE = 128


@pytest.fixture(scope="module")
def faces():
    """Five frames of one picture, blurred more and more; the third is frame 30."""
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 256, (SIZE, SIZE, 3)).astype(np.float32)
    points = generator.uniform(30, 100, (68, 2)).astype(np.float32)
    made = []
    for i in range(5):
        blurred = sum(np.roll(picture, shift, axis=1) for shift in range(2 * i + 1)) / (2 * i + 1)
        made.append(MeasuredFace(10 * i + 10, blurred.astype(np.uint8), points))
    return made


@pytest.fixture
def video(tmp_path):
    file = tmp_path / "walk.mp4"
    file.write_bytes(b"not read here")
    return file


def halved(images):
    return images * 0.5


def broken(images):
    return images * float("nan")


def test_rows_say_what_is_known_and_no_more(faces, video, judges_file, tmp_path):
    methods = [load_method("blurred"), load_method("oracle"), Method("halved", halved), Method("broken", broken)]
    folder = tmp_path / "e"
    score_video(video, faces, faces[0], "frame 10", methods, folder, embedder=f"{judges_file}:Embedder")
    rows = read_rows([folder])
    assert sorted(rows.distinct("method")) == ["blurred", "broken", "halved"], "no oracle: nothing is sharp"
    assert rows.where(method="blurred")["frame"].tolist() == [10, 20, 30, 40, 50]
    assert np.isnan(rows["landmark_error"]).all() and np.isnan(rows["psnr"]).all()
    cosines = rows.where(method="blurred")["identity_cosine"]
    assert cosines[0] == pytest.approx(1), "the chosen frame against itself"
    assert set(rows.where(method="blurred")["flags"].tolist()) == {"no_truth"}
    assert set(rows.where(method="broken")["flags"].tolist()) == {"nan,no_truth"}
    assert np.isnan(rows.where(method="broken")["identity_cosine"]).all()
    assert rows.sources[0].protocol["corpus"]["chosen"] == "frame 10" and rows.sources[0].state == "done"
    assert all(rows.image_path(i).is_file() for i in range(len(rows)))


def test_what_is_there_is_kept_until_something_changes(faces, video, judges_file, tmp_path):
    calls = []

    def counted(images):
        calls.append(len(images))
        return images

    def score(sharp):
        method = Method("counted", counted, {"fingerprint": "1"})
        score_video(video, faces, sharp, "?", [method], tmp_path / "e", embedder=f"{judges_file}:Embedder")
        return len(calls)

    first = score(faces[0])
    assert score(faces[0]) == first
    assert score(faces[1]) == 2 * first, "another sharp frame"
    assert len(read_rows([tmp_path / "e"])) == 5, "rows of the other frame are gone"


def test_methods_may_be_called_anything(faces, tmp_path, judges_file):
    """Two runs of one name are called by their paths."""
    video = tmp_path / "a [b].mp4"
    video.write_bytes(b"not read here")
    names = ["outputs/final/a-s0", "outputs/final/b-s0", "[x] (y)"]
    folder = tmp_path / "e"

    def score(sharp, names):
        methods = [Method(name, halved, {"fingerprint": name}) for name in names]
        score_video(video, faces, sharp, "?", methods, folder, embedder=f"{judges_file}:Embedder")
        return read_rows([folder])

    for sharp, asked in ((faces[0], names), (faces[1], names), (faces[1], names[1:])):
        rows = score(sharp, asked)
        assert sorted(rows.distinct("method")) == sorted(asked) and len(rows) == 5 * len(asked)
        assert len(set(rows["image"].tolist())) == len(rows) and all(rows.image_path(i).is_file() for i in range(5))
    with pytest.raises(UsageError, match="would share their files"):
        score(faces[0], ["A", "a"])


def test_the_chosen_frame_is_the_one_that_was_asked_for(faces, video):
    assert face_at(faces, 30, video) is faces[2]
    with pytest.raises(UsageError, match="--sharp 33: no face in that frame of .*walk.mp4; the nearest with one is 30"):
        face_at(faces, 33, video)


def test_the_least_blurred_face_is_chosen(faces):
    assert sharpest(faces[::-1]) is faces[0]


def test_without_an_embedder_there_is_nothing_to_score(faces, video, tmp_path):
    with pytest.raises(UsageError, match="identity is all that can be scored"):
        score_video(video, faces, faces[0], "?", [load_method("blurred")], tmp_path, embedder="none")
