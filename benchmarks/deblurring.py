"""The whole video pipeline against its slowest stage alone, the cores it keeps at work, and beside a busy program.

The slowest stage alone has all cores to itself and its inputs in memory, so the whole cannot reach it: with stages of
c1, c2, ... seconds of processor time a frame, of which the largest is c, no pipeline does better than
c / (c1 + c2 + ...), which is the line "at most". That and the share of the cores' time that is used say how well the
stages overlap.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage import data

from benchmarks.command_line import parser, show
from benchmarks.timing import busy_program, paired, ratio_line
from facedeblur.blur.face_fields import displacement_fields
from facedeblur.blur.photo_motion import moving
from facedeblur.cores import usable_cores
from facedeblur.data.demo import DemoSettings, render_demo
from facedeblur.faces.crop import crop_box
from facedeblur.faces.dlib_models import has_dlib
from facedeblur.faces.follow_all import FacesFollower
from facedeblur.inference.api import FaceDeblurrer
from facedeblur.inference.deblur import DeblurOptions, run
from facedeblur.inference.find import FaceFinder
from facedeblur.inference.load import load
from facedeblur.inference.paste import network_crop, paste
from facedeblur.inference.tracks import track_faces
from facedeblur.models.build import build_networks
from facedeblur.models.deblurrer import NetworkDeblurrer
from facedeblur.models.registry import weight_names
from facedeblur.models.settings import ModelSettings
from facedeblur.training import hardware
from facedeblur.video.open import open_source
from facedeblur.video.write import write_video

FRAMES = 96
HEIGHT, WIDTH = 720, 1280
MODEL = ModelSettings(image_size=128, base_width=32, hourglass_features=128, hourglass_stacks=1)  # scale=small


def report(clip: Path | None, folder: Path, rounds: int) -> Iterator[str]:
    """A line per stage, then the ratio. `clip` is a video with a face, of which the beginning is taken, or None: a demo
    clip. The network is that of the shipped weights, else one of scale=small without training, which costs the same."""
    if not has_dlib():
        yield "video pipeline: needs the extra faces (dlib)"
        return
    bench = _Bench(_clip(clip, folder), folder)
    torch.set_num_threads(1)  # as in the pipeline: threads that wait for each other would count as work
    used = {name: _cost(stage)[1] for name, stage in bench.stages().items()}
    hardware.set_threads("auto")
    walls = {name: _cost(stage)[0] for name, stage in bench.stages().items()}
    for name, wall in walls.items():
        line = f"deblur a video, {name} alone, ms a frame"
        yield f"{line:<58}{1000 * wall / bench.count:8.2f}  ({1000 * used[name] / bench.count:.2f} of processor time)"
    slowest = max(walls, key=walls.get)
    yield f"{'deblur a video, whole / slowest stage, at most':<58}{used[slowest] / sum(used.values()):8.2f}"
    alone, whole = paired(bench.stages()[slowest], bench.whole, rounds)
    yield ratio_line(f"deblur a video, whole pipeline / {slowest} alone, speed", alone, whole, "at least 0.65")
    large = _Bench(_portrait(folder), folder)
    torch.set_num_threads(1)
    for name, (_, processor) in ((name, _cost(stage)) for name, stage in large.stages().items()):
        line = f"deblur a {HEIGHT}p video, {name} alone, ms a frame"
        yield f"{line:<58}{1000 * processor / large.count:8.2f}  of processor time"
    wall, processor = _cost(large.whole)
    name = f"deblur a {HEIGHT}p video with one face, end to end, frames/s"
    yield f"{name:<58}{large.count / wall:8.1f}  25"
    line = f"deblur a {HEIGHT}p video, end to end, ms a frame"
    yield f"{line:<58}{1000 * processor / large.count:8.2f}  of processor time"
    share = processor / wall / usable_cores()
    yield f"{'deblur a video, processor time / time of all cores':<58}{share:8.2f}  (at least 0.85 on two cores)"

    def beside() -> None:
        with busy_program():
            bench.whole()

    idle, disturbed = paired(bench.whole, beside, rounds)
    yield ratio_line("deblur a video, beside one busy program / idle, speed", idle, disturbed, "at least 0.4")


class _Bench:
    """Every stage on the same frames; torch has a thread for every core where the network runs alone."""

    def __init__(self, clip: Path, folder: Path) -> None:
        self.model = load() if weight_names() else _untrained()
        self.clip, self.out, self.options = clip, folder / "out.mp4", DeblurOptions("largest", always=True)
        self.frames = _read(clip)
        self.count = len(self.frames)
        self.boxes = [[crop_box(face.landmarks) for face in faces] for _, faces in self._track()]
        self.given = [
            [network_crop(frame, box, self.model.size) for box in boxes]
            for frame, boxes in zip(self.frames, self.boxes, strict=True)
        ]
        self.crops = [face for faces in self.given for face in faces]
        if len(self.crops) < self.count // 2:
            raise SystemExit(f"{clip}: faces in {len(self.crops)} of {self.count} frames; give another clip")

    def stages(self) -> dict[str, Callable[[], object]]:
        return {
            "decoding": lambda: _read(self.clip),
            "following faces": self._track,
            "the network": lambda: run(self.model.deblurrer, self.crops, self.options.batch),
            "pasting": self._paste,
            "encoding": lambda: write_video(self.out, self.frames, preset="veryfast", threads=0),
        }

    def whole(self) -> None:
        self.model.video(self.clip, self.out, faces="largest", always=True)

    def _track(self) -> list:
        finder = self.model.video_finder
        return list(
            track_faces(self.frames, FacesFollower(finder.follow or finder.detector, finder.localizer, largest=True))
        )

    def _paste(self) -> None:
        for frame, boxes, given in zip(self.frames, self.boxes, self.given, strict=True):
            paste(frame, boxes, given, [1 - face for face in given])


def _untrained() -> FaceDeblurrer:
    torch.manual_seed(0)
    networks = build_networks(MODEL).to(memory_format=torch.channels_last)
    return FaceDeblurrer(NetworkDeblurrer(networks.generator, networks.hourglass), MODEL.image_size)


def _clip(clip: Path | None, folder: Path) -> Path:
    if clip is None:
        demo = render_demo(folder / "faces", DemoSettings(identities=1, val_identities=0, clips_per_identity=1))
        clip = sorted(demo.rglob("*.mp4"))[0]
    short = folder / "short.mp4"
    with open_source(clip) as source:
        write_video(short, source.frames(0, FRAMES), fps=source.fps)
    return short


def _portrait(folder: Path) -> Path:
    """A person who sways before a wall, in focus and filmed with a long exposure, in 720p: an MP4 file."""
    photo = cv2.resize(data.astronaut(), (HEIGHT, HEIGHT), interpolation=cv2.INTER_CUBIC)
    side = (WIDTH - HEIGHT) // 2
    photo = cv2.copyMakeBorder(photo, 0, 0, side, side, cv2.BORDER_REPLICATE)
    points = FaceFinder.dlib().find(photo)[0]
    time = 2 * np.pi * np.arange(2 * FRAMES)[:, None] / 48
    amounts = np.hstack([0.15 * np.sin(time), 0.05 * np.cos(time), 0.05 * np.sin(2 * time), np.zeros((2 * FRAMES, 3))])
    frames = moving(photo, amounts.astype(np.float32), displacement_fields(photo.shape[:2], points, True))
    path = folder / "portrait.mp4"
    pairs = zip(frames, frames, strict=True)  # two positions of an exposure
    write_video(path, (cv2.addWeighted(first, 0.5, second, 0.5, 0) for first, second in pairs), fps=25)
    return path


def _read(clip: Path) -> list[np.ndarray]:
    with open_source(clip, "pyav") as source:
        return list(source.frames())


def _cost(stage: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of processor time, of the faster of two turns."""
    costs = []
    for _ in range(2):
        begin, used = time.perf_counter(), time.process_time()
        stage()
        costs.append((time.perf_counter() - begin, time.process_time() - used))
    return min(costs)


if __name__ == "__main__":
    show(report, parser("deblurring", __doc__, "a video with a face").parse_args())
