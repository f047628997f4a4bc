"""Files told apart by content, and how little that costs a process that asks again and again."""

from __future__ import annotations

import os

import pytest

from facedeblur.video import fingerprint as files
from facedeblur.video.fingerprint import SAMPLE_BYTES, check_content, fingerprint
from facedeblur.video.source import VideoError


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


@pytest.fixture
def sampled(monkeypatch):
    """Paths whose content was read."""
    seen: list[str] = []
    monkeypatch.setattr(files, "_digest", lambda path, digest=files._digest: seen.append(str(path)) or digest(path))
    return seen


def replace(path, place: int) -> None:
    """One other byte, the same size and time of change."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xaa")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("place", [0, SAMPLE_BYTES - 1, -1])
def test_another_file_of_the_same_size_and_time_is_noticed(video, place):
    expected = fingerprint(video)
    check_content(video, expected)
    replace(video, place % video.stat().st_size)
    with pytest.raises(VideoError, match=r"a\.mp4: is not the file that its windows were planned from"):
        check_content(video, expected)


def test_a_file_is_sampled_once_until_it_is_touched(video, sampled):
    expected = fingerprint(video)
    for _ in range(3):
        check_content(video, expected)
    assert len(sampled) == 2
    os.utime(video, (1, 1))
    check_content(video, expected)
    check_content(video, expected)
    assert len(sampled) == 3


def test_an_image_in_a_folder_is_noticed(tmp_path):
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(b"image")
    expected = fingerprint(tmp_path)
    check_content(tmp_path, expected)
    (tmp_path / "2.png").write_bytes(b"another image")
    with pytest.raises(VideoError, match="planned from"):
        check_content(tmp_path, expected)


def test_an_emptied_file_says_so(video):
    expected = fingerprint(video)
    video.write_bytes(b"")
    with pytest.raises(VideoError, match="empty file"):
        check_content(video, expected)


def test_nothing_is_asked_of_what_is_gone_or_unknown(video, sampled):
    check_content(video, "")
    check_content(video.with_name("gone.mp4"), "0" * 24)
    assert not sampled
