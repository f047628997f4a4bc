"""`data=ytf`: YouTube Faces, folders of frames, and its published pairs for verification (Section 5.3).

    <root>/frame_images_DB/<Name>/<video>/<video>.<frame>.jpg    3,425 videos of 1,595 people; numbers are not padded
    <root>/splits.txt                                            ten folds of 250 same and 250 other pairs; or `splits`

`<root>` may be `frame_images_DB` itself. A clip's category is the fold whose pairs it is in, "" in none; no one is in
two folds. People of fold 10 validate, everybody else trains; without a list of pairs a tenth of the people is held out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from facedeblur.data.corpora.clip import Clip, CorpusError, Traits, existing_folder, in_order, with_held_out
from facedeblur.data.corpora.settings import CorpusSettings
from facedeblur.images import IMAGE_SUFFIXES

LAYOUT = "frame_images_DB/<Name>/<video>/<video>.<frame>.jpg and splits.txt in it"
TRAITS = Traits(everybody=True, inner_folders=("frame_images_DB",))
HELD_OUT_FOLD = "10"


@dataclass(frozen=True)
class VideoPair:
    """One question of the protocol: do videos `first` and `second` ("<Name>/<video>") show the same person?"""

    fold: str
    first: str
    second: str
    same: bool


def find(settings: CorpusSettings) -> list[Clip]:
    """The videos of YTF. Raises CorpusError."""
    root = existing_folder(settings.root, settings.label, LAYOUT)
    frames = root / "frame_images_DB" if (root / "frame_images_DB").is_dir() else root
    folders = [f for f in sorted(frames.glob("*/*/")) if f.is_dir() and _holds_images(f)]
    if not folders:
        raise CorpusError(f"{frames}: no folders of frames; {settings.label} expects {LAYOUT}")
    listed = Path(settings.splits) if settings.splits else root / "splits.txt"
    clips = [
        Clip(str(folder), settings.label, folder.parent.name, "train", min_frames=settings.min_frames)
        for folder in folders
    ]
    if not settings.splits and not listed.is_file():
        return in_order(with_held_out(clips, settings.val_fraction))
    folds = {name: pair.fold for pair in read_pairs(listed) for name in (pair.first, pair.second)}
    people = {name.split("/")[0]: fold for name, fold in folds.items()}
    return in_order(
        replace(
            clip,
            category=folds.get(f"{clip.identity}/{Path(clip.path).name}", ""),
            split="val" if people.get(clip.identity) == HELD_OUT_FOLD else "train",
        )
        for clip in clips
    )


def read_pairs(path: str | Path) -> list[VideoPair]:
    """The published list: lines "fold, number, Name/video, Name/video, 1|0", with or without a header.

    Raises:
        CorpusError: naming the file and line.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: list of pairs cannot be read ({error})") from None
    pairs = []
    for number, line in enumerate(lines, start=1):
        fields = [field.strip() for field in line.split(",")]
        if len(fields) >= 5 and fields[0].isdigit() and fields[4] in ("0", "1") and all("/" in f for f in fields[2:4]):
            pairs.append(VideoPair(fields[0], fields[2], fields[3], fields[4] == "1"))
        elif number > 1 and line.strip():
            raise CorpusError(f"{path}: line {number}: expected fold, number, Name/video, Name/video, 1 or 0")
    if not pairs:
        raise CorpusError(f"{path}: no pairs; expected lines of fold, number, Name/video, Name/video, 1 or 0")
    return pairs


def _holds_images(folder: Path) -> bool:
    return any(file.suffix.lower() in IMAGE_SUFFIXES for file in folder.iterdir())
