import re

import pytest

from facedeblur.report.histogram import histogram


def test_bars_are_in_proportion():
    svg = histogram([(0, 4), (2, 8), (4, 0), (6, 2)], 2, "frames")
    heights = [float(h) for h in re.findall(r'<rect[^>]* height="([\d.]+)"', svg)]
    assert heights == pytest.approx([heights[1] / 2, heights[1], heights[1] / 4], abs=0.1)
