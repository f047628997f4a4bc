"""Trains the localiser in its run folder, and measures it against dlib's on the same validation photos."""

from __future__ import annotations

import hashlib
import sys
from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table

from facedeblur.data.corpora import find_clips
from facedeblur.data.photos.augment import CropAugmentSettings
from facedeblur.data.photos.photo_stream import FaceDataModule
from facedeblur.data.photos.photos import AnnotatedFace, Faces, read_faces
from facedeblur.data.settings import DataSettings
from facedeblur.errors import UsageError
from facedeblur.faces.dlib_models import REMEDY, DlibLocalizer, has_dlib, landmark_box
from facedeblur.faces.hourglass_localizer import HourglassLocalizer
from facedeblur.faces.protocols import Localizer
from facedeblur.faces.pts import read_pts
from facedeblur.files import write_json
from facedeblur.images import write_png
from facedeblur.metrics.landmarks import LIMIT, auc, failure_rate, normalised_error
from facedeblur.progress import StepProgress
from facedeblur.training.fit import StageRun, fit_stage
from facedeblur.training.points_preview import point_grid
from facedeblur.training.run_folder import RunFolder, is_main_process
from facedeblur.training.settings import RunSettings
from facedeblur.training.stage_data import check_batches, loader_settings
from facedeblur.training.stages.localizer import LocalizerStage
from facedeblur.training.time_limit import OutOfTimeError, TimeIsUp, interrupted_at


def read_splits(data: DataSettings, size: int) -> dict[str, Faces]:
    """The annotated faces of the training and the validation photos. Raises UsageError where there are none."""
    sources = [source for source in data.sources() if source.kind == "stills"]
    if not sources:
        raise UsageError("data: a localiser learns from annotated photos; give data=stills data.root=<folder>")
    clips = [clip for source in sources for clip in find_clips(source)]
    splits = {}
    for split in ("train", "val"):
        progress = StepProgress(f"{split} photos")
        faces = splits[split] = read_faces((clip for clip in clips if clip.split == split), size, progress)
        if not faces.items:
            why = f"; {faces.skipped[0][0]}: {faces.skipped[0][1]}" if faces.skipped else ""
            raise UsageError(
                f"data.root: {data.root} has no annotated {split} photo, <photo>.jpg with <photo>.pts{why}"
            )
    return splits


def prepare_localizer(settings: RunSettings) -> None:
    """Prints what the photos give, without training."""
    for split, faces in read_splits(settings.data, settings.model.image_size).items():
        print(f"{split}: {len(faces.items)} annotated photos, {len(faces.skipped)} skipped")
        print("".join(f"  {photo}: {reason}\n" for photo, reason in faces.skipped), end="")


def train_localizer(settings: RunSettings, run: StageRun) -> LocalizerStage:
    """Trains, validates and measures; the run's folder is in use already."""
    data, size, folder = settings.data, settings.model.image_size, run.folder
    try:
        with interrupted_at(run.deadline):
            splits = read_splits(data, size)
    except TimeIsUp:
        minutes = f"trainer.minutes={settings.trainer.minutes:g}"
        raise OutOfTimeError(f"{minutes} were over before the photos of {data.root} were read") from None
    for faces in splits.values():
        for photo, reason in faces.skipped:
            print(f"skipped {photo}: {reason}", file=sys.stderr)
    train, val = splits["train"].items, _spread(splits["val"].items, data.val_windows)
    augment = CropAugmentSettings(flip=data.flip, light=data.photometric)
    module = FaceDataModule(train, val, loader_settings(data, size, settings.seed, data.epoch_windows), augment)
    check_batches(module, settings.trainer)
    if is_main_process():
        write_json(folder.path / "data.json", {split: _described(faces) for split, faces in splits.items()})
    draw = partial(point_grid, faces=_spread(val, settings.trainer.grid_faces), size=size)
    make = partial(LocalizerStage, settings.model)
    stage = fit_stage(make, module, draw, run)
    if is_main_process():
        write_png(folder.path / "preview.png", draw(stage))
        _measure(stage, val, size, folder)
    return stage


def _described(faces: Faces) -> dict:
    """What data.json says of a split; equal manifests are equal photos with equal points."""
    manifest = hashlib.sha256()
    for face in faces.items:
        manifest.update(repr((face.still.image, face.still.bytes, face.landmarks.tobytes())).encode())
    photos = [face.still.image for face in faces.items]
    return {"manifest": manifest.hexdigest()[:16], "photos": photos, "skipped": faces.skipped}


def _spread(faces: list[AnnotatedFace], count: int) -> list[AnnotatedFace]:
    """At most `count` of the faces, evenly spread."""
    places = np.linspace(0, len(faces) - 1, min(count, len(faces))).round().astype(int)
    return [faces[place] for place in places]


def _measure(stage: LocalizerStage, faces: list[AnnotatedFace], size: int, folder: RunFolder) -> None:
    """Writes and prints summary.json and validation_rows.json: errors on the photos as they lie on the disk.

    Every localiser is given the box that a detector would give the annotated face, so it cannot miss it.
    """
    with stage.evaluating():
        localizers: dict[str, Localizer] = {"ours": HourglassLocalizer(stage.networks, size, stage.device)}
        if has_dlib():
            localizers["dlib"] = DlibLocalizer()
        rows = [_row(face, localizers) for face in faces]
    summary: dict = {}
    for name in localizers:
        errors = [row[name] for row in rows]
        summary[name] = {
            "mean_error": float(np.mean(errors)),
            "median_error": float(np.median(errors)),
            "failure_rate": float(failure_rate(errors)),
            "auc": float(auc(errors)),
        }
    if "dlib" in summary:
        summary["error_over_dlib"] = summary["ours"]["mean_error"] / summary["dlib"]["mean_error"]
    samples = stage.generator_step * stage.images_per_step
    counts = {"photos": len(rows), "generator_steps": stage.generator_step, "samples": samples, "limit": LIMIT}
    write_json(folder.path / "summary.json", summary | counts)
    write_json(folder.path / "validation_rows.json", rows)
    table = Table(title=f"{len(rows)} validation photos, true boxes", title_justify="left")
    for column in ("error / box diagonal", "mean", "median", f"share above {LIMIT:g}", f"AUC at {LIMIT:g}"):
        table.add_column(column, justify="left" if column.startswith("error") else "right")
    for name in localizers:
        s = summary[name]
        cells = (f"{s['mean_error']:.4f}", f"{s['median_error']:.4f}", f"{s['failure_rate']:.2%}", f"{s['auc']:.3f}")
        table.add_row(name, *cells)
    Console(width=max(100, Console().width)).print(table)
    if "dlib" not in summary:
        print(f"dlib is not installed, so there is nothing to compare with: {REMEDY}")
    print(f"run folder: {folder.path} (summary.json, preview.png, metrics.csv, checkpoints/)")


def _row(face: AnnotatedFace, localizers: dict[str, Localizer]) -> dict:
    image, truth = face.still.load(), read_pts(face.still.points)
    box = landmark_box(truth)
    errors = {name: float(normalised_error(one.localize(image, box), truth)) for name, one in localizers.items()}
    return {"photo": face.still.image, **errors}
