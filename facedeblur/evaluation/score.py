"""`facedeblur score RESTORED SHARP`: the metrics of an evaluation for two folders of images made by any program.

Images are partners by their path inside their folder, whatever the suffix. PSNR and SSIM compare whole images; the
judges see the face, cut out by the one crop rule, or the whole image where that is such a crop already.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facedeblur.cores import usable_cores
from facedeblur.errors import UsageError
from facedeblur.evaluation.command import summary_text
from facedeblur.evaluation.image_folders import BLUR, images_in, score
from facedeblur.evaluation.names import file_name
from facedeblur.evaluation.protocol import FILE, METRICS, described_judges, write_protocol
from facedeblur.evaluation.rows import FOLDER, ScoreRow, table_of, write_rows
from facedeblur.evaluation.settings import JudgeSettings
from facedeblur.files import check_place, write_json

EPILOG = """\
examples:
  facedeblur score restored/ sharp/                           PSNR, SSIM, landmarks and identity of restored faces
  facedeblur score restored/ sharp/ --blurred blurry/ --out outputs/evaluation/theirs
                                                              rows for `facedeblur report`, with the input's beside them

True landmarks are read from <photo>.pts beside a sharp image; without one they are found in it.
Images in a folder of their own for each person (sharp/ann/1.png) give intervals over people; others give none.
"""


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
    if options.out:
        check_place(options.out, "--out", folder=True)
    name = options.name or options.restored.resolve().name
    folders = {"oracle": options.sharp} | ({"blurred": options.blurred} if options.blurred else {})
    if name.lower() in folders:
        raise UsageError(f"{options.restored}: {name} is the name of a row that comes with the table; choose --name")
    folders = {name: options.restored, **folders}
    described = _protocol(options.out, folders, settings) if options.out else {}
    rows = score(folders, options.sharp, settings, usable_cores() if options.jobs is None else options.jobs)
    if any(not row.identity for row in rows):
        print(f"{options.sharp}: images in no folder of a person of their own: nobody knows which are of one person, "
              "so no interval is given over people", file=sys.stderr)  # fmt: skip
    if options.out:
        _write(options.out, rows, folders, described)
    print(summary_text(table_of(rows)), end="")
    flagged = sorted({(row.video, row.flags) for row in rows if row.method == name and row.flags})
    for video, flags in flagged[:10]:
        print(f"{video}: {flags}", file=sys.stderr)
    if len(flagged) > 10:
        print(f"... and {len(flagged) - 10} more with flags", file=sys.stderr)
    return 0


def _protocol(folder: Path, folders: dict[str, Path], settings: JudgeSettings) -> dict[str, Any]:
    """What the protocol in `folder` will say, but for the counts: the methods that are there already stay.

    Raises:
        UsageError: the folder holds another evaluation: rows that were scored otherwise, or another method of the same
            name.
    """
    methods = {name: {"kind": "images", "path": str(path.resolve())} for name, path in folders.items()}
    described = {"judges": described_judges(settings), "methods": methods}
    if not (folder / FOLDER).exists() and not (folder / FILE).exists():
        return described
    try:
        old = json.loads((folder / FILE).read_text())
        kind, held = old["corpus"].get("kind"), dict(old["methods"])
        judged, sharp = {"files": {}} | old["judges"], held.get("oracle", {}).get("path")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder}: holds something else, its {FILE} is not readable; choose another --out") from error
    for what, was, now in (
        ("kind of corpus", kind, "images"),
        ("sharp folder", sharp, methods["oracle"]["path"]),
        *((f"judge ({key})", judged.get(key), value) for key, value in described["judges"].items()),
    ):
        if was != now:
            raise UsageError(f"{folder}: holds rows of another {what}, {was}, now {now}; choose another --out")
    for name, method in methods.items():
        if name in held and held[name].get("path") != method["path"]:
            was = held[name].get("path")
            raise UsageError(f"{folder}: holds {name} of {was}; choose --name, or another --out")
    return described | {"methods": {**held, **methods}}


def _write(folder: Path, rows: list[ScoreRow], folders: dict[str, Path], described: dict[str, Any]) -> None:
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
    write_protocol(folder, content | described)
    write_json(folder / "status.json", {"state": "done"})
    print(f"evaluation folder: {folder} (rows/, protocol.json)")
