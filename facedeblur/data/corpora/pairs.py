"""`data=pairs`: blurry and sharp pictures that were made elsewhere, under the blur that they have: `blur=given`.

    <root>/sharp/**/<name>.png   <root>/blurry/**/<name>.png         partners have the same path and name
    <root>/{train,val,test}/sharp/...  .../blurry/...                or the folders say who is held out
    <root>/{train,test}/<sequence>/{sharp,blur}/000001.png           as GoPro is published

`gt` and `target` count as `sharp`; `blur`, `input` and, where there is no other, `blur_gamma` as `blurry`. Beside a
sharp picture may lie its landmarks, `<name>.pts`; else its largest face is found in the sharp picture, and both are
cut alike. The person is the sequence, or the first folder below `sharp`; without either each is another person.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from facedeblur.data.corpora.clip import Clip, CorpusError, Traits, existing_folder, held_out, in_order
from facedeblur.data.corpora.settings import CorpusSettings
from facedeblur.data.corpora.stills import albums, check_landmarks
from facedeblur.files import shown
from facedeblur.images import named_images
from facedeblur.video.album import Still

LAYOUT = "sharp/<name>.png and blurry/<name>.png (or <sequence>/{sharp,blur}/<name>.png) in it, or in train, val, test"
SHARP = ("sharp", "gt", "target")
BLURRY = ("blurry", "blur", "input", "blur_gamma")
TRAITS = Traits(own_val_root=True, inner_folders=("test", *SHARP))
ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)  # of EXIF: those that swap width and height


def find(settings: CorpusSettings) -> list[Clip]:
    """The albums of a folder of pairs. Raises CorpusError: pictures without a partner, or of another size than it."""
    root = existing_folder(settings.root, settings.label, LAYOUT)
    groups = _by_split(root)
    if settings.val_root is not None:
        other = _by_split(existing_folder(settings.val_root, settings.label, LAYOUT))
        groups["train"] += groups["val"]
        groups["val"] = [pair for split in other.values() for pair in split]
    elif not groups["val"]:
        chosen = held_out((person for person, _ in groups["train"]), settings.val_fraction)
        groups["val"] = [pair for pair in groups["train"] if pair[0] in chosen]
        groups["train"] = [pair for pair in groups["train"] if pair[0] not in chosen]
    stills = [still for group in groups.values() for _, still in group]
    if not stills:
        raise CorpusError(f"{shown(root)}: no pairs; {settings.label} expects {LAYOUT}")
    _check_sizes(stills, Path(settings.cache).resolve() / "albums")
    check_landmarks(stills)
    clips = [clip for split, group in groups.items() for clip in albums((s for _, s in group), settings, split)]
    return in_order(clips)


def _by_split(root: Path) -> dict[str, list[tuple[str, Still]]]:
    """Split -> (person, pair); without folders of that name everything trains."""
    groups = {split: list(_pairs(root / split)) for split in ("train", "val", "test")}
    return groups if any(groups.values()) else {"train": list(_pairs(root)), "val": [], "test": []}


def _pairs(top: Path) -> Iterator[tuple[str, Still]]:
    """(person, pair) of all folders below `top` that hold both kinds, in the order of their paths."""
    for path, folders, _ in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        sharp = next((name for name in SHARP if name in folders), None)
        blurry = next((name for name in BLURRY if name in folders), None)
        if sharp and blurry:
            folders[:] = [name for name in folders if name not in SHARP + BLURRY]
            yield from _partners(top, Path(path, sharp), Path(path, blurry))


def _partners(top: Path, sharp: Path, blurry: Path) -> Iterator[tuple[str, Still]]:
    """(person, pair) of two folders. Raises UsageError where a picture of one is not in the other, or there twice."""
    ours, theirs = named_images(sharp), named_images(blurry)
    for mine, others, what in ((ours, theirs, blurry), (theirs, ours, sharp)):
        alone = sorted(set(mine) - set(others))
        if alone:
            raise CorpusError(f"{shown(mine[alone[0]])}: no partner of this name in {shown(what)}; {len(alone)} of "
                              f"{len(mine)} pictures have none")  # fmt: skip
    sequence = sharp.parent.relative_to(top).parts
    for name, file in ours.items():
        inner = (*sequence, *Path(name).parts)
        points = file.with_suffix(".pts")
        status, other = file.stat(), theirs[name].stat()
        yield (
            inner[0],
            Still(
                str(file),
                str(points) if points.is_file() else None,
                bytes=status.st_size,
                stamp=status.st_mtime_ns,
                blurry=str(theirs[name]),
                blurry_stamp=other.st_mtime_ns,
            ),
        )


def _check_sizes(stills: Sequence[Still], folder: Path) -> None:
    """Compares the sizes of all partners once, by the heads of their files; `folder` remembers it.

    Raises CorpusError. A file that has no readable head is named when it is decoded.
    """
    name = hashlib.sha256(repr([still.written() for still in stills]).encode()).hexdigest()[:16]
    mark = folder / f"{name}.same-sizes"
    if mark.is_file():
        return
    differ = []
    for still in stills:
        ours, theirs = _size(still.image), _size(still.blurry)
        if ours and theirs and ours != theirs:
            differ.append(f"{shown(still.image)} has {ours[0]}x{ours[1]} pixels, its partner {theirs[0]}x{theirs[1]}")
    if differ:
        raise CorpusError(f"{differ[0]}; {len(differ)} of {len(stills)} pairs differ in size")
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _size(file: str) -> tuple[int, int] | None:
    """Width and height as it is seen, upright."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            return (height, width) if image.getexif().get(ORIENTATION) in TURNED else (width, height)
    except (OSError, UnidentifiedImageError, ValueError):
        return None
