from __future__ import annotations

import numpy as np
import pytest

from facedeblur.faces.pts import PtsError, read_pts, write_pts


def text(lines, count=None, header="version: 1\nn_points: {count}\n"):
    body = "\n".join(lines)
    return header.format(count=len(lines) if count is None else count) + "{\n" + body + "\n}\n"


def test_the_first_pixel_of_the_file_is_at_zero_here(tmp_path):
    file = tmp_path / "face.pts"
    file.write_text(text([f"{i + 1}.25 {2 * i + 1}.5" for i in range(68)]))
    points = read_pts(file)
    assert points.shape == (68, 2) and points.dtype == np.float32
    assert np.array_equal(points[:2], [[0.25, 0.5], [1.25, 2.5]])


def test_written_points_come_back(tmp_path):
    points = np.random.default_rng(0).uniform(-20, 900, (68, 2)).astype(np.float32)
    write_pts(tmp_path / "face.pts", points)
    assert np.abs(read_pts(tmp_path / "face.pts") - points).max() <= 6e-4  # three decimals


def test_files_as_they_are_found(tmp_path):
    """300-W's have double blanks, Windows line ends and a blank before the colon; some start with a byte-order mark."""
    file = tmp_path / "face.pts"
    lines = [f"{i + 1}.0  {i + 2}.0 " for i in range(68)]
    file.write_bytes(
        b"\xef\xbb\xbf" + text(lines, header="version: 1\nn_points:  {count}\n").replace("\n", "\r\n").encode()
    )
    assert np.array_equal(read_pts(file)[3], [3, 4])
    file.write_text(text(["1 1"], header="n_points : {count} \n"))
    assert np.array_equal(read_pts(file, points=None), [[0, 0]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("version: 1\n1 2\n", "braces"),
        (text(["1 2"] * 67), "67 points, 68"),
        (text(["1 2"] * 67 + ["1 two"]), "x y"),
        (text(["1 2 3"] * 68), "x y"),
        (text(["1 2"] * 67 + ["1"]), "x y"),
        (text([]), "x y"),
        (text(["1 2"] * 67 + ["nan 2"]), "finite"),
    ],
)
def test_a_broken_file_is_named_in_one_line(tmp_path, content, message):
    file = tmp_path / "broken.pts"
    file.write_text(content)
    with pytest.raises(PtsError, match=message) as caught:
        read_pts(file)
    assert "broken.pts" in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PtsError, match="nowhere.pts"):
        read_pts(tmp_path / "nowhere.pts")


def test_a_truncated_file_is_known_by_its_header(tmp_path):
    file = tmp_path / "face.pts"
    file.write_text(text(["1 2"] * 40, count=51))
    with pytest.raises(PtsError, match="40 points, 51"):
        read_pts(file, points=None)
