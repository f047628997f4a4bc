"""The localiser's stage under Lightning: it learns, goes on where it stopped, and ships its moving average."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from facedeblur.data.photos.photos import cut_out
from facedeblur.faces.crop import crop, points_to_crop, resize
from facedeblur.faces.hourglass_localizer import HourglassLocalizer, localizer_crop
from facedeblur.faces.mirror import mirror_points
from facedeblur.metrics.landmarks import normalised_error
from facedeblur.models.checkpoint import load_checkpoint
from facedeblur.models.settings import ModelSettings
from facedeblur.training.callbacks.checkpoint import rng_state, save_checkpoint
from facedeblur.training.points_preview import CELL, FOUND, TRUTH, draw_points, point_grid
from facedeblur.training.settings import TrainerSettings
from facedeblur.training.stages.localizer import LocalizerStage
from facedeblur.video.album import Still

SIZE = 64


@pytest.fixture(scope="module")
def face(rendered_face):
    image, landmarks = rendered_face(0, 160)
    return cut_out(image, landmarks, Still("rendered.png"), SIZE)


def batches_of(face, count):
    """The face and its mirror image as the localiser will see them, and nothing else."""
    square = localizer_crop(face.box)
    image = torch.from_numpy(resize(crop(face.image, square), SIZE)).permute(2, 0, 1).float() / 255
    points = points_to_crop(face.landmarks, square, SIZE)
    both = [
        torch.stack([image, image.flip(2)]),
        torch.from_numpy(np.stack([points, mirror_points(points, SIZE)])),
    ]
    meta = [{"video": "rendered.png"}] * 2
    return [{"image": both[0], "points": both[1], "meta": meta, "replaced": []} for _ in range(count)]


def make(tmp_path, steps, resumed_from=None, **trainer):
    settings = TrainerSettings(**{"epochs": 1, "learning_rate": 3e-3, "beta1": 0.9, "precision": "32"} | trainer)
    pl.seed_everything(0, verbose=False)
    model = ModelSettings(hourglass_features=16, hourglass_stacks=1)
    return LocalizerStage(
        model,
        settings=settings,
        planned_steps=steps,
        batches_per_epoch=steps,
        images_per_step=2,
        folder=tmp_path,
        resumed_from=resumed_from,
    )


def test_it_learns_one_rendered_face_by_heart(tmp_path, fit, face):
    steps = 120
    stage = make(tmp_path, steps, ema=0.9)
    before = HourglassLocalizer(stage.networks, SIZE).localize(face.image, face.box)
    stage.train()
    fit(stage, batches_of(face, steps), val=batches_of(face, 1))
    with stage.evaluating():
        after = HourglassLocalizer(stage.networks, SIZE).localize(face.image, face.box)
    assert normalised_error(before, face.landmarks) > 0.1
    assert normalised_error(after, face.landmarks) < 0.04
    scores = stage.validation_scores
    assert (
        scores["val/error"] < 0.04 and scores["val/failures"] == 0 and stage.monitored_score() == -scores["val/error"]
    )
    assert [row["photo"] for row in stage.validation_rows] == ["rendered.png"] * 2

    picture = point_grid(stage, [face, face], SIZE)
    assert picture.shape[1:] == (3 * CELL, 3) and picture.shape[0] > 2 * CELL
    found, annotated = (picture[:, i * CELL : (i + 1) * CELL] for i in (0, 1))
    assert (found == FOUND).all(-1).sum() > 100 and not (found == TRUTH).all(-1).any()
    assert (annotated == TRUTH).all(-1).sum() > 100 and not (annotated == FOUND).all(-1).any()


def test_it_goes_on_where_it_stopped(tmp_path, fit, face):
    whole = make(tmp_path, 6, ema=0.9)
    fit(whole, batches_of(face, 6))

    half = make(tmp_path, 6, ema=0.9)
    fit(half, batches_of(face, 3))
    save_checkpoint(tmp_path / "half.ckpt", half.run_state() | {"rng": [rng_state()], "best": 0.0})
    state = load_checkpoint(tmp_path / "half.ckpt")
    rest = make(tmp_path, 6, resumed_from=state, ema=0.9)
    rest.generator_step = state["generator_step"]
    fit(rest, batches_of(face, 3))
    for name, value in whole.networks.state_dict().items():
        assert torch.equal(value, rest.networks.state_dict()[name]), name
        assert torch.equal(whole.average.average[name], rest.average.average[name]), name


def test_what_is_validated_is_the_average(tmp_path, fit, face):
    stage = make(tmp_path, 4, ema=0.5)
    fit(stage, batches_of(face, 4))
    own = {name: value.clone() for name, value in stage.networks.state_dict().items()}
    with stage.evaluating():
        for name, value in stage.networks.state_dict().items():
            assert torch.equal(value, stage.average.average[name])
    assert all(torch.equal(value, own[name]) for name, value in stage.networks.state_dict().items())
    assert any(not torch.equal(own[name], value) for name, value in stage.average.average.items())


def test_dots_are_drawn_where_the_points_are():
    image = draw_points(np.zeros((40, 60, 3), np.uint8), np.array([[20.0, 10.0]]), (0, 255, 0))
    rows, columns = np.indices((40, 60))
    centre = [np.average(index, weights=image[..., 1].astype(float)) for index in (rows, columns)]
    assert centre == pytest.approx([10, 20], abs=0.15)
