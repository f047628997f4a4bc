"""Size and seed of the demo corpus; what names the folder it is rendered into."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from facedeblur.settings import check, check_count, check_range, is_positive

VERSION = 1  # of the renderer: raised whenever the same settings would give other pictures


@dataclass(frozen=True)
class DemoSettings:
    """The corpus to render: `identities` for training and `val_identities` others for validation, each with
    `clips_per_identity` clips (A, B, A, ...) of `frames` frames, `size` pixels square, at `fps`. `motion` scales how
    far heads and cameras move: 1.06 gives PrAvg windows of about 25 dB."""

    identities: int = 18
    val_identities: int = 6
    clips_per_identity: int = 2
    frames: int = 116
    size: int = 256
    fps: float = 25.0
    seed: int = 0
    motion: float = 1.06

    def __post_init__(self):
        for name, low in (("identities", 1), ("val_identities", 0), ("clips_per_identity", 1), ("frames", 2)):
            check_count(name, getattr(self, name), low)
        check(96 <= self.size <= 512 and self.size % 2 == 0, "size", "an even number in [96, 512]", self.size)
        check(is_positive(self.fps), "fps", "a positive number", self.fps)
        check_range(self, 0, 2, "motion")
        check_count("seed", self.seed, 0)

    @classmethod
    def tiny(cls) -> DemoSettings:
        """Four identities, 40 frames a clip: seconds of rendering, for tests."""
        return cls(identities=3, val_identities=1, clips_per_identity=2, frames=40)

    @property
    def folder(self) -> str:
        """Folder name, from a hash of all settings and the renderer's version."""
        content = json.dumps({"version": VERSION, **asdict(self)}, sort_keys=True)
        return "demo-" + hashlib.sha256(content.encode()).hexdigest()[:12]
