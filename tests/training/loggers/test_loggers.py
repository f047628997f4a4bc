"""The optional loggers write what metrics.csv writes, without an account or a network."""

from __future__ import annotations

import numpy as np
import pytest

from facedeblur.training.loggers.loggers import make_loggers
from facedeblur.training.run_folder import RunFolder
from facedeblur.training.settings import LoggerSettings


def write(settings, folder):
    loggers = make_loggers(settings, RunFolder(folder), {"seed": 0})
    for logger in loggers:
        logger.log_metrics({"val/psnr": 30.0}, step=5)
        if hasattr(logger, "log_faces"):
            logger.log_faces(np.zeros((8, 8, 3), np.uint8), 5)
        logger.finalize("success")
        if hasattr(logger, "finish"):
            logger.finish(True)
    return loggers


def test_csv_alone_by_default(tmp_path):
    (log,) = write(LoggerSettings(), tmp_path)
    assert log.rows() == [{"step": "5", "val/psnr": "30"}]


def test_tensorboard_events(tmp_path):
    pytest.importorskip("tensorboard")
    write(LoggerSettings(tensorboard=True), tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    (scalar,) = events.Scalars("val/psnr")
    assert (scalar.step, scalar.value) == (5, 30.0) and events.Tags()["images"] == ["faces"]
