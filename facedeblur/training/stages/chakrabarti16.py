"""Training of Chakrabarti's patch network, ECCV 2016: patches cut from the pairs, in gray, by momentum descent."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facedeblur.baselines.deconvolution.driver import gray
from facedeblur.models.chakrabarti16 import PATCH, PatchNet, neural_average, patch_loss
from facedeblur.training.compared_settings import ComparedSettings
from facedeblur.training.stages.compared import ComparedStage

UNITS = 1024
WHITENED_BY = 8  # pixels between the patches of the first batch, whose covariance whitens the bands
VALIDATED_BY = 16  # pixels between patches in validation


class Chakrabarti16Stage(ComparedStage):
    """The clipped squared error of 65x65 patches at random places of the pairs, turned and mirrored at random.

    Blurry patches come from the same pairs as for every other network, where the author's come from random splines.
    Validation looks at the network's average of each colour channel; kernel and deconvolution come at test time.
    """

    kind = "chakrabarti16"
    shown_losses = {"g_patch": "patch"}

    def __init__(self, compared: ComparedSettings, init: str | None = None, **common):
        super().__init__(compared, init, **common)
        self._whitened = self.resumed_from is not None or init is not None  # by the bands of what it goes on from

    def build(self, compared: ComparedSettings) -> tuple[nn.Module, None]:
        return PatchNet(compared.width or UNITS), None

    def build_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.SGD(self.generator.parameters(), self.settings.learning_rate, self.settings.beta1)]

    def update(self, batch: dict) -> dict[str, Tensor]:
        blurry, sharp = (gray(batch[key])[:, 0] for key in ("blurry", "sharp"))
        if not self._whitened:
            self.whiten(blurry)
        pairs = self.random_patches(torch.stack([blurry, sharp], dim=1))
        loss = patch_loss(self.generator.deblurred(pairs[:, 0]).float(), pairs[:, 1])
        # the sum over a patch: its gradient is what a usual rate can follow from the paper's small first weights
        return self.step(PATCH**2 * loss, self.optimizers(), {"g_patch": loss}, batch)

    def whiten(self, blurry: Tensor) -> None:
        """Whitens the bands by the patches of gray images (B, H, W); every rank gets the first one's bands."""
        windows = blurry.unfold(1, PATCH, WHITENED_BY).unfold(2, PATCH, WHITENED_BY)
        self.generator.whiten(windows.reshape(-1, PATCH, PATCH))
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for band in self.generator.buffers():
                torch.distributed.broadcast(band, 0)
        self._whitened = True

    def random_patches(self, pairs: Tensor) -> Tensor:
        """(B, 2, H, W) -> (B * patches, 2, 65, 65), both of a pair from one place, under one of 8 symmetries."""
        count = self.compared.patches
        rows, columns = (torch.randint(side - PATCH + 1, (len(pairs), count)).tolist() for side in pairs.shape[-2:])
        cut = [
            pair[:, y : y + PATCH, x : x + PATCH]
            for pair, ys, xs in zip(pairs, rows, columns, strict=True)
            for y, x in zip(ys, xs, strict=True)
        ]
        patches = torch.stack(cut)
        turn = int(torch.randint(8, ()))
        patches = patches.rot90(turn % 4, (-2, -1))
        return patches.flip(-1) if turn >= 4 else patches

    def restore(self, blurry: Tensor) -> dict[str, Tensor]:
        planes = neural_average(self.generator, blurry.float().flatten(0, 1)[:, None], VALIDATED_BY)
        return {"deblurred": planes.view_as(blurry)}
