"""Render the demo corpus to disk: once, in parallel, and so that a killed run is continued by the next."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from facedeblur.data.demo.identity import Identity, draw_identities
from facedeblur.data.demo.motion import STYLES, draw_trajectory
from facedeblur.data.demo.scene import Person, Scene
from facedeblur.data.demo.settings import VERSION, DemoSettings
from facedeblur.files import write_atomic
from facedeblur.processes import SPAWN
from facedeblur.video.write import write_video

MARKER = "corpus.json"  # written last: a folder that has it is complete
_CRF = 15

Progress = Callable[[int, int, str], None]


def render_demo(
    root: str | Path, settings: DemoSettings | None = None, jobs: int = 1, progress: Progress | None = None
) -> Path:
    """Render the corpus of `settings` under `root`, unless it is there already, and return its folder.

    The folder holds {train,val}/<identity>/<clip>.mp4, and beside each clip <clip>.npz with `landmarks` (F, 68, 2)
    float32 (0-based pixels, x and y, iBUG order) and <clip>.json with identity, corpus (A or B), fps, seed and the
    identity's attributes. Same settings give the same frames, whatever `jobs`. `progress(done, total, identity)`
    counts clips.
    """
    settings = settings or DemoSettings()
    folder = Path(root) / settings.folder
    if (folder / MARKER).exists():
        return folder
    people = draw_identities(settings.identities + settings.val_identities, settings.seed)
    total, done = len(people) * settings.clips_per_identity, 0
    for name in _render_all(folder, people, settings, jobs):
        done += settings.clips_per_identity
        if progress:
            progress(done, total, name)
    content = {"version": VERSION, "settings": asdict(settings), "clips": total, "frames": total * settings.frames}
    write_atomic(folder / MARKER, lambda path: path.write_text(json.dumps(content, indent=1)))
    return folder


def render_identity(folder: Path, index: int, person: Identity, settings: DemoSettings) -> str:
    """Render those clips of one identity that are not yet there; returns the identity's name."""
    split = "train" if index < settings.identities else "val"
    missing = [clip for clip in range(settings.clips_per_identity) if not _stem(folder, split, person, clip).exists()]
    if missing:
        (folder / split / person.name).mkdir(parents=True, exist_ok=True)
        with _one_thread():
            actor = Person(person)
            for clip in missing:
                _render_clip(_stem(folder, split, person, clip), actor, (settings.seed, index, clip), settings)
    return person.name


def _render_all(folder: Path, people: list[Identity], settings: DemoSettings, jobs: int) -> Iterator[str]:
    tasks = [(folder, index, person, settings) for index, person in enumerate(people)]
    if jobs <= 1:
        yield from (render_identity(*task) for task in tasks)
        return
    # Spawned, not forked: the caller may hold threads (torch, a progress bar) that do not survive a fork.
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=SPAWN) as pool:
        try:
            for future in as_completed([pool.submit(render_identity, *task) for task in tasks]):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _stem(folder: Path, split: str, person: Identity, clip: int) -> Path:
    """The clip's JSON file, which is written last and so says that the clip is complete."""
    return folder / split / person.name / f"{person.name}_{clip:02d}{_corpus(clip)}.json"


def _corpus(clip: int) -> str:
    return "AB"[clip % 2]


def _render_clip(sidecar: Path, actor: Person, seed: tuple[int, int, int], settings: DemoSettings) -> None:
    corpus = _corpus(seed[2])
    shots = draw_trajectory(STYLES[corpus], settings.frames, settings.fps, (*seed, 0), settings.motion)
    scene = Scene(actor, corpus, settings.size, (*seed, 1))
    landmarks = np.empty((len(shots), 68, 2), np.float32)

    def frames() -> Iterator[np.ndarray]:
        for index, shot in enumerate(shots):
            image, landmarks[index] = scene.draw(shot)
            yield image

    write_video(sidecar.with_suffix(".mp4"), frames(), settings.fps, crf=_CRF)
    write_atomic(sidecar.with_suffix(".npz"), lambda path: np.savez_compressed(path, landmarks=landmarks))
    content = {
        "identity": actor.identity.name,
        "corpus": corpus,
        "fps": settings.fps,
        "seed": list(seed),
        "attributes": actor.identity.attributes(),
    }
    write_atomic(sidecar, lambda path: path.write_text(json.dumps(content, indent=1)))


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV on one thread: the jobs are the parallelism."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
