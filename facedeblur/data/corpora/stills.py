"""`data=stills`: photos, for the hourglass stage (Section 5.1: sharp images under camera-shake kernels).

    <root>/**/<photo>.jpg                    .bmp .jpeg .jpg .png .tif .tiff .webp
    <root>/**/<photo>.pts                    68 landmarks of the photo beside it; without them they are detected
    <root>/train/...  <root>/val/...         or 10 % of the people are held out

The first sub-folder is the person; photos that lie in `<root>` itself are of one person each. Photos are listed in
albums (see `facedeblur.video.album`) of at most 128 in `<cache>/albums`; in plans an album takes the place of a video.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from facedeblur.data.corpora.clip import Clip, CorpusError, Traits, existing_folder, held_out, in_order
from facedeblur.data.corpora.settings import CorpusSettings
from facedeblur.faces.dlib_models import REMEDY, has_dlib
from facedeblur.images import IMAGE_SUFFIXES
from facedeblur.video.album import SUFFIX, Still, write_album

LAYOUT = "<person>/<photo>.jpg or <photo>.jpg (and <photo>.pts) in it"
TRAITS = Traits(own_val_root=True)
ALBUM = 128  # photos; a worker's unit of work, and what is read again when one of them is damaged


def find(settings: CorpusSettings) -> list[Clip]:
    """The albums of a folder of photos. Raises CorpusError."""
    root = existing_folder(settings.root, settings.label, LAYOUT)
    if settings.val_root is not None:
        groups = {"train": _photos(root), "val": _photos(existing_folder(settings.val_root, settings.label, LAYOUT))}
    elif (root / "train").is_dir() and (root / "val").is_dir():
        groups = {split: _photos(root / split) for split in ("train", "val")}
    else:
        photos = _photos(root)
        chosen = held_out((person for person, _ in photos), settings.val_fraction)
        groups = {split: [p for p in photos if (p[0] in chosen) == (split == "val")] for split in ("train", "val")}
    if not groups["train"]:
        raise CorpusError(f"{root}: no photos; {settings.label} expects {LAYOUT}")
    stills = [still for group in groups.values() for _, still in group]
    check_landmarks(stills)
    return in_order(clip for split, group in groups.items() for clip in albums((s for _, s in group), settings, split))


def check_landmarks(stills: Iterable[Still]) -> None:
    """Raises CorpusError where a photo has no landmarks beside it and nothing here can find them."""
    bare = next((still for still in stills if still.points is None), None)
    if bare and not has_dlib():
        raise CorpusError(f"{bare.image}: no .pts file beside it and no face detector installed: {REMEDY}")


def albums(stills: Iterable[Still], settings: CorpusSettings, split: str, number: int = 0) -> Iterator[Clip]:
    """Writes stills down in albums, numbered from `number` on, and yields them as clips; equal stills, equal files."""
    folder = Path(settings.cache).resolve() / "albums"
    stills = iter(stills)
    while chunk := list(islice(stills, ALBUM)):
        name = hashlib.sha256(repr([still.written() for still in chunk]).encode()).hexdigest()[:16]
        path = folder / f"{settings.label}-{split}-{number:05}-{name}{SUFFIX}"
        if not path.is_file():
            write_album(path, chunk)
        yield Clip(str(path), settings.label, f"{split}/{number:05}", split)
        number += 1


def _photos(root: Path) -> list[tuple[str, Still]]:
    """(person, still), in the order of their paths."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        points = {name for name in files if name.endswith(".pts")}
        for name in sorted(files):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() not in IMAGE_SUFFIXES or name.startswith("."):
                continue
            path = os.path.join(folder, name)
            try:
                status = os.stat(path)
            except OSError:
                continue
            inside = os.path.relpath(path, root).split(os.sep)
            beside = os.path.join(folder, f"{stem}.pts") if f"{stem}.pts" in points else None
            found.append((inside[0], Still(path, beside, bytes=status.st_size, stamp=status.st_mtime_ns)))
    return found
