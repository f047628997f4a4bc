"""The clips of a configuration: the rendered demo corpus where it names no folder, else what its corpora hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facedeblur.data.corpora import Clip, CorpusSettings, discover, find_clips
from facedeblur.data.demo import DemoSettings, render_demo
from facedeblur.progress import StepProgress


def demo_folder(cache: str | Path, demo: DemoSettings, jobs: int) -> Path:
    """The folder of the demo corpus, which is rendered into `cache` where it is not there yet."""
    progress = StepProgress("rendering the demo corpus")
    return render_demo(Path(cache) / "demo", demo, jobs=jobs, progress=progress)


def clips_of(
    sources: Sequence[CorpusSettings], name: str, cache: str | Path, demo: DemoSettings, jobs: int
) -> list[Clip]:
    """The clips of all `sources`; without any those of the demo corpus, under the corpus name `name`.

    Raises:
        CorpusError: a folder that is missing or not laid out as its corpus is.
    """
    if not sources:
        return discover(demo_folder(cache, demo, jobs), corpus=name)
    return [clip for source in sources for clip in find_clips(source)]
