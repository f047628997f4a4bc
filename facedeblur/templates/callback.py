from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer


class Notebook(Callback):
    """A callback of Lightning's: writes a line into the run folder after every validation."""

    def on_validation_end(self, trainer: Trainer, stage: LightningModule) -> None:
        if trainer.is_global_zero and trainer.state.fn == "fit":  # a run ends with one validation more, for its table
            with open(Path(trainer.default_root_dir) / "notes.txt", "a") as notes:
                notes.write(f"step {stage.generator_step}: PSNR {stage.validation_scores['val/psnr']:.2f} dB\n")
