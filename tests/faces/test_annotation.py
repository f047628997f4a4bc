"""Landmarks as corpora write them down: one format is as good as another."""

from __future__ import annotations

import numpy as np
import pytest

from facedeblur.faces.annotation import Annotation, annotation_of, menpo_frames
from facedeblur.faces.pts import write_pts
from facedeblur.video.source import VideoError

LANDMARKS = np.random.default_rng(0).uniform(1, 90, (4, 68, 2)).astype(np.float32)
LANDMARKS[2] = np.nan


@pytest.fixture
def formats(tmp_path):
    """The same four frames, the third without a face, in the three formats."""
    np.savez(tmp_path / "clip.npz", landmarks=LANDMARKS)
    for frame in (0, 1, 3):
        (tmp_path / "annot").mkdir(exist_ok=True)
        write_pts(tmp_path / "annot" / f"{frame + 1:06}.pts", LANDMARKS[frame])
    lines = ["frame:0\tn_frames:4\tn_landmarks:68"]
    for frame in (3, 0, 1):
        lines.append(f"{frame}::x\t" + ", ".join(f"{y}, {x}" for x, y in LANDMARKS[frame].tolist()))
    lines.append("2::x\t" + ", ".join(["0"] * 136))
    (tmp_path / "clip.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize("name", ("clip.npz", "annot", "clip.txt"))
def test_every_format_gives_the_same_frames(formats, name):
    annotation = Annotation(str(formats / name))
    np.testing.assert_allclose(annotation.read(), LANDMARKS, atol=1e-3)
    np.testing.assert_allclose(annotation.read(frames=6)[:4], LANDMARKS, atol=1e-3)
    assert np.isnan(annotation.read(frames=6)[4:]).all()  # missing rows have no face
    ignored = Annotation(str(formats / name), ignored=(1, 99))
    assert np.isnan(ignored.read()[1]).all() and ignored.fingerprint() != annotation.fingerprint()


def test_an_annotation_of_a_longer_video_is_refused_but_for_a_clip_that_was_cut_short(tmp_path, caplog):
    np.savez(tmp_path / "clip.npz", landmarks=np.repeat(LANDMARKS, 5, axis=0))
    annotation = annotation_of(tmp_path / "clip.mp4")
    with pytest.raises(VideoError, match="annotation has 20 frames, the video 8"):
        annotation.read(8, lambda: 8)
    assert annotation.read(8, lambda: 20).shape == (8, 68, 2) and "cut short" in caplog.text
    assert annotation.read(16).shape == (16, 68, 2)  # a few surplus rows are dropped


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:200] + bytes(400) + b[600:]])
def test_a_damaged_npz_is_named(tmp_path, damage):
    file = tmp_path / "clip.npz"
    np.savez_compressed(file, landmarks=LANDMARKS)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(VideoError, match=r"clip.npz.*without a readable array 'landmarks'"):
        Annotation(str(file)).read()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "line 1: expected n_frames"),
        ("n_frames:1\tn_landmarks:49", "49 points a frame, 68 are wanted"),
        ("n_frames:1\tn_landmarks:68\n0::x\t1, 2, 3", "line 2: expected <frame>"),
        ("n_frames:1\tn_landmarks:68\n1::x\t" + ", ".join(["1"] * 136), "line 2: frame 1 of 1"),
    ],
)
def test_what_is_wrong_in_a_text_is_named_by_its_line(tmp_path, text, message):
    (tmp_path / "clip.txt").write_text(text)
    with pytest.raises(VideoError, match=message):
        Annotation(str(tmp_path / "clip.txt")).read()


def test_a_text_says_how_many_frames_its_clip_has(formats):
    assert menpo_frames(formats / "clip.txt") == 4
