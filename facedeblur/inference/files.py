"""One photo or video from file to file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np

from facedeblur.errors import UsageError
from facedeblur.files import write_atomic
from facedeblur.images import changed_part
from facedeblur.inference.deblur import DEFAULTS, DeblurOptions, check_boxes, deblur_pictures
from facedeblur.inference.find import FaceFinder
from facedeblur.inference.jobs import FileJob
from facedeblur.inference.paste import white_of
from facedeblur.inference.photo import PhotoError, encode_photo, read_photo
from facedeblur.inference.video import VideoDeblurrer
from facedeblur.models.deblurrer import Deblurrer
from facedeblur.progress import StepProgress
from facedeblur.video.outline import VideoOutline, outline
from facedeblur.video.rewrite import rewrite_video
from facedeblur.video.rewrite_reader import Seconds
from facedeblur.video.source import VideoError

MAX_PHOTO_BYTES = 2**30
NO_FACE = "no face found; nothing written; say where it is: --box x,y,width,height"

Progress = Callable[[int, int], object]  # frames done, frames in all


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        input, output: what it was called, and where the result lies; "-" is standard output.
        faces: in a photo; in a video, the most in one frame.
        sharp: faces, or frames of a video, that were left alone because they look sharp.
        changed: share of all pixels, in [0, 1].
        levels: by how much those changed on average, in grey levels of 255.
        frames, with_face: of a video, all and those with a face; 0 for a photo.
        dropped: streams of a video that the result lacks.
    """

    input: str
    output: str
    faces: int
    sharp: int
    changed: float
    levels: float
    frames: int = 0
    with_face: int = 0
    dropped: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it as a line."""
        found = f"{self.faces} face{'' if self.faces == 1 else 's'}"
        if self.frames:
            at_once = " at once" if self.faces > 1 else ""
            found += f"{at_once} in {self.with_face} of {self.frames} frames"
        if self.sharp:
            what = f"in {self.sharp} of them" if self.frames else f"{self.sharp} of them"
            found += f", {what} sharp already and left alone"
        share = f"{100 * self.changed:.2g}" if self.changed < 0.1 else f"{100 * self.changed:.0f}"
        done = f"{share} % of the pixels changed, by {self.levels:.1f} of 255 levels"
        dropped = f"; without {', '.join(self.dropped)}" if self.dropped else ""
        return f"{self.input} -> {self.output}: {found}; {done if self.changed else 'nothing changed'}{dropped}"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class _Change:
    """How much pictures differ from what they were."""

    def __init__(self) -> None:
        self.pixels, self.changed, self.total = 0, 0, 0.0

    def add(self, before: np.ndarray, after: np.ndarray) -> None:
        self.pixels += before.shape[0] * before.shape[1]
        if (part := changed_part(before, after)) is None:
            return
        red, green, blue = cv2.split(cv2.absdiff(before[part], after[part]))
        most = cv2.max(cv2.max(red, green), blue)
        self.changed += cv2.countNonZero(most)
        self.total += float(most.sum(dtype=np.float64)) * 255 / white_of(before.dtype)

    @property
    def share(self) -> float:
        return self.changed / self.pixels if self.pixels else 0.0

    @property
    def levels(self) -> float:
        return self.total / self.changed if self.changed else 0.0


class FaceModel(Protocol):
    """What is needed of a `FaceDeblurrer`: the network, the side of its crops, and who finds faces."""

    deblurrer: Deblurrer
    size: int

    @property
    def photo_finder(self) -> FaceFinder: ...

    @property
    def video_finder(self) -> FaceFinder: ...


@dataclass(frozen=True)
class FileDeblurrer:
    """Reads, deblurs and writes the files of one command.

    Attributes:
        model: the network and its finders.
        options: how faces are treated.
        compare: write the input beside the result.
        crf: of videos.
        part: of videos, in seconds: the beginning and the end, or None for the end of the video.
        metadata: keep what files say of people, places, times and devices.
        progress: given a file's name, what is called for its frames.
        encode_sound: as AAC, where the result's container cannot hold it as it is.
    """

    model: FaceModel
    options: DeblurOptions = DEFAULTS
    compare: bool = False
    crf: int = 16
    part: Seconds = (0.0, None)
    metadata: bool = True
    progress: Callable[[str], Progress] = StepProgress
    encode_sound: bool = False

    def __call__(self, job: FileJob) -> Outcome:
        """Do one job. Raises UsageError, with the file's name and a reason, where that is impossible."""
        try:
            return self._video(job) if job.video else self._photo(job)
        except VideoError as error:
            raise UsageError(str(error).replace(str(job.source), job.name)) from None
        except OSError as error:
            raise UsageError(f"{job.name}: {error.strerror or error} ({error.filename or job.target})") from None

    def _photo(self, job: FileJob) -> Outcome:
        if job.source.stat().st_size > MAX_PHOTO_BYTES:
            raise UsageError(f"{job.name}: larger than {MAX_PHOTO_BYTES >> 20} MB; not read as a picture")
        photo = read_photo(job.source.read_bytes(), job.name)
        finder = None if self.options.aligned else self.model.photo_finder
        self._check_boxes(job, photo.pixels)
        [done] = deblur_pictures([photo.pixels], self.model.deblurrer, self.model.size, finder, self.options)
        if not done.faces:
            raise UsageError(f"{job.name}: {NO_FACE}")
        change, pixels = _Change(), done.picture
        change.add(photo.pixels, pixels)
        if not self.metadata:
            photo = photo.without_metadata()
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
        return Outcome(job.name, str(job.target or "-"), done.faces, done.sharp, change.share, change.levels)

    def _video(self, job: FileJob) -> Outcome:
        facts = outline(job.source)
        finder = None if self.options.aligned else self.model.video_finder
        work = VideoDeblurrer(self.model.deblurrer, self.model.size, finder, self.options)
        progress, total, change = self.progress(job.source.name), _frames_in(facts, self.part), _Change()

        def changed(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            for number, (before, after) in enumerate(work(frames), start=1):
                if number == 1:
                    self._check_boxes(job, before)
                progress(number, max(total, number + 1))
                change.add(before, after)
                yield np.hstack([before, after]) if self.compare else after
            progress(work.counts.frames, work.counts.frames)
            if not work.counts.frames:
                raise UsageError(f"{job.name}: no picture between --from and --to")
            if not work.counts.faces:
                raise UsageError(f"{job.name}: {NO_FACE} in the first of its {work.counts.frames} frames")

        options = {"part": self.part, "metadata": self.metadata, "encode_sound": self.encode_sound}
        rewrite_video(job.source, job.target, changed, self.crf, **options)
        counts = work.counts
        return Outcome(
            job.name,
            str(job.target),
            counts.faces,
            counts.sharp,
            change.share,
            change.levels,
            counts.frames,
            counts.with_face,
            facts.dropped,
        )

    def _check_boxes(self, job: FileJob, picture: np.ndarray) -> None:
        try:
            check_boxes(self.options.boxes, picture)
        except ValueError as error:
            raise UsageError(f"{job.name}: --{error}") from None


def _frames_in(facts: VideoOutline, part: Seconds) -> int:
    """How many frames a part of a video should have."""
    start, stop = part
    seconds = float(facts.timeline.seconds) or facts.frames / facts.fps
    return round(facts.frames * max(0.0, min(stop or seconds, seconds) - start) / seconds) if seconds else facts.frames
