"""Whole frames of a test set's windows, blurred as its crops are: what the front door is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from facedeblur.blur.averages import average
from facedeblur.blur.kernels import apply_kernel
from facedeblur.blur.response import response
from facedeblur.blur.schedule import Schedule
from facedeblur.blur.trajectory import trajectory_kernel_at
from facedeblur.data.pairs.pair import blurry_partners, describe, open_video
from facedeblur.data.plans.plan import PlannedWindow
from facedeblur.evaluation.testset import BlurSet


def blurred_frames(blur: BlurSet, rows: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(row, RGB uint8 (H, W, 3)) for rows of `blur.plan`, in any order: the mean of the window's frames; the frame
    under its kernel, whose extent is in proportion to the face's crop; or the blurry picture that is given. Raises
    VideoError for a video that cannot be read to its end.
    """
    by_video: dict[str, list[int]] = {}
    for row in rows:
        by_video.setdefault(blur.plan.column("video")[row], []).append(row)
    for mine in by_video.values():
        windows = {row: blur.plan[row] for row in mine}
        meta = describe(windows[mine[0]], mine[0], 128, {blur.schedule.name: blur.schedule})
        with open_video(meta) as source:
            for group in _apart(windows):
                spans = [(windows[row].window.start, _stop(windows[row])) for row in group]
                given = blur.schedule.kind == "given"
                frames = (blurry_partners(meta.video, source) if given else source).read_ranges(spans)
                for row, (start, stop) in zip(group, spans, strict=True):
                    taken = [frame for _, (_, frame) in zip(range(start, stop), frames, strict=False)]
                    yield row, blurred(taken, windows[row], blur.schedule)


def blurred(frames: Sequence[np.ndarray], window: PlannedWindow, schedule: Schedule) -> np.ndarray:
    """The frames (H, W, 3) of one window as one blurry frame; all RGB uint8."""
    curve = response(window.response)
    if window.kernel_seed is None:
        return np.rint(average(frames, curve)).clip(0, 255).astype(np.uint8)
    [sharp] = frames
    if schedule.kind == "given":  # the blurry picture itself
        return sharp
    if schedule.kind == "trajectory":
        kernel = trajectory_kernel_at(window.kernel_seed, window.crop.side, schedule.trajectory, schedule.seed)
    else:
        kernel = schedule.kernel(window.kernel_seed, window.crop.side)
    light = curve.encode(apply_kernel(curve.decode(sharp), kernel))
    return np.rint(light).clip(0, 255).astype(np.uint8)


def _apart(windows: dict[int, PlannedWindow]) -> list[list[int]]:
    """Rows in groups, each sorted by start and without windows that share frames: one pass over the video each."""
    groups: list[list[int]] = []
    for row in sorted(windows, key=lambda row: windows[row].window.start):
        start = windows[row].window.start
        group = next((group for group in groups if _stop(windows[group[-1]]) <= start), None)
        if group is None:
            groups.append([row])
        else:
            group.append(row)
    return groups


def _stop(planned: PlannedWindow) -> int:
    return planned.window.start + planned.window.length
