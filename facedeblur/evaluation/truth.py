"""The true landmarks of a test set: whether they are given, and by whom they are found where they are not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from facedeblur.data.corpora import Clip, is_album
from facedeblur.data.pairs.pair import PairMeta, open_video
from facedeblur.data.plans.plan import PlannedWindow
from facedeblur.faces.annotation import annotation_path
from facedeblur.faces.dlib_models import landmark_box
from facedeblur.faces.protocols import Localizer
from facedeblur.video.album import Still, read_album


def localised(windows: Mapping[int, PlannedWindow], meta: PairMeta, localizer: Localizer) -> dict[int, np.ndarray]:
    """row -> landmarks of its target frame by another localiser, which gets the box of the known ones.

    `meta` is that of one of the windows, which are all of one video.
    """
    by_frame: dict[int, list[int]] = {}
    for row, planned in windows.items():
        by_frame.setdefault(planned.window.target, []).append(row)
    found = {}
    with open_video(meta) as source:
        first = min(by_frame)
        for index, frame in enumerate(source.frames(first, max(by_frame) + 1), start=first):
            for row in by_frame.get(index, ()):
                found[row] = localizer.localize(frame, landmark_box(windows[row].landmarks))
    return found


def annotation_kinds(clip: Clip) -> list[bool]:
    """Whether landmarks are given: for a clip as a whole, for an album of each photo."""
    if is_album(clip):
        return [still.points is not None for still in stills_of(clip.path)]
    return [is_annotated(clip, 0)]


def is_annotated(clip: Clip, frame: int) -> bool:
    """Whether landmarks are given for a frame: photos of one album each have theirs or not."""
    if is_album(clip):
        return stills_of(clip.path)[frame].points is not None
    return clip.annotation is not None or annotation_path(clip.path).is_file()


@lru_cache(maxsize=256)
def stills_of(path: str) -> list[Still]:
    """The photos of an album, read once."""
    return read_album(path)
