"""Progress lines where there is no terminal."""

from __future__ import annotations

from facedeblur.training.progress import StageProgress, TrainingProgress, clock

from .conftest import random_batches


def test_clock():
    assert [clock(s) for s in (0, 75, 3700)] == ["00:00", "01:15", "1:01:40"]


def test_training_lines_have_losses_speed_and_time_left(make_stage, fit, capsys):
    stage = make_stage(batches=3)
    progress = TrainingProgress("final", 3, every=0)
    fit(stage, random_batches(3), callbacks=[progress])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("final: step")]
    assert len(lines) == 3 and "step 3/3" in lines[-1]
    assert all(word in lines[-1] for word in ("content", "gan", "img/s", "<"))


def test_preparation_names_its_stages(capsys):
    progress = StageProgress("train videos")
    progress("index", 2, 2, "a.mp4")
    progress("track", 2, 2, "a.mp4")
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        "index train videos",
        "track train videos",
    ]
