"""The blur windows of one video: where they are, where the face is, and how strong their blur is.

The video is read forward once for all schedules. Only the luminance around the face is kept, and only as long as an
unfinished window needs it, so memory does not grow with the length of the video.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cv2
import numpy as np

from facedeblur.blur.quality import (
    MEASURE_SIZE,
    WindowQuality,
    average_quality,
    blur_quality,
    kernel_quality,
    quantised,
)
from facedeblur.blur.response import response
from facedeblur.blur.schedule import Schedule, blur_single, chosen_windows
from facedeblur.blur.vla import reversed_vla_windows, vla_windows
from facedeblur.blur.windows import pravg_windows, reversed_range, without_duplicates
from facedeblur.data.prepare.frame_buffer import FrameBuffer
from facedeblur.faces.crop import crop, points_to_crop, resize
from facedeblur.faces.track import FaceTrack
from facedeblur.video.album import AlbumSource, is_missing
from facedeblur.video.source import FrameSource

PIECE_BYTES = 192 * 2**20  # luminance held at once while VLA windows are sought in a long shot
PIECE_FRAMES = 1024

Row = dict[str, Any]


@dataclass
class VideoPlan:
    """`rows`: windows as dictionaries of the columns of `plan.SCHEMA`, less those that name the clip (corpus, identity,
    split, video, backend). `rejects`: candidates dropped, by schedule and reason."""

    rows: list[Row] = field(default_factory=list)
    rejects: dict[str, Counter[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Task:
    """Rows that can be made once frames [start, stop) are in the buffer."""

    start: int
    stop: int
    rows: Callable[[], Iterator[Row]]


def plan_video(
    source: FrameSource, track: FaceTrack, schedules: Sequence[Schedule], fingerprint: str, reverse: bool = False
) -> VideoPlan:
    """All windows of one video, ordered by schedule, direction, start and length.

    No window crosses a hard cut or a frame without landmarks. A video that ends before its track gives the windows it
    can.

    Args:
        source: the video.
        track: of one face through it.
        schedules: under which windows are looked for.
        fingerprint: of the file's content; it decides the kernel seeds.
        reverse: the averaging schedules also look for windows from the end of every shot (section 5.1); those that
            repeat a forward window are dropped.

    Raises:
        VideoError: the file cannot be read.
    """
    partners = source.blurry() if isinstance(source, AlbumSource) else None
    planner = _Planner(FrameBuffer(track, source.width, source.height), track, fingerprint, reverse, partners)
    tasks = [task for schedule in schedules for task in planner.tasks(schedule)]
    rows = list(_run(source, sorted(tasks, key=lambda task: task.stop), planner.buffer))
    order = {schedule.name: position for position, schedule in enumerate(schedules)}
    rows.sort(key=lambda row: (order[row["schedule"]], row["reverse"], row["start"], row["length"]))
    return VideoPlan(rows, planner.rejects)


def _run(source: FrameSource, tasks: list[_Task], buffer: FrameBuffer) -> Iterator[Row]:
    """Read the frames in order and do each task at its last frame; frames that no later task needs are forgotten."""
    if not tasks:
        return
    needed_from = np.minimum.accumulate([task.start for task in tasks][::-1])[::-1].tolist()
    done = 0
    for index, frame in enumerate(source.frames(0, tasks[-1].stop)):
        if index >= needed_from[done]:
            buffer.add(index, frame)
        while done < len(tasks) and tasks[done].stop <= index + 1:
            yield from tasks[done].rows()
            done += 1
        if done == len(tasks):
            return
        buffer.forget(needed_from[done])


def pieces(start: int, stop: int, frame_bytes: int, max_length: int) -> list[tuple[int, int]]:
    """Frames [start, stop) in equal pieces small enough to be held at once, yet at least two longest windows each."""
    most = max(2 * max_length, min(PIECE_FRAMES, PIECE_BYTES // frame_bytes))
    count = -(-(stop - start) // most)
    bounds = np.linspace(start, stop, count + 1).astype(int).tolist()
    return list(zip(bounds[:-1], bounds[1:], strict=True))


def kernel_seed(fingerprint: str, frame: int, schedule: Schedule) -> int:
    """The kernel of one frame of one file under one schedule, in [0, 2 ** 31): a hash, so that it depends on nothing
    else in the corpus."""
    digest = hashlib.sha256(f"{fingerprint}:{frame}:{schedule.name}:{schedule.seed}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


class _Planner:
    """Cuts the segments of a track into tasks and computes the row of each window."""

    def __init__(
        self,
        buffer: FrameBuffer,
        track: FaceTrack,
        fingerprint: str,
        reverse: bool,
        partners: FrameSource | None = None,
    ) -> None:
        self.buffer = buffer
        self.rejects: dict[str, Counter[str]] = {}
        self._track, self._fingerprint, self._reverse = track, fingerprint, reverse
        self._partners = partners

    def tasks(self, schedule: Schedule) -> Iterator[_Task]:
        self.rejects[schedule.name] = Counter()
        if schedule.kind == "given" and self._partners is None:
            self.rejects[schedule.name]["no blurry pictures"] += 1
            return
        for start, stop in self._track.segments():
            if schedule.uses_kernels:
                for frame in range(start, stop, schedule.kernel_stride):
                    yield _Task(frame, frame + 1, partial(self._kernel_row, schedule, frame))
            elif schedule.kind == "vla":
                for first, last in pieces(start, stop, self.buffer.area(start), schedule.vla.max_length):
                    yield _Task(first, last, partial(self._vla_rows, schedule, first, last))
            else:
                yield from self._average_tasks(schedule, start, stop)

    def _average_tasks(self, schedule: Schedule, start: int, stop: int) -> Iterator[_Task]:
        """A reversed window is compared with forward ones of every length: 9 frames can repeat the blur of 7."""
        forward = []
        if schedule.kind == "windows":
            chosen = chosen_windows(self._track.landmarks[start:stop].copy(), schedule)
            forward = [(start + first, length) for first, length in chosen]
            if not forward:
                self.rejects[schedule.name]["none chosen"] += 1
        for length in schedule.lengths:
            found = pravg_windows(start, stop, length, schedule.stride)
            if not found:
                self.rejects[schedule.name]["short: end"] += 1
            forward += found
        backward = [reversed_range(*window, start, stop) for window in forward] if self._reverse else []
        for windows, is_reverse in ((forward, False), (without_duplicates(backward, forward), True)):
            for first, length in windows:
                yield _Task(first, first + length, partial(self._pravg_row, schedule, first, length, is_reverse))

    def _pravg_row(self, schedule: Schedule, start: int, length: int, reverse: bool) -> Iterator[Row]:
        box = self.buffer.local_box(start + length // 2)
        crops = [crop(self.buffer[index], box) for index in range(start, start + length)]
        quality = average_quality(crops, response(schedule.response))
        yield self._row(schedule, start, length, quality, "length", reverse)

    def _vla_rows(self, schedule: Schedule, start: int, stop: int) -> Iterator[Row]:
        quality = WindowQuality(
            frame=lambda index: self.buffer[start + index],
            box=lambda index: self.buffer.local_box(start + index),
            response=response(schedule.response),
        )
        landmarks = self._track.landmarks[start:stop]
        forward, rejects = vla_windows(landmarks, quality.ssim, schedule.vla, schedule.stride)
        self.rejects[schedule.name] += rejects
        found = [(window, False) for window in forward]
        if self._reverse:
            backward, rejects = reversed_vla_windows(landmarks, quality.ssim, schedule.vla, schedule.stride)
            self.rejects[schedule.name] += rejects
            ranges = [(window.start, window.length) for window in backward]
            new = set(without_duplicates(ranges, [(window.start, window.length) for window in forward]))
            found += [(window, True) for window, frames in zip(backward, ranges, strict=True) if frames in new]
        for window, is_reverse in found:
            measured = quality.measure(window.start, window.start + window.length)
            yield self._row(schedule, start + window.start, window.length, measured, window.stop, is_reverse)

    def _kernel_row(self, schedule: Schedule, frame: int) -> Iterator[Row]:
        seed = kernel_seed(self._fingerprint, frame, schedule)
        sharp = crop(self.buffer[frame], self.buffer.local_box(frame))
        if schedule.kind == "given":
            blurry = self._partner(frame)
            if is_missing(blurry):
                self.rejects[schedule.name]["blurry picture cannot be decoded"] += 1
                return
            blurry = crop(cv2.cvtColor(blurry, cv2.COLOR_RGB2GRAY), self.buffer.boxes[frame])
            quality = blur_quality(resize(blurry, MEASURE_SIZE), resize(sharp, MEASURE_SIZE))
        elif schedule.kind in ("motion", "plugin"):
            points = points_to_crop(self._track.landmarks[frame], self.buffer.boxes[frame], MEASURE_SIZE)
            sharp = resize(sharp, MEASURE_SIZE)
            quality = blur_quality(quantised(blur_single(sharp, schedule, seed, points)), sharp)
        else:
            quality = kernel_quality(sharp, schedule.kernel(seed, MEASURE_SIZE), response(schedule.response))
        yield {**self._row(schedule, frame, 1, quality, "kernel", False), "kernel_seed": seed}

    def _partner(self, frame: int) -> np.ndarray:
        return next(self._partners.frames(frame, frame + 1))

    def _row(
        self, schedule: Schedule, start: int, length: int, quality: tuple[float, float], stop: str, reverse: bool
    ) -> Row:
        target = start + length // 2
        x, y, side = self.buffer.boxes[target]
        return {
            "schedule": schedule.name,
            "response": response(schedule.response).name,
            "start": start,
            "length": length,
            "reverse": reverse,
            "kernel_seed": -1,
            "x": x,
            "y": y,
            "side": side,
            "psnr": quality[0],
            "ssim": quality[1],
            "shot": bisect_right(self._track.cuts, start),
            "stop": stop,
            "landmarks": self._track.landmarks[target],
        }
