"""Which frames a plan's windows may be cut from: the runs of its face tracks, which preparation left in the cache."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from facedeblur.data.corpora import Clip
from facedeblur.data.frames.index import FaceRun
from facedeblur.data.plans.plan import Plan
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.faces.crop import crop_box
from facedeblur.faces.track import FaceTrack, load_people
from facedeblur.faces.tracking import track_videos
from facedeblur.video.index import index_videos


def find_runs(
    plan: Plan, clips: Iterable[Clip], cache: str | Path, settings: PrepareSettings, jobs: int = 1
) -> list[FaceRun]:
    """The whole run of every window of a plan.

    Args:
        clips: those that were planned.
        settings: with which they were planned.
        cache: that preparation filled; what it lost since is indexed and tracked again.
    """
    names, codes = plan.codes("video")
    clips = {clip.path: clip for clip in clips if clip.path in set(names.tolist())}
    infos = index_videos(list(clips), cache, jobs, backend=settings.backend)
    annotations = {clip.path: clip.annotation for clip in clips.values() if clip.annotation}
    infos = [info for info in infos if not info.error]
    tracks = track_videos(infos, cache, jobs, annotations=annotations)
    start, length = plan.column("start"), plan.column("length")
    boxes = [plan.column(name) for name in ("x", "y", "side")]
    code_of = {name: code for code, name in enumerate(names.tolist())}
    runs = []
    for info in infos:
        if isinstance(tracks[info.path], str):
            continue
        rows = (codes == code_of[info.path]).nonzero()[0]
        wanted = {
            (int(start[row]), int(length[row])): set() for row in rows
        }  # (start, length) -> boxes of the target frame: people in one picture
        for row in rows:
            wanted[int(start[row]), int(length[row])].add(tuple(int(column[row]) for column in boxes))
        for track in _people(tracks[info.path], info.backend, settings):
            for first, stop in track.segments():
                if _holds(track, first, stop, wanted):
                    runs.append(FaceRun(info.path, info.backend, info.fingerprint, first, track.landmarks[first:stop]))
    return runs


def _people(path: Path, backend: str, settings: PrepareSettings) -> list[FaceTrack]:
    """The tracks that were planned, less the frames that are no ground truth."""
    people = load_people(path)
    share = 0.0 if backend == "album" else settings.sharpness_share
    chosen = people if settings.faces == "all" else people[:1]
    return [track.without_blurred(settings.min_sharpness, share)[0] for track in chosen]


def _holds(track: FaceTrack, first: int, stop: int, wanted: dict[tuple[int, int], set[tuple[int, int, int]]]) -> bool:
    """Whether a window lies in frames [first, stop) and shows this face."""
    return any(
        first <= start and start + length <= stop and tuple(crop_box(track.landmarks[start + length // 2])) in boxes
        for (start, length), boxes in wanted.items()
    )
