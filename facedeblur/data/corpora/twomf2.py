"""`data=twomf2`: 2MF2, the videos the paper trains on, with its authors' landmark texts (Section 5.1).

    <root>/clips/<clip>.mp4        or any other video file, or a folder <clip>/ of frames 000001.png ...
    <root>/landmarks/<clip>.txt    one text per clip, see `facedeblur.faces.annotation.read_menpo_text`

A clip without a text is tracked by the detector. Clips of fewer than 500 frames are left out, as the paper does. The
corpus names no people: a clip is its own identity, but for `<root>/identities.csv` (file,identity[,split], file being
relative to <root>), which wins.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from facedeblur.data.corpora.clip import (
    VIDEO_SUFFIXES,
    Clip,
    CorpusError,
    existing_folder,
    in_order,
    with_held_out,
)
from facedeblur.data.corpora.clips import discover
from facedeblur.data.corpora.settings import CorpusSettings
from facedeblur.faces.annotation import Annotation, menpo_frames

LAYOUT = "clips/<clip>.mp4 (or a folder of frames) and landmarks/<clip>.txt in it"


def find(settings: CorpusSettings) -> list[Clip]:
    """The clips of 2MF2. Raises CorpusError."""
    root = existing_folder(settings.root, settings.label, LAYOUT)
    if (root / "identities.csv").is_file():
        clips = discover(root, settings.label, None, settings.val_fraction, str(root / "identities.csv"))
        return in_order(_described(clip, root, settings) for clip in clips if _long_enough(clip, root, settings))
    clips = [_described(clip, root, settings) for clip in _listed(root, settings)]
    clips = [clip for clip in clips if _long_enough(clip, root, settings)]
    return in_order(with_held_out(clips, settings.val_fraction))


def _listed(root: Path, settings: CorpusSettings) -> list[Clip]:
    entries = sorted((root / "clips").iterdir()) if (root / "clips").is_dir() else []
    entries = [e for e in entries if not e.name.startswith(".") and (e.is_dir() or e.suffix.lower() in VIDEO_SUFFIXES)]
    if not entries:
        raise CorpusError(f"{root}: no clips; {settings.label} expects {LAYOUT}")
    return [Clip(str(entry), settings.label, entry.stem, "train") for entry in entries]


def _described(clip: Clip, root: Path, settings: CorpusSettings) -> Clip:
    text = _text(clip, root)
    return replace(clip, annotation=Annotation(str(text)) if text.is_file() else None, min_frames=settings.min_frames)


def _long_enough(clip: Clip, root: Path, settings: CorpusSettings) -> bool:
    """What the landmark text says of the length saves decoding a clip that is too short; the rest is counted later."""
    text = _text(clip, root)
    return not text.is_file() or menpo_frames(text) >= settings.min_frames


def _text(clip: Clip, root: Path) -> Path:
    return root / "landmarks" / f"{Path(clip.path).stem}.txt"
