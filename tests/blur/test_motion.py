import numpy as np
import pytest

from facedeblur.blur.motion import FaceMotion, box_iou, part_boxes


@pytest.fixture
def face():
    """68 points (68, 2) of a face 100 px wide and high."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 100, (68, 2))
    points[:2] = [[0, 0], [100, 100]]
    return points.astype(np.float32)


def track(face, offsets):
    return np.stack([face + np.asarray(offset, np.float32) for offset in offsets])


def test_part_boxes_are_tight(face):
    boxes = part_boxes(face[None])[0]
    assert boxes.shape == (4, 4)
    for box, part in zip(boxes, (range(36, 42), range(42, 48), range(27, 36), range(48, 68)), strict=True):
        points = face[list(part)]
        np.testing.assert_array_equal(box, [*points.min(0), *points.max(0)])


def test_box_iou_counts_pixels():
    a, b = np.array([2, 3, 11, 8]), np.array([7, 1, 14, 5])

    def pixels(box):
        return {(x, y) for x in range(box[0], box[2] + 1) for y in range(box[1], box[3] + 1)}

    expected = len(pixels(a) & pixels(b)) / len(pixels(a) | pixels(b))
    assert box_iou(a, b) == pytest.approx(expected)
    assert box_iou(a, a) == 1.0
    assert box_iou(a, a + 100) == 0.0


def first_failure(offsets, face, jump=0.25, back=0.03):
    motion = FaceMotion(track(face, offsets))
    motion.begin(0)
    return next((i for i in range(1, len(offsets)) if motion.fails(i, jump, back)), None)


def test_steady_motion_never_fails(face):
    assert first_failure([(2 * i, i) for i in range(40)], face) is None


def test_a_still_face_with_jitter_never_fails(face):
    jitter = np.random.default_rng(1).normal(0, 0.5, (50, 68, 2))  # half a percent of the face per coordinate
    motion = FaceMotion(face + jitter)
    motion.begin(0)
    assert not any(motion.fails(i, 0.25, 0.03) for i in range(1, 50))


def test_a_turn_fails_once_the_face_has_come_back_far_enough(face):
    there_and_back = [(i, 0) for i in range(11)] + [(10 - i, 0) for i in range(1, 11)]
    # 3 % of 100 px: frame 13 is exactly 3 px back, frame 14 is beyond
    assert first_failure(there_and_back, face) == 14
    assert first_failure(there_and_back, face, back=0.055) == 16


def test_a_jump_fails_at_once(face):
    assert first_failure([(0, 0), (1, 0), (30, 0), (31, 0)], face) == 2
    assert first_failure([(0, 0), (1, 0), (30, 0), (31, 0)], face, jump=0.30) is None


def test_begin_forgets_the_window_before(face):
    motion = FaceMotion(track(face, [(0, 0), (10, 0), (20, 0), (12, 0), (4, 0)]))
    motion.begin(0)
    assert [motion.fails(i, 0.25, 0.03) for i in (1, 2, 3)] == [False, False, True]
    motion.begin(2)
    assert [motion.fails(i, 0.25, 0.03) for i in (3, 4)] == [False, False]


def test_motion_is_relative_to_the_face(face):
    offsets = [(i, 0) for i in range(11)] + [(10 - i, 0) for i in range(1, 11)]
    assert first_failure([(5 * x, 0) for x, _ in offsets], 5 * face) == first_failure(offsets, face)


def test_parts_apart_needs_overlap_and_enough_parts():
    face = np.zeros((68, 2), np.float32)
    corners = np.array([[0, 0], [9, 9]], np.float32)
    for first, last, left in ((36, 41, 0), (42, 47, 20), (27, 35, 40), (48, 67, 60)):
        face[first : last + 1] = corners[0] + [left, 0]
        face[last] = corners[1] + [left, 0]
    shifted = face + [5, 0]  # every box 10 x 10, moved by 5: IoU 50 / 150
    one_left = shifted.copy()
    one_left[27:36] += 500  # nose and mouth are gone
    one_left[48:68] += 500
    motion = FaceMotion(np.stack([face, shifted, one_left]))
    motion.begin(0)
    assert not motion.parts_apart(1, 1 / 3 - 0.01, 4)
    assert motion.parts_apart(1, 1 / 3 + 0.01, 4)
    assert motion.parts_apart(2, 0.0, 3)
    assert not motion.parts_apart(2, 0.0, 2)
    assert motion.parts_apart(2, 1 / 6 + 0.01, 2)
