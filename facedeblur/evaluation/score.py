"""`facedeblur score RESTORED SHARP`: the metrics of an evaluation for two folders of images made by any program.

Images are partners by their path inside their folder, whatever the suffix. PSNR and SSIM compare whole images; the
judges see the face, cut out by the one crop rule, or the whole image where that is such a crop already.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facedeblur.cores import usable_cores
from facedeblur.errors import UsageError
from facedeblur.evaluation.command import summary_text
from facedeblur.evaluation.judging import EvalItem, FaceMeasurement, JudgePool
from facedeblur.evaluation.names import file_name
from facedeblur.evaluation.protocol import FILE, METRICS, judges_told, write_protocol
from facedeblur.evaluation.rows import FOLDER, ScoreRow, flat, joined, table_of, write_rows
from facedeblur.evaluation.runner import image_scores
from facedeblur.evaluation.settings import JudgeSettings
from facedeblur.faces import judges
from facedeblur.faces.crop import CropBox, crop, crop_box, points_from_crop, points_to_crop
from facedeblur.faces.pts import read_pts
from facedeblur.files import write_json
from facedeblur.images import IMAGE_SUFFIXES
from facedeblur.metrics.image import SSIM_WINDOW
from facedeblur.progress import StepProgress
from facedeblur.video.album import Still

CHUNK = 64  # images in memory at a time
CROPPED = 0.85  # an image is a crop already when the crop rule would take so much of its side, or more
BLUR = "given"  # what the column blur says: nobody told

EPILOG = """\
examples:
  facedeblur score restored/ sharp/                           PSNR, SSIM, landmarks and identity of restored faces
  facedeblur score restored/ sharp/ --blurred blurry/ --out outputs/evaluation/theirs
                                                              rows for `facedeblur report`, with the input's beside them

True landmarks are read from <photo>.pts beside a sharp image; without one they are found in it.
Images in a folder of their own for each person (sharp/ann/1.png) give intervals over people; others give none.
"""


@dataclass(frozen=True, eq=False)
class _Face:
    """Where the judges look in one image: the box, and the true landmarks (68, 2) in pixels of the image."""

    box: CropBox
    truth: np.ndarray


def main(argv: Sequence[str]) -> int:
    """Scores two folders and prints a table. Returns the exit status; raises UsageError."""
    parser = argparse.ArgumentParser(
        prog="facedeblur score",
        description="Score restored images against sharp ones: PSNR, SSIM, landmark AUC and failures, identity.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("restored", type=Path, metavar="RESTORED", help="folder of images to score")
    parser.add_argument("sharp", type=Path, metavar="SHARP", help="folder of their ground truths, of the same names")
    parser.add_argument(
        "--blurred", type=Path, metavar="FOLDER", help="the blurry inputs, scored as a row of their own"
    )
    parser.add_argument("--name", help="what the row is called (default: the folder's name)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="write rows and protocol there, for the report; other methods of the same SHARP and judges may join them",
    )
    parser.add_argument("--jobs", type=int, default=None, help="judging processes (default: one per core)")
    parser.add_argument("--localizer", default="dlib", help="who finds landmarks in restored faces (default: dlib)")
    parser.add_argument("--truth", default="dlib", help="who finds them in sharp ones without a .pts (default: dlib)")
    parser.add_argument("--embedder", default="dlib", help="dlib, none, or a FaceNet's weight file (default: dlib)")
    parser.add_argument("--box", default="detect", choices=("detect", "truth"), help="give the judge the true box")
    parser.add_argument(
        "--align", default="truth", choices=("truth", "judge"), help="whose landmarks the embedder uses"
    )
    options = parser.parse_args(argv)
    settings = JudgeSettings(options.localizer, options.truth, options.embedder, options.box, options.align)
    if options.jobs is not None and options.jobs < 0:
        raise UsageError(f"--jobs: 0 or more judging processes, got {options.jobs}")
    name = options.name or options.restored.resolve().name
    folders = {"oracle": options.sharp} | ({"blurred": options.blurred} if options.blurred else {})
    if name.lower() in folders:
        raise UsageError(f"{options.restored}: {name} is the name of a row that comes with the table; choose --name")
    folders = {name: options.restored, **folders}
    told = _protocol(options.out, folders, settings) if options.out else {}
    rows = score(folders, options.sharp, settings, usable_cores() if options.jobs is None else options.jobs)
    if any(not row.identity for row in rows):
        print(f"{options.sharp}: images in no folder of a person of their own: nobody knows which are of one person, "
              "so no interval is given over people", file=sys.stderr)  # fmt: skip
    if options.out:
        _write(options.out, rows, folders, told)
    print(summary_text(table_of(rows)), end="")
    flagged = sorted({(row.video, row.flags) for row in rows if row.method == name and row.flags})
    for video, flags in flagged[:10]:
        print(f"{video}: {flags}", file=sys.stderr)
    if len(flagged) > 10:
        print(f"... and {len(flagged) - 10} more with flags", file=sys.stderr)
    return 0


def score(folders: dict[str, Path], sharp: Path, settings: JudgeSettings, jobs: int = 0) -> list[ScoreRow]:
    """One row per method and sharp image (see `rows`); an image that a folder lacks counts as black, flagged "error".

    Raises UsageError for a folder that is missing or holds no image, and where no image of a folder has a partner.
    """
    truths = images_in(sharp)
    found = {name: images_in(folder) for name, folder in folders.items()}
    for name, images in found.items():
        if not set(images) & set(truths):
            raise UsageError(f"{folders[name]}: no image has a partner in {sharp}; partners have the same name")
        for lacking in sorted(set(images) - set(truths))[:3]:
            print(f"{folders[name]}: {lacking} has no partner in {sharp} and is not scored", file=sys.stderr)
    names, rows = sorted(truths), []
    progress = StepProgress(f"scoring {', '.join(folders)}")
    with JudgePool(settings, jobs) as pool:
        for first in range(0, len(names), CHUNK):
            chunk = names[first : first + CHUNK]
            loaded = [_load(name, truths, found, settings) for name in chunk]
            submitted = pool.submit([question for *_, question in loaded if question is not None])
            answers = pool.results(submitted)
            for i, (name, face, sharp_image, images, question) in enumerate(loaded):
                judgements = [None] * len(folders) if question is None else next(answers)
                rows += _rows(name, face, sharp_image, images, judgements, sharp.resolve().name)
                progress(first + i + 1, len(names), name)
    return rows


def images_in(folder: Path) -> dict[str, Path]:
    """Path inside the folder, without suffix -> image file. Raises UsageError where there is none."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith("."))
    if not files:
        raise UsageError(f"{folder}: holds no image ({', '.join(IMAGE_SUFFIXES)})")
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def _load(name: str, truths: dict[str, Path], found: dict[str, dict[str, Path]], settings: JudgeSettings) -> tuple:
    """(name, face, sharp image, {method: (image, flags)}, question to the judges or None)."""
    sharp = Still(str(truths[name])).load()
    if sharp is None:
        raise UsageError(f"{truths[name]}: not a readable image")
    if min(sharp.shape[:2]) < SSIM_WINDOW:
        raise UsageError(f"{truths[name]}: SSIM needs sides of at least {SSIM_WINDOW} pixels")
    images = {method: _partner(files.get(name), sharp) for method, files in found.items()}
    face = _find_face(truths[name], sharp, settings)
    if face is None:
        return name, None, sharp, images, None
    truth = points_to_crop(face.truth, face.box, face.box.side)
    seen = [None if "error" in flags else _cut(image, face.box) for image, flags in images.values()]
    return name, face, sharp, images, EvalItem(_cut(sharp, face.box), truth, seen)


def _partner(file: Path | None, sharp: np.ndarray) -> tuple[np.ndarray, set[str]]:
    """A restored image at the size of the sharp one, with flags; black where there is none."""
    image = None if file is None else Still(str(file)).load()
    if image is None:
        return np.zeros_like(sharp), {"error"}
    if image.shape != sharp.shape:
        smaller = image.shape[0] > sharp.shape[0]
        method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        return cv2.resize(image, sharp.shape[1::-1], interpolation=method), {"size_mismatch"}
    return image, set()


def _find_face(file: Path, sharp: np.ndarray, settings: JudgeSettings) -> _Face | None:
    points = file.with_suffix(".pts")
    if points.is_file():
        truth = read_pts(points)
    else:
        found = judges.detector().detect(sharp)
        if not found:
            return None
        truth = judges.localizer(settings.truth).localize(sharp, found[0][:4])
    box = crop_box(truth)
    height, width = sharp.shape[:2]
    if height == width and box.side >= CROPPED * width:
        box = CropBox(0, 0, width)
    return _Face(box, np.asarray(truth, np.float32))


def _cut(image: np.ndarray, box: CropBox) -> np.ndarray:
    return np.ascontiguousarray(crop(image, box))


def _rows(
    name: str,
    face: _Face | None,
    sharp: np.ndarray,
    images: dict[str, tuple[np.ndarray, set[str]]],
    judgements: Sequence[FaceMeasurement | None],
    corpus: str,
) -> Iterator[ScoreRow]:
    for (method, (image, flags)), judged in zip(images.items(), judgements, strict=True):
        psnr, ssim = image_scores([image], [sharp])[0]
        flags = set(flags)
        landmarks = None
        if judged is None:
            flags.add("no_truth")
        elif judged.landmarks is None:
            flags.add("no_face")
        else:
            landmarks = points_from_crop(judged.landmarks, face.box, face.box.side)
        parts = Path(name).parts
        yield ScoreRow(
            method=method,
            corpus=corpus,
            identity=parts[0] if len(parts) > 1 else "",
            blur=BLUR,
            video=name,
            psnr=psnr,
            ssim=ssim,
            landmark_error=None if judged is None else judged.error,
            identity_cosine=None if judged is None else judged.cosine,
            flags=joined(flags),
            landmarks=flat(landmarks),
            truth=None if face is None else flat(face.truth),
            embedding=None if judged is None else flat(judged.embedding),
        )


def _protocol(folder: Path, folders: dict[str, Path], settings: JudgeSettings) -> dict[str, Any]:
    """What the protocol in `folder` will say, but for the counts: the methods that are there already stay.

    Raises UsageError where the folder holds another evaluation: rows that were scored otherwise, or another method of
    the same name.
    """
    methods = {name: {"kind": "images", "path": str(path.resolve())} for name, path in folders.items()}
    told = {"judges": judges_told(settings), "methods": methods}
    if not (folder / FOLDER).exists() and not (folder / FILE).exists():
        return told
    try:
        old = json.loads((folder / FILE).read_text())
        kind, held = old["corpus"].get("kind"), dict(old["methods"])
        judged, sharp = {"files": {}} | old["judges"], held.get("oracle", {}).get("path")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder}: holds something else, its {FILE} is not readable; choose another --out") from error
    for what, was, now in (
        ("kind of corpus", kind, "images"),
        ("sharp folder", sharp, methods["oracle"]["path"]),
        *((f"judge ({key})", judged.get(key), value) for key, value in told["judges"].items()),
    ):
        if was != now:
            raise UsageError(f"{folder}: holds rows of another {what}, {was}, now {now}; choose another --out")
    for name, method in methods.items():
        if name in held and held[name].get("path") != method["path"]:
            was = held[name].get("path")
            raise UsageError(f"{folder}: holds {name} of {was}; choose --name, or another --out")
    return told | {"methods": {**held, **methods}}


def _write(folder: Path, rows: list[ScoreRow], folders: dict[str, Path], told: dict[str, Any]) -> None:
    roots = {name: Path(os.path.relpath(path, folder)) for name, path in folders.items()}
    files = {name: images_in(path) for name, path in folders.items()}
    placed = []
    for row in rows:
        file, image = files[row.method].get(row.video), None
        if file is not None:
            image = (roots[row.method] / file.relative_to(folders[row.method])).as_posix()
        placed.append(replace(row, image=image))
    for name in folders:
        file = folder / FOLDER / f"{BLUR}-{file_name(name)}.parquet"
        write_rows(file, [row for row in placed if row.method == name])
    images = len({row.video for row in rows})
    content = {
        "format": 1,
        "image_size": "as given",
        "corpus": {"name": rows[0].corpus, "kind": "images", "images": images},
        "blurs": {BLUR: {"windows": images}},
        "metrics": METRICS,
    }
    write_protocol(folder, content | told)
    write_json(folder / "status.json", {"state": "done"})
    print(f"evaluation folder: {folder} (rows/, protocol.json)")
