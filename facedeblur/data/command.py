"""The command `prepare`: the plans that `train` would make, and their report as a page and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from facedeblur import __version__
from facedeblur.blur.settings import BlurSettings
from facedeblur.data.make_corpus import Corpus, export_frames, export_pairs, list_clips, make_corpus, pair_stores
from facedeblur.data.pairs.contact_sheet import write_contact_sheet
from facedeblur.data.plans.plan import Plan
from facedeblur.data.plans.report import PlanReport
from facedeblur.data.plans.tables import write_tables
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.data.settings import DataSettings
from facedeblur.errors import UsageError
from facedeblur.files import check_place, write_atomic
from facedeblur.models.settings import ModelSettings
from facedeblur.report.preparation import folder_name, write_preparation_page

FORMAT = 1  # raise it when the report changes, so that it is made anew


class Settings(Protocol):
    """Of a run, what preparation reads; `model.image_size` is the side of pairs that are cached or exported."""

    data: DataSettings
    blur: BlurSettings
    prepare: PrepareSettings
    model: ModelSettings
    jobs: int | str
    output: str


def prepare(settings: Settings, stages: Sequence[tuple[str, DataSettings, BlurSettings]]) -> None:
    """Makes the plans, prints their counts, and writes `<output>/prepare/<corpus>/index.html` and what it is made from.

    Args:
        stages: (title, data, blur) of every stage whose windows the run needs.

    Raises:
        UsageError: a place that cannot be written to, or a split without clips, before anything is planned; some of
            the pairs to export could not be written.
    """
    folder = Path(settings.output) / "prepare" / settings.data.name
    check_place(folder, "output", folder=True)
    for _, data, blur in stages:
        for key in ("export", "export_frames"):
            if getattr(data, key):
                check_place(getattr(data, key), f"data.{key}", folder=True)
        list_clips(data, blur)
    corpora, sets = {}, {}
    unwritten: list[str] = []
    for title, data, blur in stages:
        corpus = corpora[title] = make_corpus(data, blur, settings.jobs, settings.prepare)
        for split, plan in (("train", corpus.train), ("val", corpus.val)):
            report = corpus.reports[split]
            sets[f"{title}, {split}"] = (plan, report)
            print(f"{title}, {split}:")
            print("\n".join(f"  {line}" for line in report.lines()))
        size = settings.model.image_size
        pair_stores(data, corpus, size, settings.jobs)
        if data.export_frames:
            print("\n".join(export_frames(data, corpus, size, settings.jobs)))
        if data.export:
            lines, problems = export_pairs(data, corpus, size, settings.jobs)
            print("\n".join(lines))
            unwritten += problems
    key = json.dumps([FORMAT, __version__, settings.prepare.samples, [r.manifest for _, r in sets.values()], [*sets]])
    done = folder / "made-from.json"
    if not (done.is_file() and done.read_text() == key and (folder / "index.html").is_file()):
        _write(folder, sets, corpora, settings)
        write_atomic(done, key)
    print(f"report: {folder / 'index.html'} (tables: {folder / 'tables'})")
    if unwritten:
        raise UsageError(f"data.export: {'; '.join(unwritten)}; the same command tries what is missing again")


def _write(
    folder: Path, sets: dict[str, tuple[Plan, PlanReport]], corpora: dict[str, Corpus], settings: Settings
) -> None:
    write_tables(folder / "tables", sets)
    if settings.prepare.samples:
        for key, (plan, _) in sets.items():
            schedules = corpora[key.rsplit(", ", 1)[0]].schedules
            write_contact_sheet(folder / "samples" / folder_name(key), plan, schedules, settings.prepare.samples)
    origin = settings.data.root or "rendered"
    footer = f"facedeblur {__version__} prepare, data={settings.data.kind} ({origin}), blur={settings.blur.name}"
    write_preparation_page(folder, f"Preparation of {settings.data.name}", footer)
