import pytest

from facedeblur.blur.windows import (
    Window,
    pravg_windows,
    range_iou,
    reversed_range,
    without_duplicates,
)


def test_target_is_the_middle_frame():
    window = Window("clip.mp4", start=10, length=7)
    assert window.target == 13
    assert window.stop == 17
    assert window.target - window.start == window.stop - 1 - window.target


@pytest.mark.parametrize("length", [0, -3, 2, 20])
def test_a_window_has_a_middle_frame(length):
    with pytest.raises(ValueError, match=f"length: .* got {length}"):
        Window("clip.mp4", 0, length)


def test_a_window_does_not_start_before_the_video():
    with pytest.raises(ValueError, match="start: .* got -1"):
        Window("clip.mp4", -1, 7)


@pytest.mark.parametrize("length", [7, 9, 11, 15, 21])
@pytest.mark.parametrize("frames", [6, 7, 100, 105])
def test_pravg_windows_tile_the_range(length, frames):
    windows = pravg_windows(50, 50 + frames, length)
    covered = [frame for start, size in windows for frame in range(start, start + size)]
    assert covered == list(range(50, 50 + frames // length * length))


def test_stride_sets_the_distance_of_starts():
    assert [start for start, _ in pravg_windows(0, 15, 7, stride=4)] == [0, 4, 8]
    with pytest.raises(ValueError, match="stride"):
        pravg_windows(0, 15, 7, stride=0)


def test_reversed_range_mirrors_the_frames():
    frames = list(range(3, 20))
    start, length = 5, 7
    played_backwards = frames[::-1][start - 3 : start - 3 + length]
    first, count = reversed_range(start, length, 3, 20)
    assert sorted(played_backwards) == list(range(first, first + count))


def test_range_iou_counts_frames():
    a, b = set(range(10, 21)), set(range(15, 22))
    assert range_iou((10, 11), (15, 7)) == pytest.approx(len(a & b) / len(a | b))
    assert range_iou((0, 7), (7, 7)) == 0.0


def test_duplicates_overlap_and_share_the_middle():
    existing = [(0, 7), (7, 7)]
    assert without_duplicates([(1, 7)], existing) == []  # middle one frame off, 6 of 8 frames shared
    assert without_duplicates([(2, 7)], existing) == [(2, 7)]  # 5 of 9 frames shared, middle two frames off
    assert without_duplicates([(0, 7), (3, 7)], existing) == [(3, 7)]
    assert without_duplicates([(2, 3)], existing) == [(2, 3)]  # same middle, another blur: 3 of 7 frames
    assert without_duplicates([(0, 7)], []) == [(0, 7)]
