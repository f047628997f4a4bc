"""Progress lines where there is no terminal."""

from __future__ import annotations

from facedeblur.training.callbacks.progress import TrainingProgress

from ..conftest import random_batches


def test_training_lines_have_losses_speed_and_time_left(make_stage, fit, capsys):
    stage = make_stage(batches=3)
    progress = TrainingProgress("final", 3, every=0)
    fit(stage, random_batches(3), callbacks=[progress])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("final: step")]
    assert len(lines) == 3 and "step 3/3" in lines[-1]
    assert all(word in lines[-1] for word in ("content", "gan", "img/s", "<"))
