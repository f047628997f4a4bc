from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from facedeblur.errors import UsageError
from facedeblur.inference.jobs import check_writable, find_inputs, stdin_as_file, with_targets


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.png", "c.mp4", "d.avi", "notes.txt", ".hidden.jpg", "more/e.jpg"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def targets(inputs, out):
    return [str(job.target) for job in with_targets(find_inputs(inputs), out)]


def test_a_folder_gives_its_own_pictures_and_videos(folder):
    jobs = find_inputs(["in"])
    assert [(job.name, job.video) for job in jobs] == [
        ("in/a.jpg", False), ("in/b.png", False), ("in/c.mp4", True), ("in/d.avi", True)
    ]  # fmt: skip
    assert targets(["in"], "out") == ["out/a.png", "out/b.png", "out/c.mp4", "out/d.mkv"]


def test_patterns_and_repeated_inputs(folder):
    assert [job.name for job in find_inputs(["in/*.jpg", "in/a.jpg", "in/**/*.jpg"])] == ["in/a.jpg", "in/more/e.jpg"]


def test_equal_stems_keep_their_suffixes(folder):
    Path("in/a.webp").write_bytes(b"x")
    assert targets(["in/a.jpg", "in/a.webp", "in/b.png"], "out") == ["out/a.jpg.png", "out/a.webp.png", "out/b.png"]


def test_one_input_may_name_its_output(folder):
    assert targets(["in/a.jpg"], "some/where.webp") == ["some/where.webp"]
    assert targets(["in/c.mp4"], "c2.mkv") == ["c2.mkv"]
    Path("dotted.dir").mkdir()
    assert targets(["in/a.jpg"], "dotted.dir") == ["dotted.dir/a.png"]
    assert with_targets(find_inputs(["in/a.jpg"]), "-")[0].target is None


def test_files_without_a_telling_suffix_are_looked_into(folder):
    Image.new("RGB", (4, 4)).save("picture", "PNG")
    assert [job.video for job in find_inputs(["picture", "in/notes.txt"])] == [False, True]


@pytest.mark.parametrize(
    ("inputs", "out", "says"),
    [
        (["nowhere.jpg"], "out", "nowhere.jpg: no such file, folder or pattern"),
        (["in/*.bmp"], "out", "no such file"),
        (["empty"], "out", "no pictures or videos"),
        (["in/a.jpg", "in/b.png"], "x.png", "one file for 2 inputs"),
        (["in/a.jpg"], "x.heic", "cannot be written as .heic"),
        (["in/a.jpg"], "x.mp4", "is a picture; name an output .png"),
        (["in/c.mp4"], "x.png", "is a video; name an output .mp4"),
        (["in/c.mp4"], "-", "standard output"),
        (["in/a.jpg"], "in/a.jpg", "is an input"),
        (["in/b.png"], "in", "is an input"),
        (["in/a.jpg", "more/a.jpg"], "out", "result of several inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder, inputs, out, says):
    Path("empty").mkdir()
    Path("more").mkdir()
    Path("more/a.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match=says):
        with_targets(find_inputs(inputs), out)


def test_results_that_exist_are_kept_or_overwritten_on_demand(folder):
    jobs = with_targets(find_inputs(["in"]), "out")
    assert check_writable(jobs, False, False) == jobs and Path("out").is_dir()
    Path("out/a.png").write_bytes(b"kept")
    with pytest.raises(UsageError, match="out/a.png: exists; --force"):
        check_writable(jobs, False, False)
    assert check_writable(jobs, False, True) == jobs[1:]
    assert check_writable(jobs, True, False) == jobs


@pytest.mark.parametrize("out", ["/proc/nowhere", "a-file/out"])
def test_folders_that_cannot_be_written_to(folder, out):
    Path("a-file").write_bytes(b"x")
    with pytest.raises(UsageError, match="cannot be written to"):
        check_writable(with_targets(find_inputs(["in/a.jpg"]), out), False, False)


def test_standard_input_becomes_a_file(folder, monkeypatch):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "JPEG")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(buffer.getvalue())))
    with stdin_as_file(["-"]) as inputs:
        [job] = with_targets(find_inputs(inputs), "out")
        assert (job.name, job.video, str(job.target)) == ("-", False, "out/stdin.png")
        assert job.source.read_bytes() == buffer.getvalue()
    assert not job.source.exists()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(UsageError, match="empty"), stdin_as_file(["-"]):
        pass
