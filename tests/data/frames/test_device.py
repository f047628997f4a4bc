from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from facedeblur.blur.recorded_motion import Recording
from facedeblur.blur.schedule import named_schedule
from facedeblur.data.frames.device import DeviceFrames, make_batch, plan_batch
from facedeblur.data.frames.items import ItemMaker
from facedeblur.data.pairs.augment import NO_AUGMENTATION, AugmentSettings
from facedeblur.data.stream.datamodule import PairDataModule
from facedeblur.data.stream.sample_windows import MixtureRow
from facedeblur.data.stream.settings import LoaderSettings

SIZE = 16
CPU = torch.device("cpu")
VIEWS = AugmentSettings(flip=0.5, zoom=0.05, shift=0.03, turn=5.0)


def rows_of(stored, length: int) -> list[int]:
    return np.flatnonzero(stored.plan.column("length") == length).tolist()


def both(stored, store, rows, augment=VIEWS, schedules=None):
    """The pairs of some rows as the CPU makes them one by one, and as a batch: float64 (B, S, S, 3) each."""
    maker = ItemMaker(stored.plan, store, SIZE, schedules or {}, augment, redraw=True, seed=2)
    items = [maker.item(row, 1) for row in rows]
    pairs = [maker.pair(item) for item in items]
    made = DeviceFrames(store, augment).images(items, [maker.meta(item).to_dict() for item in items], CPU)
    one = [np.stack([getattr(pair, name) for pair in pairs]).astype(float) for name in ("blurry", "sharp")]
    return one, [255 * image.permute(0, 2, 3, 1).double().numpy() for image in made]


@pytest.mark.parametrize("lengths", [(5,), (9,), (1,), (9, 1, 5)])
def test_a_batch_holds_the_pairs_of_the_cpu(stored, store, lengths):
    """Averages, kernels and both together, moved and turned: within a level of rounding and of 1/32 pixel."""
    rows = [row for length in lengths for row in rows_of(stored, length)[:6]]
    one, batch = both(stored, store, rows)
    for ours, truth in zip(batch, one, strict=True):
        assert ours.shape == truth.shape
        difference = np.abs(ours - truth)
        assert difference.mean() < 0.5 and np.quantile(difference, 0.99) <= 3


@pytest.mark.parametrize("recorded", [False, True])
def test_motion_is_that_of_the_cpu(stored, store, recorded, tmp_path):
    rows, motion = rows_of(stored, 1)[:6], {"shift": 0.3}
    if recorded:
        motion = {"recorded": str(tmp_path / "motion.npz")}
        ramp = np.linspace(0, 1, 40)[:, None, None] ** 2 * 60
        Recording.of([store.index.landmarks[0] + ramp]).write(Path(motion["recorded"]))
    moving = {"trajectory": named_schedule("motion", motion=motion)}  # the single frames, in motion
    one, batch = both(stored, store, rows, schedules=moving)
    assert np.abs(one[0] - one[1]).mean() > 1
    assert np.abs(batch[0] - one[0]).mean() < 0.5


def test_frames_of_a_window_are_brought_to_one_place(stored, store):
    """A window over which tiles move, against the sum of shifted tiles."""
    index, side = store.index, store.settings.side
    steps = np.flatnonzero((np.diff(index.offsets[:45], axis=0) != 0).any(1))
    maker = ItemMaker(stored.plan, store, SIZE, {})
    item = maker.item(rows_of(stored, 9)[0], 0)
    window = item.window._replace(row=max(int(steps[0]) - 4, 0), length=9)
    item = replace(item, window=window, matrix=np.array([[1.0, 0, 8], [0, 1.0, 8]]))
    blurry, _ = make_batch(
        torch.from_numpy(store.tiles.copy()), plan_batch([item], ["identity"], index.offsets, SIZE, NO_AUGMENTATION)
    )
    truth = np.zeros((SIZE, SIZE, 3))
    for row in range(window.row, window.row + 9):
        x, y = index.offsets[window.target] - index.offsets[row]
        rows, columns = (np.clip(np.arange(d + 8, d + 8 + SIZE), 0, side - 1) for d in (y, x))
        truth += store.tiles[row][rows[:, None], columns] / 9.0
    assert np.abs(255 * blurry[0].permute(1, 2, 0).numpy() - truth).max() <= 0.51


def test_light_changes_both_images_and_quality_the_blurry_one(stored, store):
    rows = rows_of(stored, 5)[:8]
    plain = both(stored, store, rows, NO_AUGMENTATION)[1]
    lit = both(stored, store, rows, AugmentSettings(flip=0.0, photometric=1.0))[1]
    for a, b in zip(plain, lit, strict=True):
        assert (np.abs(a - b).mean((1, 2, 3)) > 1).all()
    soft = both(stored, store, rows, AugmentSettings(flip=0.0, soft=1.0))[1]
    for a, b in zip(plain, soft, strict=True):
        rough = [np.abs(np.diff(images, axis=2)).mean((1, 2, 3)) for images in (a, b)]
        assert (rough[1] < rough[0]).all() and np.abs(a.mean((1, 2)) - b.mean((1, 2))).max() < 4
    harmed = both(stored, store, rows, AugmentSettings(flip=0.0, noise=1.0, jpeg=1.0))[1]
    assert (np.abs(plain[0] - harmed[0]).mean((1, 2, 3)) > 0.5).all()
    np.testing.assert_array_equal(plain[1], harmed[1])


def test_a_batch_is_the_same_again_and_its_values_are_levels(stored, store):
    rows = rows_of(stored, 5)[:4] + rows_of(stored, 1)[:4]
    every = AugmentSettings(0.5, 0.5, 0.5, 0.5, 0.05, 0.03, 5.0)
    first, second = both(stored, store, rows, every)[1], both(stored, store, rows, every)[1]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - np.rint(a)).max() < 1e-4 and a.min() >= 0 and a.max() <= 255


@pytest.mark.parametrize("workers", [0, 2])
def test_training_gets_the_same_batches_with_any_number_of_workers(stored, store, workers):
    """Through the data module, whose workers send what to read and whose hook makes the images."""
    module = PairDataModule(
        stored.plan,
        stored.plan.select(np.arange(4)),
        [MixtureRow(None, (("pravg5", 1.0), ("trajectory", 1.0)), weight=1.0)],
        LoaderSettings(size=SIZE, batch=4, workers=workers, epoch_windows=12, seed=5),
        VIEWS,
        frames=store,
        redraw=True,
        on_device=True,
        val_frames=store,
    )
    moved = lambda batch: module.on_after_batch_transfer(module.transfer_batch_to_device(batch, CPU, 0), 0)  # noqa: E731
    found = [moved(batch) for batch in module.train_dataloader()]
    maker = ItemMaker(stored.plan, store, SIZE, {}, VIEWS, redraw=True, seed=5)
    for batch in found:
        assert batch["blurry"].shape == (4, 3, SIZE, SIZE) and batch["blurry"].dtype == torch.float32
        for meta, image in zip(batch["meta"], batch["sharp"], strict=True):
            truth = maker.pair(maker.item(meta["row"], 0)).sharp
            assert np.abs(255 * image.permute(1, 2, 0).numpy() - truth).mean() < 1.0
    assert len(found) == 3
    (val,) = [moved(batch) for batch in module.val_dataloader()]
    assert [meta["row"] for meta in val["meta"]] == [0, 1, 2, 3]
