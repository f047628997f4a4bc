"""One photo or video from file to file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from facedeblur.errors import UsageError
from facedeblur.files import write_atomic
from facedeblur.inference.api import FaceDeblurrer
from facedeblur.inference.deblur import DEFAULTS, DeblurOptions, deblur_pictures
from facedeblur.inference.jobs import Job
from facedeblur.inference.photo import PhotoError, encode_photo, read_photo
from facedeblur.inference.video import VideoDeblurrer
from facedeblur.progress import StepProgress
from facedeblur.video.outline import outline
from facedeblur.video.rewrite import rewrite_video
from facedeblur.video.source import VideoError

MAX_PHOTO_BYTES = 2**30


@dataclass(frozen=True)
class Outcome:
    """Faces in a file, those of them that were left alone because they look sharp, and all of it as a line."""

    faces: int
    sharp: int
    text: str


@dataclass(frozen=True)
class FileDeblurrer:
    """Reads, deblurs and writes the files of one command.

    Attributes:
        model: the network.
        options: how faces are treated.
        compare: write the input beside the result.
        crf: of videos.
    """

    model: FaceDeblurrer
    options: DeblurOptions = DEFAULTS
    compare: bool = False
    crf: int = 16

    def __call__(self, job: Job) -> Outcome:
        """Do one job. Raises UsageError, with the file's name and a reason, where that is impossible."""
        try:
            return self._video(job) if job.video else self._photo(job)
        except VideoError as error:
            raise UsageError(str(error).replace(str(job.source), job.name)) from None
        except OSError as error:
            raise UsageError(f"{job.name}: {error.strerror or error} ({error.filename or job.target})") from None

    def _photo(self, job: Job) -> Outcome:
        if job.source.stat().st_size > MAX_PHOTO_BYTES:
            raise UsageError(f"{job.name}: larger than {MAX_PHOTO_BYTES >> 20} MB; not read as a picture")
        photo = read_photo(job.source.read_bytes(), job.name)
        finder = None if self.options.aligned else self.model.photo_finder
        [done] = deblur_pictures([photo.pixels], self.model.deblurrer, self.model.size, finder, self.options)
        if not done.faces:
            raise UsageError(f"{job.name}: no face found; nothing written")
        pixels = done.picture
        if self.compare:
            pixels = np.hstack([photo.pixels, pixels])
            photo = photo if photo.alpha is None else replace(photo, alpha=np.hstack([photo.alpha, photo.alpha]))
        try:
            content = encode_photo(photo, pixels, job.target.suffix if job.target else ".png")
        except PhotoError as error:
            raise PhotoError(f"{job.name}: {error}") from None
        if job.target:
            write_atomic(job.target, content)
        else:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        return Outcome(done.faces, done.sharp, f"{job.name}: {_faces(done.faces)}{_sharp(done.sharp)}")

    def _video(self, job: Job) -> Outcome:
        facts = outline(job.source)
        finder = None if self.options.aligned else self.model.video_finder
        change = VideoDeblurrer(self.model.deblurrer, self.model.size, finder, self.options)
        progress = StepProgress(job.source.name)

        def changed(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            for number, (before, after) in enumerate(change(frames), start=1):
                progress(number, max(facts.frames, number + 1))
                yield np.hstack([before, after]) if self.compare else after
            progress(change.counts.frames, change.counts.frames)
            if not change.counts.faces:
                raise UsageError(f"{job.name}: no face found in {change.counts.frames} frames; nothing written")

        rewrite_video(job.source, job.target, changed, self.crf)
        counts = change.counts
        text = f"{job.name}: {_faces(counts.faces)} in {counts.with_face} of {counts.frames} frames"
        dropped = f"; without {', '.join(facts.dropped)}" if facts.dropped else ""
        return Outcome(counts.faces, counts.sharp, text + _sharp(counts.sharp) + dropped)


def _faces(count: int) -> str:
    return f"{count} face{'' if count == 1 else 's'}"


def _sharp(count: int) -> str:
    return f", {count} of them sharp already and left alone" if count else ""
