"""`prepare` against bare face detection of the same frames, on one core: `python -m benchmarks.prepare [folder]`."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

import cv2

from benchmarks.command_line import parser, show
from benchmarks.timing import paired
from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora.clip import videos_in
from facedeblur.data.demo import DemoSettings, render_demo
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.data.prepare.video_windows import WindowTask, plan_one
from facedeblur.faces.annotation import annotation_of
from facedeblur.faces.dlib_models import DlibDetector
from facedeblur.faces.tracking import track_into
from facedeblur.video.index import inspect_video
from facedeblur.video.open import open_source

FILES, FRAMES = 6, 120
SCHEDULES = tuple(named_schedule(name) for name in ("vla", "pravg"))


def report(clips: Path | None, folder: Path, rounds: int) -> Iterator[str]:
    """One line: frames per second of index, tracks and windows over those of the detector, median over some files."""
    cv2.setNumThreads(1)
    videos = videos_without_annotation(clips, folder)
    ratios = []
    for number, video in enumerate(videos):
        info = inspect_video((str(video), "auto"))
        if info.error or info.frames > 10 * FRAMES:
            continue
        passes = iter(range(10**6))
        ours, detector = paired(
            lambda video=video, number=number, passes=passes: _prepare(video, folder / f"{number}-{next(passes)}"),
            lambda info=info: _detect(info.path, info.backend),
            rounds,
        )
        ratios.append(min(detector) / min(FRAMES, info.frames) * info.frames / min(ours))
    yield (
        f"{'prepare / detecting faces in every frame, one core':<58}{statistics.median(ratios):8.3f}"
        f"  (min {min(ratios):.3f}, {len(ratios)} files)  at least 0.5"
    )


def videos_without_annotation(clips: Path | None, folder: Path) -> list[Path]:
    """Some videos of a folder, or rendered ones, copied to where no landmarks lie beside them."""
    source = clips or render_demo(folder / "demo", DemoSettings(identities=3, val_identities=1, frames=FRAMES))
    found = list(videos_in(source))
    copies = []
    for number, video in enumerate(found[:: max(1, len(found) // FILES)][:FILES]):
        copies.append(folder / f"{number}{video.suffix}")
        shutil.copy(video, copies[-1])
    return copies


def _prepare(video: Path, cache: Path) -> None:
    """All that `prepare` does for one file, in this process."""
    info = inspect_video((str(video), "auto"))
    tracks = cache / "tracks.npz"
    track_into((info, annotation_of(info.path), tracks))
    task = WindowTask.of(info, tracks, SCHEDULES, False, PrepareSettings(), cache)
    reason = plan_one(task)
    if reason:
        raise RuntimeError(f"{video}: {reason}")


def _detect(path: str, backend: str) -> None:
    detector = DlibDetector()
    with open_source(path, backend) as source:
        for frame in source.frames(0, FRAMES):
            detector.detect(frame)


if __name__ == "__main__":
    show(report, parser("prepare", __doc__, "folder of videos", rounds=2).parse_args())
