"""The evaluation against its judges alone: what reading, scoring and writing cost beside detector, landmarks, identity;
and beside a program that keeps one core busy.

Two processes each time. The bare judges are plain loops over the same images, already loaded and resized; both sides
use the same worker processes, with their models loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.command_line import parser, show
from benchmarks.timing import busy_program, paired, ratio_line
from facedeblur.data.corpora.settings import CorpusSettings
from facedeblur.data.demo import DemoSettings
from facedeblur.evaluation.judging import JudgePool
from facedeblur.evaluation.runner import Evaluation
from facedeblur.evaluation.settings import EvaluationSettings, TestData
from facedeblur.faces import judges
from facedeblur.faces.crop import resize

WINDOWS, PROCESSES, JUDGED = 240, 2, 256  # fewer would read whole videos for a few images each
BLUR = "pravg7"

Face = tuple[np.ndarray, np.ndarray | None]  # an image, and where its embedding is wanted too the true landmarks


def report(clips: Path | None, folder: Path, rounds: int) -> Iterator[str]:
    """Two lines; `clips` is a folder of videos as `data.root`, or None: a demo corpus."""
    corpus = None if clips is None else CorpusSettings("clips", str(clips), val_fraction=0.0)
    demo = DemoSettings(identities=1, val_identities=4, frames=90)
    settings = EvaluationSettings(
        "bench", str(folder), (), (BLUR,), TestData("bench", str(folder / "cache"), corpus, demo), images=WINDOWS,
        jobs=PROCESSES, shard=WINDOWS // 2,
    )  # fmt: skip
    faces = _faces(Evaluation(settings))
    rounds = min(rounds, 2)
    calls = 3 * (rounds + 1)  # of the whole evaluation: once beside its judges, twice beside itself
    prepared = iter([Evaluation(replace(settings, name=f"bench-{number}")) for number in range(calls)])
    with JudgePool(settings.judge, PROCESSES) as pool:
        pool.warm_up()

        def bare() -> None:
            halves = [pool.run(_judge, faces[first::PROCESSES]) for first in range(PROCESSES)]
            for half in halves:
                half.result()

        def whole() -> None:
            next(prepared).run(pool)

        def beside() -> None:
            with busy_program():
                whole()

        alone, evaluated = paired(bare, whole, rounds)
        name = "evaluation, images/s / those of its bare judges, 2 processes"
        yield ratio_line(name, alone, evaluated, "at least 0.85")
        idle, disturbed = paired(whole, beside, rounds)
        yield ratio_line("evaluation beside one busy program / idle, images/s", idle, disturbed, "at least 0.4")


def _faces(evaluation: Evaluation) -> list[Face]:
    """What the judges see of blurred and oracle, and the sharp faces' embeddings, which serve the oracle too."""
    faces: list[Face] = []
    for shard in evaluation.shards():
        for pair in evaluation.tests.pairs(shard.blur, shard.rows, evaluation.size):
            truth = pair.truth * (JUDGED / evaluation.size)
            faces += [(resize(pair.blurry, JUDGED), truth), (resize(pair.sharp, JUDGED), truth)]
    return faces


def _judge(faces: Sequence[Face]) -> None:
    """A plain loop over the judges."""
    detector, localizer, embedder = judges.detector(), judges.localizer("dlib"), judges.embedder("dlib")
    for image, truth in faces:
        for x0, y0, x1, y1, _ in detector.detect(image)[:1]:
            localizer.localize(image, (x0, y0, x1, y1))
        embedder.embed(image, truth)


if __name__ == "__main__":
    show(report, parser("evaluation", __doc__, "folder of videos").parse_args())
