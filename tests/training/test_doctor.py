"""The doctor's report on this machine."""

from __future__ import annotations

import pytest

from facedeblur.training.doctor import main


@pytest.mark.system
def test_doctor_reports_and_succeeds(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    for word in ("torch", "decord", "pyav", "cores", "img/s", "frames/s"):
        assert word in text
    assert "FAILED" not in text
