from __future__ import annotations

import numpy as np
import pytest

from facedeblur.report.gallery import best_sliders, choose_cases, gains, gallery
from facedeblur.report.rows import read_rows


@pytest.fixture(scope="module")
def rows(evaluation):
    return read_rows([evaluation])


def test_cases_are_the_largest_the_middle_and_the_smallest_gains(rows):
    mine, gain, measured = gains(rows, "final", "vla")
    assert measured == "landmark error" and len(mine) == 20
    cases = choose_cases(rows, "final", "vla", 2)
    assert [case.kind for case in cases] == ["best", "best", "median", "median", "worst", "worst"]
    assert len({case.key for case in cases}) == 6
    assert cases[0].gain == gain.max() and cases[4].gain == gain.min()
    assert abs(cases[2].gain - np.median(gain)) <= np.ptp(gain) / 5
    for kind in ("best", "median", "worst"):
        assert len({case.key[2] for case in cases if case.kind == kind}) == 2, "two videos"


def test_a_missed_face_counts_as_the_limit_and_is_the_worst(rows):
    mine, gain, _ = gains(rows, "weak", "pravg7")
    at = int(np.flatnonzero(np.isinf(mine["landmark_error"]))[0])
    assert gain[at] == min(gain) < 0
    assert choose_cases(rows, "weak", "pravg7", 1)[-1].key == mine.image_keys()[at]
    assert "no face found" in gallery(rows, "weak", "pravg7", 1)


def test_strips_show_every_method_of_the_case(rows):
    drawn = gallery(rows, "final", "vla", 1)
    assert drawn.count('class="strip"') == 3
    assert drawn.count("<img") == 3 * 4
    assert "sharp (oracle)" in drawn and "−0." in drawn


def test_few_images_are_not_shown_twice(make_evaluation, tmp_path):
    rows = read_rows([make_evaluation(tmp_path / "e", people=1, frames=2)])
    cases = choose_cases(rows, "final", "vla", 2)
    assert len(cases) == len({case.key for case in cases}) == 2


def test_without_kept_images_there_is_no_gallery(make_evaluation, tmp_path):
    rows = read_rows([make_evaluation(tmp_path / "e", images=False)])
    assert gallery(rows, "final", "vla") is None and best_sliders(rows, "final", ["vla"]) is None


def test_without_landmarks_the_cosine_decides(make_evaluation, tmp_path):
    rows = read_rows([make_evaluation(tmp_path / "e", landmarks=False)])
    assert gains(rows, "final", "vla")[2] == "cosine to the sharp face"
    assert gallery(rows, "final", "vla", 1).count("<img") == 9
