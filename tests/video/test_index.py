from __future__ import annotations

import json
import shutil

import pytest

from facedeblur.processes import Failure
from facedeblur.video import index as index_module
from facedeblur.video.fingerprint import fingerprint
from facedeblur.video.index import index_videos
from facedeblur.video.open import has_decord, open_source

REASONS = {
    "empty": "empty file",
    "text": "not a video",
    "headless": "not a video",
    "audio": "no video stream",
    "one_frame": "one frame only",
    "missing": "file not found",
}


def test_sound_and_bad_files_in_order(make_clip, make_damaged, tmp_path):
    good = make_clip("good.mp4", count=20, height=48, width=64)
    paths = [good, *(make_damaged(kind) for kind in REASONS), make_clip("last.mp4", count=9)]
    seen = []
    infos = index_videos(paths, tmp_path / "cache", jobs=2, progress=lambda *told: seen.append(told))
    assert [info.path for info in infos] == [str(path) for path in paths]

    first = infos[0]
    assert (first.frames, first.width, first.height, first.fps, first.error) == (20, 64, 48, 25.0, None)
    assert first.backend == ("decord" if has_decord() else "pyav")
    assert (infos[-1].frames, infos[-1].error) == (9, None)
    for info, reason in zip(infos[1:-1], REASONS.values(), strict=True):
        assert info.error.startswith(reason), info
    assert [done for done, _, _ in seen] == list(range(1, 9)) and {total for _, total, _ in seen} == {8}


def test_a_truncated_video_keeps_its_decodable_frames(make_damaged, tmp_path):
    path = make_damaged("half")
    (info,) = index_videos([path], tmp_path / "cache")
    assert info.error is None and 10 < info.frames < 60
    with open_source(path, info.backend) as source:
        assert len(list(source.frames(0, info.frames))) == info.frames


def test_a_second_call_decodes_nothing(make_clip, make_damaged, tmp_path, monkeypatch):
    paths = [make_clip(), make_damaged("text")]
    first = index_videos(paths, tmp_path / "cache")
    moved = tmp_path / "elsewhere.mp4"
    shutil.copy(paths[0], moved)

    def forbidden(work, tasks, *args):
        assert not tasks
        return iter(())

    monkeypatch.setattr(index_module, "run_limited", forbidden)
    seen = []
    again = index_videos([*paths, moved], tmp_path / "cache", progress=lambda *told: seen.append(told))
    assert again[:2] == first
    assert (again[2].path, again[2].frames, again[2].fingerprint) == (str(moved), 40, first[0].fingerprint)
    assert seen[-1][:2] == (3, 3)


def test_a_changed_file_or_damaged_cache_is_indexed_anew(make_clip, tmp_path):
    cache = tmp_path / "cache"
    assert index_videos([make_clip(count=5)], cache)[0].frames == 5
    assert index_videos([make_clip(count=7)], cache)[0].frames == 7
    for file in (cache / "index").iterdir():
        file.write_text("{")
    assert index_videos([make_clip(count=7)], cache)[0].frames == 7


def test_an_index_made_with_decord_serves_a_machine_without(make_clip, tmp_path, monkeypatch):
    path = make_clip(count=5)
    index_videos([path], tmp_path / "cache")
    monkeypatch.setattr(index_module, "has_decord", lambda: False)
    assert index_videos([path], tmp_path / "cache")[0].backend == "pyav"


SLEEPING_DECORD = """
import time
class DECORDError(Exception): pass
class DECORDLimitReachedError(Exception): pass
class logging:
    QUIET = 0
    set_level = staticmethod(lambda level: None)
def cpu(number): pass
class VideoReader:
    def __init__(self, *args, **kwargs): time.sleep(600)
"""
SLEEPING_AV = "import time\nclass FFmpegError(Exception): pass\ndef open(path, **options): time.sleep(600)\n"


@pytest.fixture
def fake_package(tmp_path, monkeypatch):
    """Put a package of this source in front of the real one, for child processes."""

    def fake(name: str, text: str) -> None:
        folder = tmp_path / "fakes" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder.parent))

    return fake


def test_where_decord_hangs_pyav_reads(make_clip, tmp_path, fake_package):
    path = make_clip(count=6)
    fake_package("decord", SLEEPING_DECORD)
    (info,) = index_videos([path], tmp_path / "cache", timeout=1.0)
    assert (info.frames, info.backend, info.error) == (6, "pyav", None)


def test_a_file_that_hangs_every_decoder_is_named_and_the_rest_goes_on(make_clip, make_damaged, tmp_path, fake_package):
    bad, empty = make_clip(count=6), make_damaged("empty")
    fake_package("av", SLEEPING_AV)
    infos = index_videos([bad, empty], tmp_path / "cache", timeout=0.7)
    assert [info.error for info in infos] == ["decoder hung for 1 s", "empty file"]
    assert index_videos([bad], tmp_path / "cache", timeout=0.7)[0].error == "decoder hung for 1 s"


def test_more_patience_tries_a_hanging_file_again(make_clip, tmp_path):
    path = make_clip(count=6)
    file = tmp_path / "cache" / "index" / f"{fingerprint(path)}.json"
    index_videos([path], tmp_path / "cache", timeout=30)
    entry = json.loads(file.read_text()) | {"frames": 0, "error": "decoder hung for 30 s"}
    file.write_text(json.dumps(entry))
    assert index_videos([path], tmp_path / "cache", timeout=30)[0].error == "decoder hung for 30 s"
    assert index_videos([path], tmp_path / "cache", timeout=30, retry=True)[0].frames == 6
    file.write_text(json.dumps(entry))
    assert index_videos([path], tmp_path / "cache", timeout=60)[0].frames == 6


def test_what_the_system_refused_is_not_remembered(make_clip, tmp_path, monkeypatch):
    path = make_clip(count=6)
    refused = Failure("OSError: [Errno 5] Input/output error")
    monkeypatch.setattr(index_module, "run_limited", lambda work, tasks, *rest: enumerate([refused] * len(tasks)))
    assert "Errno 5" in index_videos([path], tmp_path / "cache")[0].error
    monkeypatch.undo()
    assert index_videos([path], tmp_path / "cache")[0].frames == 6


def test_large_files_get_more_time(tmp_path):
    file = tmp_path / "large.mp4"
    file.touch()
    assert index_module._limit(str(file), 60.0) == 60.0
    with file.open("r+b") as stream:
        stream.truncate(10_000_000)
    assert index_module._limit(str(file), 60.0) == pytest.approx(80.0)


def test_fingerprint_sees_size_head_and_tail(tmp_path):
    file = tmp_path / "a.bin"
    prints = set()
    for content in (b"", b"a" * 10, b"a" * 11, b"b" + b"a" * 300_000, b"a" * 300_000 + b"b", b"a" * 300_001):
        file.write_bytes(content)
        prints.add(fingerprint(file))
    assert len(prints) == 6
    assert fingerprint(tmp_path / "none") == ""
