from __future__ import annotations

import numpy as np
import pytest

from facedeblur.report.plots import ced_figure, cosine_figure, line_style, svg_uri, top_methods, write_figure
from facedeblur.report.rows import read_rows


@pytest.fixture(scope="module")
def rows(evaluation):
    return read_rows([evaluation])


def drawn(figure):
    return {line.get_label().split(" (")[0]: line for line in figure.axes[0].get_lines()}


def test_the_ced_is_the_share_of_images_at_or_below_each_error(rows):
    lines = drawn(ced_figure(rows, ["pravg7"]))
    assert list(lines) == ["blurred", "weak", "final", "oracle"]
    errors = rows.where(method="weak", blur="pravg7")["landmark_error"]
    x, y = lines["weak"].get_data()
    assert y[200] == (errors <= x[200]).mean()
    assert x[-1] == 0.08 and y[-1] == (errors <= 0.08).mean() < 1, "the missed face is never counted"


def test_cosines_are_cumulated_and_the_oracle_is_left_out(rows):
    lines = drawn(cosine_figure(rows, ["vla"]))
    assert list(lines) == ["blurred", "weak", "final"]
    cosines = rows.where(method="final", blur="vla")["identity_cosine"]
    x, y = lines["final"].get_data()
    assert y[300] == (cosines <= x[300]).mean() and y[-1] == 1


def test_curves_differ_by_dash_or_marker_in_black_and_white():
    methods = ["blurred", *(f"m{i}" for i in range(13)), "oracle"]
    styles = [line_style(method, methods) for method in methods]
    seen = {(str(style["linestyle"]), style["marker"]) for style in styles}
    assert len(seen) == len(methods)


def test_neighbouring_colours_differ_in_lightness():
    from matplotlib.colors import to_rgb

    light = [
        np.dot(to_rgb(line_style(f"m{i}", [f"m{j}" for j in range(4)])["color"]), (0.3, 0.59, 0.11)) for i in range(4)
    ]
    assert min(abs(a - b) for a, b in zip(light, light[1:], strict=False)) > 0.05


def test_only_the_best_fit_into_a_plot(make_evaluation, tmp_path):
    shares = {f"m{i}": 0.1 * i for i in range(1, 8)}
    rows = read_rows([make_evaluation(tmp_path / "e", shares, images=False)])
    assert top_methods(rows, "vla") == ["blurred", "m5", "m6", "m7", "oracle"]
    assert list(drawn(cosine_figure(rows, ["vla"]))) == ["blurred", "m4", "m5", "m6", "m7"]


def test_files_are_written_alike_every_time(rows, tmp_path):
    for name in ("a", "b"):
        paths = write_figure(tmp_path / name, ced_figure(rows, ["pravg7", "vla"]))
    assert [path.suffix for path in paths] == [".svg", ".png"]
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"http-equiv" not in (tmp_path / "a.svg").read_bytes() and svg_uri(ced_figure(rows, ["vla"])).startswith(
        "data:"
    )


def test_no_curves_no_figure(make_evaluation, tmp_path):
    rows = read_rows([make_evaluation(tmp_path / "e", landmarks=False, images=False)])
    assert ced_figure(rows, ["vla"]) is None
