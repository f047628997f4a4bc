import json

import pytest

from facedeblur.data.plans.plan import Plan
from facedeblur.data.plans.report import ClipFacts, Group, PlanReport, listed


def rows():
    base = {
        "identity": "p",
        "video": "v",
        "backend": "pyav",
        "response": "identity",
        "start": 0,
        "kernel_seed": -1,
        "x": 0,
        "y": 0,
        "side": 10,
        "shot": 0,
        "landmarks": [[0.0, 0.0]] * 68,
    }
    windows = [
        ("A", "train", "vla", False, 7, 30.0, 0.90, "quality"),
        ("A", "train", "vla", False, 21, 20.0, 0.80, "cap"),
        ("A", "train", "vla", True, 9, 25.0, 0.85, "quality"),
        ("A", "val", "pravg7", False, 7, 40.0, 0.97, "length"),
        ("B", "train", "trajectory", False, 1, 24.0, 0.80, "kernel"),
    ]
    names = ("corpus", "split", "schedule", "reverse", "length", "psnr", "ssim", "stop")
    return [{**base, **dict(zip(names, window, strict=True))} for window in windows]


@pytest.fixture
def report():
    return PlanReport.of(
        Plan.from_rows(rows()),
        videos=6,
        skipped=[
            ("a.mp4", "no face found"),
            ("b.mp4", "cannot be opened: moov atom not found"),
            ("c.mp4", "cannot be opened: invalid data"),
        ],
        rejects={"vla": {"short: overlap": 3, "static": 1}, "pravg7": {}},
    )


def test_groups_hold_counts_and_means(report):
    first = report.groups[0]
    assert first == Group("A", "train", "vla", False, 2, 14.0, pytest.approx(25.0), pytest.approx(0.85))
    assert [(g.corpus, g.split, g.schedule, g.reverse, g.windows) for g in report.groups[1:]] == [
        ("A", "train", "vla", True, 1),
        ("A", "val", "pravg7", False, 1),
        ("B", "train", "trajectory", False, 1),
    ]


def test_lengths_stops_and_rejects(report):
    assert report.lengths == {"pravg7": {7: 1}, "trajectory": {1: 1}, "vla": {7: 1, 9: 1, 21: 1}}
    assert report.stops["vla"] == {"cap": 1, "quality": 2}
    assert report.rejects == {"vla": {"short: overlap": 3, "static": 1}}


def test_skipped_files_are_counted_by_reason(report):
    assert report.reasons() == {"cannot be opened": 2, "no face found": 1}
    assert listed(report.reasons()) == "cannot be opened 2, no face found 1"


def test_lines_name_every_skipped_file(report):
    lines = report.lines()
    assert lines[0].startswith("3 of 6 videos used; skipped: cannot be opened 2")
    assert "  skipped b.mp4: cannot be opened: moov atom not found" in lines
    assert any(line.split()[:5] == ["A", "train", "vla", "forward", "2"] for line in lines)
    assert "vla: dropped short: overlap 3, static 1" in lines
    assert all("\n" not in line for line in lines)


def test_json_round_trip(report, tmp_path):
    assert PlanReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    report.write(tmp_path / "report.json")
    assert PlanReport.read(tmp_path / "report.json") == report


def test_a_file_that_is_no_report_is_named(tmp_path):
    (tmp_path / "report.json").write_text("[]")
    with pytest.raises(ValueError, match="report.json: not a report"):
        PlanReport.read(tmp_path / "report.json")


def test_an_empty_plan_has_a_report():
    report = PlanReport.of(Plan.concat([]), videos=1, skipped=[("a.mp4", "one frame only")])
    assert report.groups == () and report.lines()[0] == "0 of 1 videos used; skipped: one frame only 1"


def test_photos_without_a_face_are_counted():
    album = ClipFacts("a.album", "people", "train/0", "train", "album", frames=128, faces=120, blurred=3, windows=120)
    clip = ClipFacts("b.mp4", "clips", "id", "train", "decord", frames=50, faces=40, windows=3)
    plan = Plan.from_rows(rows())
    assert "no face found, or not decoded: 5 of 128 photos" in PlanReport.of(plan, 2, (), clips=[album, clip]).lines()
    assert not any("photos" in line for line in PlanReport.of(plan, 1, (), clips=[clip]).lines())
