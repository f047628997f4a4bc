"""The fixed validation faces of every run, cut out of its preview.png."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facedeblur.errors import UsageError
from facedeblur.report.images import data_uri, read_rgb
from facedeblur.report.preview import cut_preview
from facedeblur.report.sweep.read import Run, Sweep

MOST_FACES = 8


@dataclass(frozen=True)
class FacePicture:
    """One validation face: data URIs of `blurred`, `sharp` and what each run made of it, by the run's name."""

    blurred: str
    sharp: str
    restored: dict[str, str]


def preview_rows(run: Run) -> list[dict[str, np.ndarray]]:
    """The faces of a run's latest preview: the last one, or while it trains that of its last epoch."""
    side = (run.config.get("model") or {}).get("image_size")
    pictures = [*sorted(run.folder.glob("previews/epoch_*.png")), run.folder / "preview.png"]
    for path in reversed(pictures):
        if side and path.is_file():
            try:
                return cut_preview(read_rgb(path), side)
            except UsageError:
                continue
    return []


def read_faces(sweep: Sweep) -> list[FacePicture]:
    """Faces that runs share, with the first seed of every variant; runs on other windows are left out."""
    chosen = [run for variant in sweep.variants for run in sweep.of(variant, done=False)[:1]]
    rows = {run.name: preview_rows(run) for run in chosen}
    first = next((found for found in rows.values() if found), [])
    faces = []
    for index, face in enumerate(first[:MOST_FACES]):
        same = {
            name: found[index]["restored"]
            for name, found in rows.items()
            if index < len(found) and np.array_equal(found[index]["sharp"], face["sharp"])
        }
        restored = {name: data_uri(np.ascontiguousarray(image)) for name, image in same.items()}
        faces.append(FacePicture(*(data_uri(np.ascontiguousarray(face[n])) for n in ("blurred", "sharp")), restored))
    return faces
