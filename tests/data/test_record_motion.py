"""`facedeblur motion`: from videos and their landmarks to a recording, and what it says of bad input."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facedeblur.blur.recorded_motion import Recording
from facedeblur.data.record_motion import main
from facedeblur.errors import UsageError
from tests.data.conftest import face


@pytest.fixture
def clips(tmp_path):
    """A video of 24 pictures whose face is annotated in all but two of them, and a file that is none."""
    folder = tmp_path / "clips" / "anna"
    folder.mkdir(parents=True)
    writer = cv2.VideoWriter(str(folder / "a.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (96, 96))
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    for _ in range(24):
        writer.write(noise)
    writer.release()
    points = np.stack([face(40 + 0.5 * i, 48, 60) for i in range(24)])
    points[[12, 20]] = np.nan
    np.savez(folder / "a.npz", landmarks=points)
    (folder / "b.mp4").write_bytes(b"no video")
    return tmp_path / "clips", points


def test_runs_of_seven_frames_and_more_are_recorded(clips, tmp_path, capsys):
    folder, points = clips
    assert main([str(folder), "-o", str(tmp_path / "m.npz"), "--cache", str(tmp_path / "cache"), "--jobs", "1"]) == 0
    found = Recording.read(tmp_path / "m.npz")
    np.testing.assert_array_equal(found.rows, [0, 12, 19])  # 12 frames, 7 after the gap; the last 3 are too few
    steps = np.diff(found.landmarks[:12], axis=0)
    np.testing.assert_allclose(steps[..., 0], 0.5 / (60 / 1.6), rtol=1e-3)
    np.testing.assert_allclose(steps[..., 1], 0, atol=1e-5)
    said = capsys.readouterr().err
    assert "b.mp4" in said and "19 frames of 2 runs" in said and "1 of 2 videos left out" in said


def test_nothing_to_record_is_one_line(clips, tmp_path):
    folder, _ = clips
    with pytest.raises(UsageError, match="nowhere: no such file or folder"):
        main(["nowhere", "-o", str(tmp_path / "m.npz")])
    (folder / "anna" / "a.mp4").unlink()
    flags = ["-o", str(tmp_path / "m.npz"), "--cache", str(tmp_path / "cache"), "--jobs", "1"]
    with pytest.raises(UsageError, match="no face is tracked over 7 frames"):
        main([str(folder), *flags])
    (folder / "anna" / "b.mp4").unlink()
    with pytest.raises(UsageError, match="clips: no videos"):
        main([str(folder), *flags])
    assert not (tmp_path / "m.npz").exists()
