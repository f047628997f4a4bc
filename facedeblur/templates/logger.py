import json
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only


class JsonLines(Logger):
    """A logger: one JSON object a line; `step` counts updates of the generator."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file

    name, version = "jsonlines", ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        with open(self.file, "a") as lines:
            lines.write(json.dumps({"step": step, **metrics}) + "\n")

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The run folder has them in config.yaml."""
