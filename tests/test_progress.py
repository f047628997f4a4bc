"""Progress lines where there is no terminal."""

from __future__ import annotations

from facedeblur.progress import StageProgress, StepProgress, clock


def test_clock():
    assert [clock(s) for s in (0, 75, 3700)] == ["0:00:00", "0:01:15", "1:01:40"]


def test_preparation_names_its_stages(capsys):
    progress = StageProgress("train videos")
    progress("index", 2, 2, "a.mp4")
    progress("track", 2, 2, "a.mp4")
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        "index train videos",
        "track train videos",
    ]


def test_a_name_with_a_line_break_stays_on_its_line(capsys):
    StepProgress("index")(1, 2, "a\nb\x1b[31m.mp4")
    assert capsys.readouterr().err.endswith("a\\nb\\x1b[31m.mp4\n")


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    progress = StepProgress("track")
    progress(1, 2, "a.mp4")
    progress(2, 2, "b.mp4")
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "━" * 12 + "╺" * 12 in text and "━" * 24 + " 2/2" in text
