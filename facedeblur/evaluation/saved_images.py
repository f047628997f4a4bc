"""The images of an evaluation: `<folder>/images/<blur>/<corpus>/<video>/<frame>/<method>.png`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facedeblur.evaluation.names import file_name
from facedeblur.evaluation.testset import Case, TestPair
from facedeblur.images import write_png
from facedeblur.methods import Method


@dataclass(frozen=True)
class SavedImages:
    """Where the images of an evaluation are written.

    Attributes:
        mixed: names of the blurs in which windows of different lengths may share a target frame.
    """

    folder: Path
    methods: Sequence[Method]
    mixed: frozenset[str]

    def save(self, pair: TestPair, restored: Mapping[str, np.ndarray]) -> dict[str, str]:
        """Writes a window's images, method -> RGB uint8 (H, W, 3). Returns method -> path relative to the folder."""
        place = self._place(pair.case)
        sharp = place / "sharp.png"
        if not (self.folder / sharp).exists():
            write_png(self.folder / sharp, pair.sharp)
        paths = {}
        for method in self.methods:
            if method.name not in restored:
                continue
            path = sharp if method.sharp else place / f"{file_name(method.name)}.png"
            if not method.sharp:
                write_png(self.folder / path, restored[method.name])
            paths[method.name] = path.as_posix()
        return paths

    def _place(self, case: Case) -> Path:
        video = "/".join(file_name(part) for part in case.video.split("/"))
        frame = f"{case.frame:06}" + (f"-L{case.L}" if case.blur in self.mixed else "")
        return Path("images", case.blur, file_name(case.corpus), video, frame)
