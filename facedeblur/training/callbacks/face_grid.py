"""The fixed grid of validation faces: made after every epoch, kept as pictures, shown by the loggers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from facedeblur.blur.schedule import Schedule
from facedeblur.data.frames.items import ItemMaker
from facedeblur.data.frames.store import FrameStore
from facedeblur.data.pairs.pair import Pair, describe, read_pair
from facedeblur.data.plans.plan import Plan
from facedeblur.images import write_png
from facedeblur.report.preview import choose_windows, preview_grid
from facedeblur.training.run_folder import RunFolder
from facedeblur.video.source import VideoError


def grid_pairs(
    plan: Plan, count: int, size: int, schedules: Iterable[Schedule], store: FrameStore | None = None
) -> list[Pair]:
    """The pairs of `count` validation windows, strongest blur first; a window that cannot be read is left out.

    `store`: their faces, where there are no videos.
    """
    named = {schedule.name: schedule for schedule in schedules}
    maker = ItemMaker(plan, store, size, named) if store is not None else None
    pairs = []
    for row in choose_windows(plan.column("psnr"), count):
        try:
            if maker is not None:
                pairs.append(maker.pair(maker.item(int(row), 0)))
            else:
                pairs.append(read_pair(describe(plan[row], row, size, named)))
        except VideoError:
            continue
    return pairs


def face_grid(stage: LightningModule, pairs: Sequence[Pair]) -> np.ndarray:
    """What the stage makes of `pairs`, as one picture: see `preview_grid`."""
    blurry = torch.from_numpy(np.stack([pair.blurry for pair in pairs])).permute(0, 3, 1, 2)
    images = stage.images(blurry.to(stage.device, torch.float32, memory_format=torch.channels_last) / 255)
    columns = {
        method: (255 * image).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        for method, image in images.items()
    }
    rows = [{method: column[i] for method, column in columns.items()} for i in range(len(pairs))]
    return preview_grid([row | {"sharp": pair.sharp} for row, pair in zip(rows, pairs, strict=True)])


class FaceGrid(Callback):
    """Writes `previews/epoch_<n>.png`: the same faces after every epoch, so that progress can be leafed through.

    draw: makes the picture, RGB uint8 (H, W, 3), of the stage as it is.
    """

    def __init__(self, folder: RunFolder, draw: Callable[[LightningModule], np.ndarray]):
        self.folder, self.draw = folder, draw
        self.drawn = 0  # the last epoch that has its picture

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.state.fn == "fit":  # before the checkpoint that says that the epoch is done with
            self.draw_epoch(trainer, module, module.position["epoch"] + 1)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self.drawn != module.position["epoch"] + 1:  # an epoch without a validation
            self.draw_epoch(trainer, module, module.position["epoch"] + 1)

    def draw_epoch(self, trainer: Trainer, module: LightningModule, epoch: int) -> None:
        """The picture of `epoch`, counted from 1."""
        self.drawn = epoch
        if not trainer.is_global_zero:
            return
        grid = self.draw(module)
        write_png(self.folder.path / "previews" / f"epoch_{epoch:04d}.png", grid)
        for logger in trainer.loggers:
            if hasattr(logger, "log_faces"):
                logger.log_faces(grid, module.generator_step)
