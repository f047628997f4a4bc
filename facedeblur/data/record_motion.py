"""`facedeblur motion CLIPS... -o NPZ`: how the faces of videos move, for `blur.motion.recorded`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from facedeblur.blur.recorded_motion import Recording
from facedeblur.cores import usable_cores
from facedeblur.data.corpora.clip import VIDEO_SUFFIXES
from facedeblur.errors import UsageError
from facedeblur.faces.track import load_people
from facedeblur.faces.tracking import track_videos
from facedeblur.files import check_place, default_cache, files_among, shown
from facedeblur.progress import StepProgress
from facedeblur.video.index import index_videos

HELP = """\
Records how faces move: the tracked landmarks of videos, without a pixel. Photos of other people are then moved by them
and averaged, which makes blurry pairs of everybody of whom there is a photo. What is indexed and tracked is kept in
--cache, the one of `facedeblur train`.

use: facedeblur train data=stills data.root=~/photos '+blur.schedules={motion: 1}' blur.motion.recorded=motion.npz ...
(docs/data.md, "Mixtures")
"""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status. Raises UsageError where nothing is recorded."""
    parser = argparse.ArgumentParser(
        "facedeblur motion", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIPS", help="videos, or folders of them")
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="NPZ", help="the file to write")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="indexes and tracks are kept here")
    parser.add_argument("--jobs", type=int, default=usable_cores(), help="child processes")
    flags = parser.parse_args(argv)
    check_place(flags.out, "--out")
    videos = [str(path) for path in files_among(flags.clips, VIDEO_SUFFIXES)]
    if not videos:
        raise UsageError(f"{', '.join(map(str, flags.clips))}: no videos")
    infos = index_videos(videos, flags.cache, flags.jobs, progress=StepProgress("index"))
    tracks = track_videos(infos, flags.cache, flags.jobs, progress=StepProgress("track"))
    runs, unusable = [], 0
    for video, track in tracks.items():
        if isinstance(track, str):
            unusable += 1
            print(f"facedeblur: left out: {shown(video)}: {track}", file=sys.stderr)
            continue
        for person in load_people(track):
            runs += [person.landmarks[first:stop] for first, stop in person.segments()]
    try:
        found = Recording.of(runs)
    except ValueError as error:
        raise UsageError(f"{', '.join(map(str, flags.clips))}: {error}") from None
    found.write(flags.out)
    left = f"; {unusable} of {len(videos)} videos left out" if unusable else ""
    print(
        f"facedeblur: {len(found.landmarks)} frames of {len(found.rows) - 1} runs in {flags.out}{left}", file=sys.stderr
    )
    return 0
