"""Which clips a corpus holds, who is in them, and who is held out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")


@dataclass(frozen=True)
class Clip:
    """One video file. `split` is "train" or "val"; no identity is in both."""

    path: str
    corpus: str
    identity: str
    split: str


def discover(
    root: str | Path, corpus: str = "clips", val_root: str | Path | None = None, val_fraction: float = 0.1
) -> list[Clip]:
    """List the clips of a folder with one sub-folder per identity.

    Args:
        root: `root/train/<identity>/*` and `root/val/<identity>/*` where such folders exist, else `root/<identity>/*`.
        corpus: name given to the clips. A file `<clip stem>.json` with "corpus" or "identity" beside a clip wins.
        val_root: held-out clips, `val_root/<identity>/*` (or `val_root/val/<identity>/*`); then all of `root` trains.
        val_fraction: share of the identities held out, by a hash of their names, where no folder says which.

    Returns:
        Clips sorted by split and path.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: no clip to train on, or an identity both in training and in validation.
    """
    root = _folder(root)
    if not 0 <= val_fraction < 1:
        raise ValueError(f"val_fraction: must be in [0, 1), got {val_fraction}")
    train_folder = root / "train" if (root / "train").is_dir() else root
    clips = _clips(train_folder, corpus, "train")
    if val_root is not None:
        held_out = _folder(val_root)
        clips += _clips(held_out / "val" if (held_out / "val").is_dir() else held_out, corpus, "val")
    elif (root / "val").is_dir():
        # without root/train, root/val would otherwise be read as an identity called "val"
        clips = [clip for clip in clips if (root / "val") not in Path(clip.path).parents]
        clips += _clips(root / "val", corpus, "val")
    else:
        held_out_names = _held_out({clip.identity for clip in clips}, val_fraction)
        clips = [Clip(c.path, c.corpus, c.identity, "val" if c.identity in held_out_names else "train") for c in clips]
    if not any(clip.split == "train" for clip in clips):
        raise ValueError(f"{train_folder}: no videos; expected <identity>/<clip>{'|'.join(VIDEO_SUFFIXES)}")
    _check_disjoint(clips)
    return sorted(clips, key=lambda clip: (clip.split, clip.path))


def _folder(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder of videos")
    return path


def _clips(folder: Path, corpus: str, split: str) -> list[Clip]:
    clips = []
    for file in sorted(folder.glob("*/**/*")):
        if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file() and not file.name.startswith("."):
            known = {"corpus": corpus, "identity": file.relative_to(folder).parts[0], **_sidecar(file)}
            clips.append(Clip(str(file), known["corpus"], known["identity"], split))
    return clips


def _sidecar(clip: Path) -> dict[str, str]:
    file = clip.with_suffix(".json")
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file}: not a JSON object ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file}: not a JSON object")
    return {key: str(content[key]) for key in ("corpus", "identity") if key in content}


def _held_out(identities: set[str], fraction: float) -> set[str]:
    """The identities whose hash is smallest: `fraction` of them, at least one of two, stable when others come or go."""
    count = round(fraction * len(identities))
    if fraction > 0 and len(identities) > 1:
        count = min(max(count, 1), len(identities) - 1)
    return set(sorted(identities, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:count])


def _check_disjoint(clips: list[Clip]) -> None:
    names = [{(c.corpus, c.identity) for c in clips if c.split == split} for split in ("train", "val")]
    both = sorted(names[0] & names[1])
    if both:
        raise ValueError(f"identity {both[0][1]!r} of corpus {both[0][0]!r} is in training and in validation")
