"""The faces of a video: followed, deblurred in batches over frames, pasted back; a few frames in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from facedeblur.cores import usable_cores
from facedeblur.faces.crop import CropBox, crop_box
from facedeblur.faces.follow_all import FacesFollower
from facedeblur.inference.deblur import DEFAULTS, DeblurOptions, one_thread_each, run, runs_on_cpu
from facedeblur.inference.find import FaceFinder
from facedeblur.inference.paste import network_crop, paste, whole_box
from facedeblur.inference.sharpness import blend_weight
from facedeblur.inference.tracks import track_faces
from facedeblur.models.deblurrer import Deblurrer
from facedeblur.video.prefetch import mapped, prefetch

# How much of a face's weight is carried over from its last frame, when it rises and when it falls. Blur that sets in
# hides the step, and would be left standing by a slow rise; a slow fall bridges compression and blinks.
RISING, FALLING = 0.4, 0.8

MOST_WORKERS = 4  # batches at the network side by side; each holds its frames in memory
MOST_WAITING = 100e6  # bytes of frames that wait in all batches together; the batches of large ones are smaller


@dataclass
class VideoCounts:
    """Frames so far, those with a face, those whose faces were left alone because sharp, and the most faces in one."""

    frames: int = 0
    with_face: int = 0
    sharp: int = 0
    faces: int = 0


@dataclass
class _Work:
    """One frame and the faces in it that are to be deblurred."""

    frame: np.ndarray
    boxes: list[CropBox] = field(default_factory=list)
    given: list[np.ndarray] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


class VideoDeblurrer:
    """Called with the upright RGB uint8 frames of one video, yields each as it was and as it has become, in order.

    Arguments as for `deblur.deblur_pictures`; `counts` says how far it has come. It reads some frames ahead: those that
    tracks are smoothed over, and those of one batch.
    """

    def __init__(
        self, deblurrer: Deblurrer, size: int, finder: FaceFinder | None, options: DeblurOptions = DEFAULTS
    ) -> None:
        self.deblurrer, self.size, self.finder, self.options = deblurrer, size, finder, options
        self.counts = VideoCounts()
        self._last: dict[int, float] = {}  # weights of the faces in the last frame, by track

    def __call__(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        # Faces are followed in one thread and deblurred in others, while the caller does what it does with the frames.
        with (
            prefetch(self._prepare(frames)) as prepared,
            prefetch(self._restored(prepared)) as done,
        ):
            for before, after in done:
                self.counts.frames += 1
                yield before, after

    def _restored(self, prepared: Iterator[_Work]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        # Frames wait for each other, so that their faces share a batch: as many as would fill it with one face each,
        # because the network takes a tenth less time a face in batches of 8 than of 4.
        # Batches go through the network side by side, one core each: so they wait neither for one another nor, where
        # another program has one of the cores, for the thread that does not get on.
        workers = min(usable_cores(), MOST_WORKERS) if runs_on_cpu(self.deblurrer) else 1
        groups = self._grouped(prepared, workers)
        for frames in mapped(self._batch, groups, workers, one_thread_each if workers > 1 else None):
            yield from frames

    def _grouped(self, prepared: Iterator[_Work], workers: int) -> Iterator[list[_Work]]:
        for first in prepared:
            size = min(self.options.batch, int(MOST_WAITING / workers / first.frame.nbytes))
            yield [first, *islice(prepared, max(size, 1) - 1)]

    def _batch(self, works: list[_Work]) -> list[tuple[np.ndarray, np.ndarray]]:
        restored = iter(run(self.deblurrer, [face for work in works for face in work.given], self.options.batch))
        done, masked = [], not self.options.aligned
        for work in works:
            mine = [next(restored) for _ in work.given]
            done.append((work.frame, paste(work.frame, work.boxes, work.given, mine, work.weights, masked)))
        return done

    def _prepare(self, frames: Iterable[np.ndarray]) -> Iterator[_Work]:
        if self.options.aligned:
            for frame in frames:
                box = whole_box(frame)
                self._count(faces=1, sharp=0)
                yield _Work(frame, [box], [network_crop(frame, box, self.size)], [self.options.strength])
            return
        largest = self.options.faces == "largest"
        given = [(x, y, x + w, y + h) for x, y, w, h in self.options.boxes]
        follower = FacesFollower(self.finder.follow or self.finder.detector, self.finder.localizer, largest, given)
        for frame, faces in track_faces(frames, follower):
            work, weights = _Work(frame), {}
            for face in faces:
                box = crop_box(face.landmarks)
                given = network_crop(frame, box, self.size)
                weights[face.track] = weight = self._weight(face.track, given, box.side)
                if weight * self.options.strength > 0:
                    work.boxes.append(box)
                    work.given.append(given)
                    work.weights.append(weight * self.options.strength * face.presence)
            self._last = weights
            self._count(len(faces), list(weights.values()).count(0.0))
            yield work

    def _weight(self, track: int, given: np.ndarray, side: int) -> float:
        """The weight of this frame, smoothed with those before: neither compression nor a blink may switch it."""
        if self.options.always:
            return 1.0
        now = blend_weight(given, side)
        last = self._last.get(track, now)
        kept = RISING if now > last else FALLING
        smoothed = kept * last + (1 - kept) * now
        return smoothed if smoothed > 0.02 else 0.0  # else a sharp face would never be left quite as it is

    def _count(self, faces: int, sharp: int) -> None:
        self.counts.with_face += faces > 0
        self.counts.sharp += 0 < faces == sharp
        self.counts.faces = max(self.counts.faces, faces)
