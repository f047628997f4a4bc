"""What is refused before a run starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facedeblur.errors import UsageError
from facedeblur.training.checks import check_files, refuse_ddp
from facedeblur.training.settings import run_settings


def trainers(devices=1, nodes=1, first=1) -> dict:
    return {
        "trainer": {"devices": devices, "nodes": nodes},
        "hourglass": {"trainer": {"devices": first, "nodes": 1}},
    }


def test_a_job_of_a_multirun_is_one_process():
    refuse_ddp(trainers())
    refuse_ddp(trainers("auto"), visible=1)
    for plain, where, processes in (
        (trainers("auto"), "trainer", 4),
        (trainers(2, 2), "trainer", 4),
        (trainers(first=3), "hourglass.trainer", 3),
    ):
        with pytest.raises(UsageError, match=rf"^{where}.devices: .* not in {processes} by DDP"):
            refuse_ddp(plain, visible=4)


def test_folders_and_checkpoints_that_are_not_there_are_named(compose, tmp_path):
    settings = run_settings(compose("data=clips", f"data.root={tmp_path}", f"hourglass.data.root={tmp_path}"))
    check_files(settings)
    gone = str(tmp_path / "gone")
    with pytest.raises(UsageError, match=rf"^data.root: {gone} is not a folder; clips expects <identity>/<clip>"):
        check_files(replace(settings, data=replace(settings.data, root=gone)))
    first = replace(settings.hourglass, data=replace(settings.hourglass.data, val_root=gone))
    with pytest.raises(UsageError, match=rf"^hourglass.data.val_root: {gone} is not a folder"):
        check_files(replace(settings, hourglass=first))
    with pytest.raises(UsageError, match=rf"^hourglass.checkpoint: {gone} does not exist"):
        check_files(replace(settings, hourglass=replace(settings.hourglass, checkpoint=gone)))


def test_a_first_step_of_another_stage_is_named_before_videos_are_planned(compose, tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text("stage: adversarial\n")
    with pytest.raises(UsageError, match=rf"^hourglass.checkpoint: {run} has no checkpoint yet"):
        compose(f"hourglass.checkpoint={run}")
    (run / "checkpoints" / "last.ckpt").touch()
    with pytest.raises(UsageError, match=rf"^hourglass.checkpoint: {run} is a run of stage=adversarial"):
        compose(f"hourglass.checkpoint={run}")
    (run / "config.yaml").write_text("stage: hourglass\n")
    compose(f"hourglass.checkpoint={run}")
