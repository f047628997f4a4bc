from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facedeblur.data.demo.head import MODES, Pose, depth_at, turn_rigidly
from facedeblur.data.demo.portrait import texture_grid
from facedeblur.data.demo.warp import STEP


def pose(yaw=0.0, pitch=0.0, roll=0.0, **modes):
    return Pose(yaw, pitch, roll, tuple(modes.get(name, 0.0) for name in MODES))


def points(person, at):
    return person.head.points(person.head.displacement(at))


def test_rotation_agrees_with_scipy():
    at = pose(0.3, -0.2, 0.1)
    truth = Rotation.from_euler("ZYX", [0.1, 0.3, 0.2]).as_matrix()  # pitch downwards is a negative turn about x
    np.testing.assert_allclose(at.rotation(), truth, atol=1e-6)


def test_head_at_rest_does_not_move(person):
    assert np.abs(person.head.displacement(pose())).max() < 1e-3
    np.testing.assert_allclose(points(person, pose()), person.texture.landmarks, atol=1e-3)


def test_nose_stands_out_and_turns_most(person):
    rest = person.texture.landmarks
    right = points(person, pose(yaw=0.25)) - rest
    assert right[30, 0] > right[27, 0] > right[[0, 16], 0].max()
    down = points(person, pose(pitch=0.2)) - rest
    assert down[30, 1] > down[[0, 16], 1].max()


def test_face_turns_as_a_rigid_body_in_three_dimensions(person):
    """Without expressions the landmarks are a rotation about the neck of points with one depth each."""
    head = person.head
    nodes = np.round((person.texture.landmarks - head.grid[0, 0]) / np.ptp(head.grid[:2, 0, 1])).astype(int)
    at = pose(0.2, 0.1, -0.15)
    displacement = head.displacement(at)
    for column, row in nodes[27:68]:
        native, depth = head.grid[row, column], head.depth[row, column]
        expected = turn_rigidly(at, depth) @ [*native, 1]
        np.testing.assert_allclose(native + displacement[row, column], expected, atol=1e-2)


def test_shoulders_stay(person):
    grid = person.head.grid
    shoulders = grid[..., 1] > 240
    assert np.abs(person.head.displacement(pose(0.3, 0.2, 0.3)))[shoulders].max() < 1e-3


def test_depth_never_folds():
    from facedeblur.data.demo.portrait import LANDMARKS

    depth = depth_at(texture_grid(STEP), LANDMARKS)
    slope = np.abs(np.gradient(depth, 2.0)).max()
    assert slope * np.tan(np.radians(25)) < 1


@pytest.mark.parametrize("eye", [slice(36, 42), slice(42, 48)])
def test_blinking_closes_the_eye(person, eye):
    openness = [np.ptp(points(person, pose(blink=weight))[eye][[1, 2, 4, 5], 1]) for weight in (0.0, 0.5, 1.0)]
    assert openness[0] > openness[1] > openness[2]
    assert openness[2] < 0.55 * openness[0]


def test_speech_opens_closes_and_rounds_the_lips(person):
    rest = points(person, pose())

    def gap(at):
        return points(person, at)[66, 1] - points(person, at)[62, 1]

    assert gap(pose(jaw=1.0)) > gap(pose()) + 5
    assert 0 <= gap(pose(close=1.0)) < 0.5 * gap(pose())
    wide = np.ptp(points(person, pose(round=-0.5))[48:60, 0])
    assert wide > np.ptp(rest[48:60, 0]) > np.ptp(points(person, pose(round=1.0))[48:60, 0])
    assert points(person, pose(jaw=1.0))[8, 1] > rest[8, 1] + 4
    assert points(person, pose(brows=1.0))[19, 1] < rest[19, 1] - 2
