"""Photos that move as faces in videos did, against affine maps written out and against the landmarks themselves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facedeblur.blur.photo_motion import MotionSettings, motion_blur
from facedeblur.blur.recorded_motion import Recording, content_of, recorded_path, recording

LENGTH = 40


@pytest.fixture(scope="module")
def face(rendered_face):
    return rendered_face(1, 128)


def following(points: np.ndarray, maps) -> np.ndarray:
    """Landmarks of a video of 300 pixels a face, moved by maps of (frame) -> (2, 3)."""
    centre = points.mean(0)
    about = (points - centre) * 300 / np.ptp(points, axis=0).max()
    return np.stack([about @ m[:, :2].T + m[:, 2] for m in map(maps, range(LENGTH))])


def turning(frame: int) -> np.ndarray:
    angle = 0.01 * (frame - 20)
    return np.array([[np.cos(angle), -np.sin(angle), 4.0 * frame], [np.sin(angle), np.cos(angle), 1.5 * frame]])


def displaced(path, points):
    """What a path makes of landmarks: (frames, 68, 2) pixels, read bilinearly from its fields."""
    amounts, fields = path
    at = points.astype(np.float32)[None]
    read = np.stack([[cv2.remap(plane, at[..., 0], at[..., 1], cv2.INTER_LINEAR)[0] for plane in f] for f in fields])
    return np.einsum("fa,aip->fpi", amounts, read)


@pytest.mark.parametrize("seed", range(6))
def test_a_head_that_turns_moves_every_pixel_by_the_same_affine_map(face, seed):
    """All directions, mirrored and reversed ones too: the field is affine, and that of a turn of at most its angle."""
    _, points = face
    found = Recording.of([following(points, turning)])
    amounts, fields = recorded_path(np.random.default_rng(seed), found, (128, 128), points, 15, camera=True)
    whole = np.einsum("fa,aihw->fihw", amounts, fields)
    y, x = np.mgrid[:128, :128]
    basis = np.stack([x.ravel(), y.ravel(), np.ones(128 * 128)], 1)
    for frame in (0, 3, 14):
        fitted, *_ = np.linalg.lstsq(basis, whole[frame].reshape(2, -1).T, rcond=None)
        assert np.abs(basis @ fitted - whole[frame].reshape(2, -1).T).max() < 1e-2
    assert not amounts[7].any() or np.abs(whole[7]).max() < 1e-4, "the middle frame is the photo"
    assert 0.5 < np.abs(whole[[0, 14]]).max() < 0.16 * 128 * 1.6


@pytest.mark.parametrize("seed", range(6))
def test_the_landmarks_of_the_photo_go_where_those_of_the_video_went(face, seed):
    _, points = face
    rng = np.random.default_rng(7)
    speaking = following(points, turning)
    speaking[:, 48:] += 12 * np.sin(np.arange(LENGTH) / 4)[:, None, None] * [0, 1]  # the mouth alone, down and up
    found = Recording.of([speaking + rng.normal(0, 0.3, speaking.shape)])
    _, moved = found.draw(np.random.default_rng(seed), 15)
    path = recorded_path(np.random.default_rng(seed), found, (128, 128), points, 15, camera=True)
    wanted, got = moved * np.ptp(points, axis=0).max(), displaced(path, points)
    assert np.abs(wanted).max() > 2
    assert np.abs(got - wanted).mean() < 0.15 * np.abs(wanted).mean()


def test_a_head_moves_before_a_background_that_stays(face):
    image, points = face
    small = (points - points.mean(0)) * 0.4 + points.mean(0)
    found = Recording.of([following(points, turning)])
    amounts, fields = recorded_path(np.random.default_rng(0), found, (128, 128), small, 15, camera=False)
    whole = np.abs(np.einsum("fa,aihw->fihw", amounts, fields))
    assert whole[:, :, :20, :20].max() < 1e-3 < 0.3 < whole[0, :, 50:78, 50:78].max()


def test_windows_are_drawn_where_a_face_moves(face):
    _, points = face
    still = following(points, lambda frame: np.eye(2, 3))
    found = Recording.of([still, following(points, turning)])
    moved = [np.abs(found.draw(np.random.default_rng(seed), 15)[1]).max() > 1e-3 for seed in range(60)]
    assert np.mean(moved) > 0.8


def test_the_average_is_that_of_settings_with_the_file(face, tmp_path):
    image, points = face
    file = tmp_path / "motion.npz"
    Recording.of([following(points, turning)]).write(file)
    settings = MotionSettings(recorded=str(file), camera=1.0)
    assert settings.content == content_of(str(file))
    blurry = motion_blur(image, points, 3, settings)
    assert blurry.shape == image.shape and np.abs(blurry - image).mean() > 1
    np.testing.assert_array_equal(blurry, motion_blur(image, points, 3, settings))
    assert not np.array_equal(blurry, motion_blur(image, points, 4, settings))
    still = tmp_path / "still.npz"
    Recording.of([following(points, lambda frame: np.eye(2, 3))]).write(still)
    np.testing.assert_allclose(motion_blur(image, points, 3, MotionSettings(recorded=str(still))), image, atol=1e-2)


def test_what_is_no_recording_is_named(face, tmp_path):
    _, points = face
    with pytest.raises(ValueError, match=r"recorded: .*nothing.npz: no recorded motion .*facedeblur motion"):
        MotionSettings(recorded=str(tmp_path / "nothing.npz"))
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(ValueError, match="text.npz: no recorded motion"):
        MotionSettings(recorded=str(tmp_path / "text.npz"))
    Recording.of([following(points, turning)]).write(tmp_path / "damaged.npz")
    content = (tmp_path / "damaged.npz").read_bytes()
    (tmp_path / "damaged.npz").write_bytes(content[:200] + bytes(400) + content[600:])
    with pytest.raises(ValueError, match="damaged.npz: no recorded motion"):
        MotionSettings(recorded=str(tmp_path / "damaged.npz"))
    with pytest.raises(ValueError, match="tracked over 7 frames"):
        Recording.of([following(points, turning)[:6]])
    file = tmp_path / "motion.npz"
    Recording.of([following(points, turning)]).write(file)
    with pytest.raises(ValueError, match="motion.npz: recorded motion has changed"):
        recording(str(file), "of another file")


@pytest.mark.parametrize("rows", [[0, 5], [0, 34, 40], [3, 40], [0, 30], [0, 30, 20, 40], [0.0, 40.0], 40, []])
def test_runs_that_hold_no_window_are_refused_before_training(face, tmp_path, rows):
    file = tmp_path / "motion.npz"
    landmarks = following(face[1], turning)[:5] if rows == [0, 5] else following(face[1], turning)
    np.savez(file, landmarks=landmarks.astype(np.float32), rows=np.array(rows))
    with pytest.raises(ValueError, match="motion.npz: no recorded motion .its rows do not part it into runs of 7"):
        MotionSettings(recorded=str(file))
