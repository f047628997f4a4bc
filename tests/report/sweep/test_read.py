"""Run folders in every state become runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from facedeblur.errors import UsageError
from facedeblur.report.sweep.read import is_sweep, read_sweep


def test_every_state_is_told(sweep_folder):
    sweep = read_sweep(sweep_folder)
    states = {run.name: run.state for run in sweep.runs}
    assert states["final-s0"] == "done" and states["broken-s0"] == "failed"
    assert states["broken-s1"] == "dead" and states["late-s0"] == "waiting"
    assert sweep.variants == ["final", "no_identity", "identity_nohg", "broken", "late"]
    assert sweep.reference == "final" and [run.seed for run in sweep.of("final")] == [0, 1] and not sweep.of("broken")


def test_cost_adds_up_over_attempts(sweep_folder):
    run = read_sweep(sweep_folder).runs[0]
    assert run.seconds == 100 and run.images_per_second == 15 and run.peak_memory == 400


def test_curves_leave_out_what_a_kill_tore(sweep_folder):
    curves = read_sweep(sweep_folder).runs[0].curves
    assert curves == {"val/psnr": ([10.0, 20.0], [21.0, 22.0]), "train/g_content_image": ([10.0], [0.4])}


def test_half_written_and_foreign_files_are_no_obstacle(sweep_folder):
    run = sweep_folder / "final" / "s0"
    for name in ("validation_rows.json", "cost.json", "config.yaml", "job.json"):
        (run / name).write_text('{"torn": [')
    (first, *_) = read_sweep(sweep_folder).runs
    assert first.variant == "final" and first.seed == 0 and first.rows == [] and first.seconds is None


def test_a_folder_without_runs_is_refused(tmp_path, sweep_folder):
    assert is_sweep(sweep_folder) and not is_sweep(tmp_path)
    with pytest.raises(UsageError, match="no run here"):
        read_sweep(tmp_path / "outputs" / "nothing")


def test_no_training_code_is_loaded():
    probe = (
        "import sys, facedeblur.report.sweep.command; "
        "print([m for m in sys.modules if m.startswith(('facedeblur.training', 'torch', 'matplotlib', 'wandb'))])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
