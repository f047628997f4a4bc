from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from facedeblur.errors import UsageError
from facedeblur.files import write_atomic
from facedeblur.inference.jobs import check_writable, find_inputs, stdin_as_file, with_targets
from facedeblur.inference.kinds import VIDEO, kind_of_file
from facedeblur.video.write import write_video


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


def test_what_a_folder_holds_is_told_by_content_before_name(folder):
    """Under new, foreign and missing suffixes; what is neither is named."""
    image = Image.new("RGB", (8, 8))
    for name, kind in (("1.jfif", "JPEG"), ("2.avif", "AVIF"), ("3", "PNG"), ("4.dat", "WEBP"), ("5.mp4", "AVIF")):
        image.save(folder / "in" / name, kind)
    write_video(folder / "in/6.3gp", [np.zeros((16, 16, 3), np.uint8)])
    (folder / "in/6.3gp").rename(folder / "in/6.jpg")  # a film under a picture's name
    (folder / "in/7.3gp").write_bytes(b"x")
    left_out = []
    found = {Path(job.name).name: job.video for job in find_inputs(["in"], left_out.append)}
    assert found == {
        "1.jfif": False, "2.avif": False, "3": False, "4.dat": False, "5.mp4": False, "6.jpg": True, "7.3gp": True,
        "a.jpg": False, "b.png": False, "c.mp4": True, "d.avi": True,
    }  # fmt: skip
    assert [file.name for file in left_out] == ["notes.txt"]


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "3gp", "mxf"])
def test_every_container_is_a_video_under_any_name(tmp_path, container):
    path = tmp_path / "no suffix"
    with av.open(str(path), "w", format=container) as film:
        codec = {"mpeg": "mpeg2video", "mxf": "mpeg2video", "asf": "mpeg4", "flv": "flv"}.get(container, "libx264")
        stream = film.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * i, np.uint8), "rgb24")
            film.mux(stream.encode(frame.reformat(format="yuv420p")))
        film.mux(stream.encode())
    assert kind_of_file(path) == VIDEO


@pytest.mark.parametrize("suffix", [".jpeg", ".mp4"])
def test_names_as_long_as_the_file_system_takes(folder, suffix):
    longest = "a" * (255 - len(suffix)) + suffix
    Path("in", longest).write_bytes(b"x")
    [job] = check_writable(with_targets(find_inputs([f"in/{longest}"]), "out"), False, False)
    write_atomic(job.target, b"done")
    assert job.target.read_bytes() == b"done" and len(list(Path("out").iterdir())) == 1
    Path("in", "ä" * 125 + ".avi").write_bytes(b"x")  # 254 bytes
    [job] = check_writable(with_targets(find_inputs(["in/ä*.avi"]), "out"), False, False)
    write_atomic(job.target, b"done")
    for name in ("b" * 251 + ".mp4", "b" * 251 + ".mov"):
        Path("in", name).write_bytes(b"x")
    with pytest.raises(UsageError, match="bbb.*more than 255 bytes"):  # as their stems are the same: b.mp4.mp4
        check_writable(with_targets(find_inputs(["in/b*.m*"]), "out"), False, False)


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
