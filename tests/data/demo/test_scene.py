from __future__ import annotations

import copy
from dataclasses import replace

import cv2
import numpy as np
import pytest

from facedeblur.data.demo.head import MODES, Pose
from facedeblur.data.demo.motion import STYLES, Shot, draw_trajectory
from facedeblur.data.demo.portrait import to_texture
from facedeblur.data.demo.scene import Scene


def shot(yaw=0.0, pitch=0.0, roll=0.0, shift=(0.0, 0.0), camera=(0.0, 0.0), tilt=0.0, zoom=1.0, **modes):
    return Shot(Pose(yaw, pitch, roll, tuple(modes.get(name, 0.0) for name in MODES)), shift, camera, tilt, zoom)


POSES = [
    shot(),
    shot(yaw=0.28, pitch=-0.1, shift=(0.05, -0.03)),
    shot(yaw=-0.28, roll=0.2, tilt=0.05, zoom=1.1),
    shot(pitch=0.16, camera=(0.02, 0.03), zoom=0.9),
    shot(jaw=1.0, round=0.5, yaw=0.1),
    shot(close=1.0, blink=0.7, brows=1.0),
]


@pytest.mark.parametrize("at", POSES)
@pytest.mark.parametrize("landmark", [0, 8, 12, 19, 30, 36, 45, 48, 57])
def test_landmarks_are_where_the_picture_shows_them(person, at, landmark):
    """Paint a green dot on the texture at one landmark and find it again in the picture."""
    marked = copy.copy(person)
    rgba = person.texture.rgba.copy()
    x, y = np.round(to_texture(person.texture.landmarks[landmark]) * 16).astype(int).tolist()
    cv2.circle(rgba, (x, y), 2 * 16, (0, 255, 0, 255), -1, cv2.LINE_AA, 4)
    marked.texture = replace(person.texture, rgba=rgba, openings=np.zeros_like(person.texture.openings))
    plain = copy.copy(person)
    plain.texture = replace(person.texture, openings=np.zeros_like(person.texture.openings))
    image, landmarks = Scene(marked, "A", 256, (0,)).draw(at)
    change = np.abs(image.astype(float) - Scene(plain, "A", 256, (0,)).draw(at)[0]).sum(-1)
    rows, columns = np.mgrid[:256, :256]
    found = np.array([(columns * change).sum(), (rows * change).sum()]) / change.sum()
    assert np.linalg.norm(found - landmarks[landmark]) < 0.8


@pytest.mark.parametrize("corpus", ["A", "B"])
def test_optical_flow_agrees_with_the_landmarks(person, corpus):
    scene = Scene(person, corpus, 256, (0,))
    frames = [scene.draw(at) for at in draw_trajectory(STYLES[corpus], 24, 25.0, (4,))]
    errors = []
    for (before, old), (after, new) in zip(frames, frames[1:], strict=False):
        gray = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (before, after)]
        corners = old[[27, 30, 31, 35, 36, 39, 42, 45, 48, 54]]
        flow, found, _ = cv2.calcOpticalFlowPyrLK(*gray, corners[:, None], None, winSize=(15, 15), maxLevel=3)
        moved = flow[found.ravel() == 1, 0] - new[[27, 30, 31, 35, 36, 39, 42, 45, 48, 54]][found.ravel() == 1]
        errors.append(np.linalg.norm(moved, axis=1))
    errors = np.concatenate(errors)
    moves = np.linalg.norm(np.diff([landmarks for _, landmarks in frames], axis=0), axis=-1)
    assert moves.mean() > 1
    assert np.median(errors) < 0.35


def test_pictures_and_landmarks_have_the_promised_form(person):
    image, landmarks = Scene(person, "B", 160, (0,)).draw(shot())
    assert image.shape == (160, 160, 3) and image.dtype == np.uint8
    assert landmarks.shape == (68, 2) and landmarks.dtype == np.float32
    full = Scene(person, "B", 256, (0,)).draw(shot())[1]
    np.testing.assert_allclose((landmarks + 0.5) / 160, (full + 0.5) / 256, atol=1e-4)


@pytest.mark.parametrize("at", POSES)
def test_no_holes_and_no_tears(person, at):
    """Nothing of the background shows through the face, whatever the pose."""
    scenes = [Scene(person, "A", 256, (0,)) for _ in range(2)]
    scenes[0].plate[:], scenes[1].plate[:] = 0, 255
    (dark, landmarks), (light, _) = (scene.draw(at) for scene in scenes)
    face = np.zeros((256, 256), np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(landmarks.astype(np.int32)), 1)
    face = cv2.erode(face, np.ones((7, 7), np.uint8))
    assert (light[face == 1].astype(int) - dark[face == 1]).max() <= 3
    assert np.median((light[:20].astype(int) - dark[:20])[:, :20]) > 200


def test_closed_eyes_hide_the_iris_and_an_open_mouth_is_dark(person):
    scene = Scene(person, "A", 256, (0,))

    def patch(at, part):
        image, landmarks = scene.draw(at)
        (x0, y0), (x1, y1) = landmarks[part].min(0).astype(int), landmarks[part].max(0).astype(int) + 1
        return image[y0:y1, x0:x1].astype(float)

    assert patch(shot(blink=1.0), slice(36, 42)).max() < patch(shot(), slice(36, 42)).max()
    inner = slice(60, 68)
    height = patch(shot(jaw=1.0), inner).shape[0]
    bottom = patch(shot(jaw=1.0), inner)[height // 2 :]
    assert np.median(bottom) < np.median(patch(shot(), inner)) - 20


def test_camera_moves_background_and_person_alike(person):
    scene = Scene(person, "B", 256, (0,))
    still, moved = scene.draw(shot())[0], scene.draw(shot(camera=(8 / 256, -4 / 256)))[0]
    assert np.abs(moved[4:-12, 12:-4].astype(int) - still[8:-8, 4:-12]).max() <= 2
