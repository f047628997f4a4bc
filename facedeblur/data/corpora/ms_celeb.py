"""`data=ms_celeb`: MS-Celeb-1M as it was published, for the hourglass stage (Section 5.1: 3 million stills).

    <root>/*.tsv    one face per line, between tabs: MID, image rank, image URL, page URL, FaceID, face rectangle, JPEG
                    (aligned and cropped faces), or the same with one column fewer (full images)

The JPEG is base64 in the last column; MID, the first, is the person, and a share of the people is held out by the hash
of it. A file is read through once, to note where each photo is; training then reads the photos where they lie. Lines
that are blank or cut short are counted, and left out. Faces are detected.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from facedeblur.data.corpora.clip import Clip, CorpusError, Traits, existing_folder, in_order
from facedeblur.data.corpora.settings import CorpusSettings
from facedeblur.data.corpora.stills import ALBUM, albums
from facedeblur.faces.dlib_models import REMEDY, has_dlib
from facedeblur.files import write_json
from facedeblur.video.album import Still

log = logging.getLogger(__name__)

LAYOUT = "<file>.tsv in it, with lines of MID, ..., base64 JPEG"
TRAITS = Traits(own_val_root=True)
COLUMNS = (6, 7)


def find(settings: CorpusSettings) -> list[Clip]:
    """The albums of all TSV files of a folder, and of `val_root`; an album is named after its split.

    Raises CorpusError.
    """
    if settings.val_root is None:
        return _find(settings)
    whole = replace(settings, val_root=None, val_fraction=0.0)
    held_out = [
        replace(clip, split="val", identity=clip.identity.replace("train", "val", 1))
        for clip in _find(replace(whole, root=settings.val_root))
    ]
    return in_order([*_find(whole), *held_out])


def _find(settings: CorpusSettings) -> list[Clip]:
    root = existing_folder(settings.root, settings.label, LAYOUT)
    files = sorted(root.glob("*.tsv"))
    if not files:
        raise CorpusError(f"{root}: no TSV file; {settings.label} expects {LAYOUT}")
    if not has_dlib():
        raise CorpusError(f"{root}: no face detector installed, which {settings.label} needs: {REMEDY}")
    stamps = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(repr((stamps, settings.label, settings.val_fraction, ALBUM)).encode()).hexdigest()[:16]
    known = Path(settings.cache) / "albums" / f"{settings.label}-{key}.json"
    if known.is_file():
        clips = [Clip(**values) for values in json.loads(known.read_text())]
    else:
        clips = list(_scan(files, settings))
        write_json(known, [{k: getattr(c, k) for k in ("path", "corpus", "identity", "split")} for c in clips])
    if not any(clip.split == "train" for clip in clips):
        raise CorpusError(f"{root}: no line with a photo; {settings.label} expects {LAYOUT}")
    return in_order(clips)


def _scan(files: list[Path], settings: CorpusSettings) -> Iterator[Clip]:
    """The albums of all lines; a split's album is written as soon as it is full."""
    waiting: dict[str, list[Still]] = {"train": [], "val": []}
    numbers = {"train": 0, "val": 0}

    def flush(split: str) -> Iterator[Clip]:
        yield from albums(waiting[split], settings, split, numbers[split])
        numbers[split] += 1
        waiting[split] = []

    for file in files:
        for person, still in _lines(file):
            split = "val" if _share(person) < settings.val_fraction else "train"
            waiting[split].append(still)
            if len(waiting[split]) == ALBUM:
                yield from flush(split)
    for split in waiting:
        if waiting[split]:
            yield from flush(split)


def _lines(path: Path) -> Iterator[tuple[str, Still]]:
    """(MID, still) of every line that holds a photo; a line may be as long as one. The others are logged in one line.

    Raises:
        CorpusError: a file none of whose lines fits.
    """
    import rich.console
    import rich.progress

    console = rich.console.Console(file=sys.stderr)
    stamp = path.stat().st_mtime_ns
    offset, good, bad, first_bad = 0, 0, 0, ""
    with rich.progress.open(path, "rb", description=f"reading {path.name}", console=console, transient=True) as file:
        for number, line in enumerate(file, start=1):
            fields = line.rstrip(b"\r\n").split(b"\t")
            start = offset + sum(map(len, fields[:-1])) + len(fields) - 1
            offset += len(line)
            if problem := _problem(fields):
                bad += 1
                first_bad = first_bad or f"line {number}: {problem}"
                continue
            good += 1
            yield fields[0].decode(errors="replace"), Still(str(path.resolve()), None, start, len(fields[-1]), stamp)
    if bad and not good:
        raise CorpusError(f"{path}: {first_bad}; expected {LAYOUT}")
    if bad:
        log.warning(f"{path}: skipped {bad} of {good + bad} lines; the first is {first_bad}")


def _problem(fields: list[bytes]) -> str:
    """Why a line gives no photo; "" where it does, as far as is known without decoding."""
    if fields == [b""]:
        return "blank"
    if len(fields) not in COLUMNS:
        return f"{len(fields)} columns"
    if not fields[0]:
        return "no MID"
    return "" if fields[-1] and len(fields[-1]) % 4 == 0 else f"base64 of {len(fields[-1])} characters"


def _share(person: str) -> float:
    """A number in [0, 1) that depends only on the person."""
    return int.from_bytes(hashlib.sha256(person.encode()).digest()[:8], "big") / 2**64
