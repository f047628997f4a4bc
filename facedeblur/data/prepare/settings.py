"""How videos become windows, and where that is done: plain values, checked before anything heavy is imported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from facedeblur.settings import check, check_count, check_range
from facedeblur.video.open import BACKENDS

FACES = ("largest", "all")
PLACES = ("here", "slurm", "local", "ray")


@dataclass(frozen=True)
class ClusterSettings:
    """Where preparation runs.

    Attributes:
        where: "here": in processes of this machine; "slurm": as a job array through submitit; "local": as the same
            array in processes of this machine, to try it; "ray": as tasks of a Ray cluster.
        shards: tasks that share the videos.
        slurm: parameters of submitit's executor: slurm_partition, timeout_min, cpus_per_task, mem_gb, ...
        address: of the Ray cluster; None: one that is already running here, else a new one on this machine.

    Raises:
        ValueError: naming the field.
    """

    where: str = "here"
    shards: int = 8
    slurm: Mapping[str, str | int] = field(default_factory=dict)
    address: str | None = None

    def __post_init__(self) -> None:
        check(self.where in PLACES, "where", f"one of {', '.join(PLACES)}", self.where)
        check_count("shards", self.shards, 1)


@dataclass(frozen=True)
class PrepareSettings:
    """What of a video is used.

    Attributes:
        faces: "largest": of several people the one whose face covers the largest area over all frames; "all": each.
        min_sharpness: sharpness (`faces.refine.sharpness`) below which a frame, or a photo, is no ground truth.
        sharpness_share: the same as a share of the track's median: a frame far below it is out of focus or moved too
            fast. Photos are spared: they have nothing in common, so their median judges none of them.
        min_fps: frames per second below which frames are not averaged: between them lies more than motion.
        backend: "auto" chooses decord or PyAV for each file; "decord", "pyav" or "torchcodec" reads all by one.
        retry: also try again the files that hung or crashed before, as they may on a busy machine.
        samples: pairs on the report's contact sheet.
        cluster: see `ClusterSettings`.

    Raises:
        ValueError: naming the field.
    """

    faces: str = "largest"
    min_sharpness: float = 15.0
    sharpness_share: float = 0.5
    min_fps: float = 10.0
    backend: str = "auto"
    retry: bool = False
    samples: int = 24
    cluster: ClusterSettings = field(default_factory=ClusterSettings)

    def __post_init__(self) -> None:
        check(self.faces in FACES, "faces", f"one of {', '.join(FACES)}", self.faces)
        backends = [name for name in BACKENDS if name not in ("images", "album")]
        check(self.backend in backends, "backend", f"one of {', '.join(backends)}", self.backend)
        check_count("samples", self.samples, 0)
        check_range(self, 0, math.inf, "min_sharpness", "min_fps")
        check(0 <= self.sharpness_share < 1, "sharpness_share", "in [0, 1)", self.sharpness_share)

    def decisive(self) -> list[str | float]:
        """What the windows depend on."""
        return [self.faces, self.min_sharpness, self.sharpness_share, self.min_fps, self.backend]
