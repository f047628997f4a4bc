from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

import facedeblur
from facedeblur.data.demo import DemoSettings, render_demo

ROOT = Path(facedeblur.__file__).parent.parent
SMALL = DemoSettings(identities=2, val_identities=1, clips_per_identity=2, frames=6, size=128)


@pytest.fixture(scope="module")
def small_corpus(tmp_path_factory):
    return render_demo(tmp_path_factory.mktemp("small"), SMALL)


def decode(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def contents(folder):
    """Decoded frames, landmarks and description of each clip, by its path in the folder."""
    return {
        str(path.relative_to(folder)): (decode(path), np.load(path.with_suffix(".npz"))["landmarks"],
                                        path.with_suffix(".json").read_text())
        for path in sorted(folder.rglob("*.mp4"))
    }  # fmt: skip


def same(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) and a[2] == b[2]
        for a, b in zip(first.values(), second.values(), strict=True)
    )


def test_layout(tiny_corpus, tiny_settings):
    assert tiny_corpus.name == tiny_settings.folder
    clips = sorted(tiny_corpus.glob("*/*/*.mp4"))
    people = tiny_settings.identities + tiny_settings.val_identities
    assert len(clips) == people * tiny_settings.clips_per_identity
    for clip in clips:
        description = json.loads(clip.with_suffix(".json").read_text())
        assert description["identity"] == clip.parent.name
        assert description["corpus"] == clip.stem[-1] in "AB"
        assert description["fps"] == tiny_settings.fps
        assert {"seed", "attributes"} <= description.keys()
        frames, landmarks = decode(clip), np.load(clip.with_suffix(".npz"))["landmarks"]
        assert frames.shape == (tiny_settings.frames, tiny_settings.size, tiny_settings.size, 3)
        assert landmarks.shape == (tiny_settings.frames, 68, 2) and landmarks.dtype == np.float32
        assert landmarks.min() > 0 and landmarks.max() < tiny_settings.size - 1
    assert not [path for path in tiny_corpus.rglob("*") if path.name.startswith(".")]


def test_people_of_the_two_splits_are_different(tiny_corpus):
    train, val = ({path.name for path in (tiny_corpus / split).iterdir()} for split in ("train", "val"))
    assert train and val and not train & val


def test_description_of_the_corpus(tiny_corpus, tiny_settings):
    content = json.loads((tiny_corpus / "corpus.json").read_text())
    assert DemoSettings(**content["settings"]) == tiny_settings
    assert content["frames"] == sum(len(np.load(path)["landmarks"]) for path in tiny_corpus.rglob("*.npz"))


def test_same_frames_from_any_number_of_jobs(small_corpus, tmp_path):
    calls = []
    shared = render_demo(tmp_path, SMALL, jobs=2, progress=lambda *call: calls.append(call))
    assert same(contents(small_corpus), contents(shared))
    assert [done for done, _, _ in calls] == [2, 4, 6] and {total for _, total, _ in calls} == {6}
    assert {name for _, _, name in calls} == {"id000", "id001", "id002"}


def test_another_seed_gives_other_people(small_corpus, tmp_path):
    other = render_demo(tmp_path, replace(SMALL, identities=1, val_identities=0, seed=1))
    assert other.name != small_corpus.name
    clip = "train/id000/id000_00A.mp4"
    assert not np.array_equal(decode(other / clip), decode(small_corpus / clip))


def test_a_complete_corpus_is_not_touched_again(small_corpus):
    before = {path: path.stat().st_mtime_ns for path in small_corpus.rglob("*")}
    again = render_demo(small_corpus.parent, SMALL, progress=lambda *_: pytest.fail("rendered again"))
    assert again == small_corpus
    assert before == {path: path.stat().st_mtime_ns for path in small_corpus.rglob("*")}


def test_a_killed_run_is_completed(small_corpus, tmp_path):
    """Kill the renderer once its first person is there; the next call keeps what is done and adds the rest."""
    code = (
        "import os, signal; from facedeblur.data.demo import DemoSettings, render_demo\n"
        f"render_demo({str(tmp_path)!r}, {SMALL!r}, progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == -9
    folder = tmp_path / SMALL.folder
    done = {path: path.stat().st_mtime_ns for path in folder.rglob("*.mp4")}
    assert len(done) == 2 and not (folder / "corpus.json").exists()
    # and, as if killed a little later: a video without its description, which is written last
    orphan = folder / "train/id000/id000_01B.mp4"
    orphan.write_bytes(b"half a video")
    orphan.with_suffix(".json").unlink()

    assert render_demo(tmp_path, SMALL) == folder
    kept = folder / "train/id000/id000_00A.mp4"
    assert kept.stat().st_mtime_ns == done[kept]
    assert same(contents(folder), contents(small_corpus))


def test_an_error_in_a_worker_is_raised(tmp_path):
    target = tmp_path / SMALL.folder
    target.mkdir()
    (target / "train").write_text("in the way")
    with pytest.raises(OSError):
        render_demo(tmp_path, SMALL, jobs=2)


def test_rendering_needs_no_torch():
    code = "import sys, facedeblur.data.demo; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
