"""`data=clips`: any folder of videos.

    <root>/<identity>/**/<clip>.mp4                     10 % of the identities are held out, by a hash of their names
    <root>/train/<identity>/...  <root>/val/<identity>/...    or the folders say who is
    <root>/**/<clip>.mp4                                identities=none: every video is another person
    <root>/**/<clip>.mp4 + CSV                          identities=<file>.csv: file,identity[,split] says who is in what

Beside a clip may lie `<clip>.npz` (its landmarks, see `facedeblur.faces.annotation`) and `<clip>.json`, whose "corpus"
and "identity" win over all of the above.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from facedeblur.data.corpora.clip import (
    VIDEO_SUFFIXES,
    Clip,
    CorpusError,
    Traits,
    existing_folder,
    in_order,
    videos_in,
    with_held_out,
)
from facedeblur.data.corpora.settings import CorpusSettings

LAYOUT = "<identity>/<clip>" + "|".join(VIDEO_SUFFIXES)
TRAITS = Traits(own_val_root=True)


def find(settings: CorpusSettings) -> list[Clip]:
    """The clips of a folder. Raises CorpusError."""
    return discover(
        settings.root,
        settings.label,
        settings.val_root,
        settings.val_fraction,
        settings.identities,
        settings.min_frames,
    )


def discover(
    root: str | Path,
    corpus: str = "clips",
    val_root: str | Path | None = None,
    val_fraction: float = 0.1,
    identities: str = "folder",
    min_frames: int = 0,
) -> list[Clip]:
    """List the clips of a folder of videos; the arguments are those of `CorpusSettings`.

    Returns:
        Clips sorted by split and path.

    Raises:
        CorpusError: a folder is missing, no clip to train on, a CSV file that names no clip of the folder, or an
            identity both in training and in validation.
    """
    root = existing_folder(root, corpus, f"{LAYOUT} in it")
    if not 0 <= val_fraction < 1:
        raise CorpusError(f"val_fraction: must be in [0, 1), got {val_fraction}")
    if identities not in ("folder", "none"):
        if val_root is not None:
            raise CorpusError(f"val_root: not with {identities}, whose column split says who is held out")
        listed = _from_csv(root, Path(identities), corpus, min_frames)
        if any(clip.split for clip in listed):
            return in_order(
                Clip(c.path, c.corpus, c.identity, c.split or "train", "", None, c.min_frames) for c in listed
            )
        return in_order(with_held_out(listed, val_fraction))
    train_folder = root / "train" if (root / "train").is_dir() else root
    clips = _clips(train_folder, corpus, "train", identities, min_frames)
    if val_root is not None:
        held_out = existing_folder(val_root, corpus, f"{LAYOUT} in it")
        held_out = held_out / "val" if (held_out / "val").is_dir() else held_out
        clips += _clips(held_out, corpus, "val", identities, min_frames)
    elif (root / "val").is_dir():
        # without root/train, root/val would otherwise be read as an identity called "val"
        clips = [clip for clip in clips if (root / "val") not in Path(clip.path).parents]
        clips += _clips(root / "val", corpus, "val", identities, min_frames)
    else:
        clips = with_held_out(clips, val_fraction)
    if not any(clip.split == "train" for clip in clips):
        flat = next(videos_in(train_folder), None)
        hint = "; these lie without a folder per identity: data.identities=none" if flat else ""
        raise CorpusError(f"{train_folder}: no videos; expected {LAYOUT}{hint}")
    return in_order(clips)


def _clips(folder: Path, corpus: str, split: str, identities: str, min_frames: int) -> list[Clip]:
    clips = []
    for file in videos_in(folder, "**/*" if identities == "none" else "*/**/*"):
        path = file.relative_to(folder)
        who = str(path.with_suffix("")) if identities == "none" else path.parts[0]
        known = {"corpus": corpus, "identity": who, **_sidecar(file)}
        clips.append(Clip(str(file), known["corpus"], known["identity"], split, min_frames=min_frames))
    return clips


def _sidecar(clip: Path) -> dict[str, str]:
    file = clip.with_suffix(".json")
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text())
    except ValueError as error:
        raise CorpusError(f"{file}: not a JSON object ({error})") from None
    if not isinstance(content, dict):
        raise CorpusError(f"{file}: not a JSON object")
    return {key: str(content[key]) for key in ("corpus", "identity") if key in content}


def _from_csv(root: Path, file: Path, corpus: str, min_frames: int) -> list[Clip]:
    """The clips that a CSV file names, with "" as split where it says none."""
    try:
        with open(file, newline="", encoding="utf-8-sig") as lines:
            rows = csv.DictReader(lines, skipinitialspace=True)
            if not {"file", "identity"} <= set(rows.fieldnames or ()):
                raise CorpusError(f"{file}: its first line must name the columns file, identity and, if wanted, split")
            clips = []
            for number, row in enumerate(rows, start=2):
                split = row.get("split") or ""
                if not row["file"] or not row["identity"] or split not in ("", "train", "val", "test"):
                    raise CorpusError(f"{file}: line {number}: expected file,identity[,train|val|test], got {row}")
                path = root / row["file"]
                if not path.exists():
                    raise CorpusError(f"{file}: line {number}: {path} does not exist")
                clips.append(Clip(str(path), corpus, row["identity"], split, min_frames=min_frames))
    except OSError as error:
        raise CorpusError(f"data.identities: {file}: {error.strerror}; folder, none or a CSV file") from None
    if not clips:
        raise CorpusError(f"{file}: names no clip")
    return clips
