"""One clip of a corpus, and what all layouts share: reading folders, holding people out, errors with the layout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.faces.annotation import Annotation
from facedeblur.video.album import SUFFIX

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")


class CorpusError(UsageError, ValueError):
    """A corpus that is not there or not laid out as its kind says; the message is one line with the layout."""


@dataclass(frozen=True)
class Clip:
    """One video, folder of frames or list of stills.

    Attributes:
        path: the file or folder.
        corpus: name of its corpus.
        identity: who is in it; where a corpus does not say, the clip's own name.
        split: "train", "val" or "test"; no person is in two of them.
        category: 300VW: "1", "2", "3" of its test videos; YTF: the fold whose pairs it is in; else "".
        annotation: its landmarks; None: `<clip stem>.npz` beside it where there is one, else they are detected.
        min_frames: it is left out when fewer can be decoded.
    """

    path: str
    corpus: str
    identity: str
    split: str
    category: str = ""
    annotation: Annotation | None = None
    min_frames: int = 0


def is_album(clip: Clip) -> bool:
    """Whether a clip is a list of photos instead of a video."""
    return clip.path.endswith(SUFFIX)


@dataclass(frozen=True)
class Traits:
    """What other parts of the package must know of a layout; a module says it in `TRAITS` where it differs from this.

    Attributes:
        own_val_root: its `find` reads `val_root` itself.
        everybody: a test set holds everybody, since the published protocol compares all people.
        inner_folders: folders between the root and what users call a clip by.
    """

    own_val_root: bool = False
    everybody: bool = False
    inner_folders: tuple[str, ...] = ()


def existing_folder(path: str | Path, corpus: str, layout: str, inner: str = "") -> Path:
    """`path` as a Path, or its folder `inner` where it has one. Raises CorpusError where there is no such folder."""
    path = Path(path).expanduser()
    if not path.is_dir():
        raise CorpusError(f"{path}: no such folder; {corpus} expects {layout}")
    return path / inner if (path / inner).is_dir() else path


def videos_in(folder: Path, pattern: str = "**/*") -> Iterator[Path]:
    """The video files below a folder, sorted; hidden files and folders do not count."""
    around: dict[Path, bool] = {}
    for file in sorted(folder.glob(pattern)):
        if around.setdefault(file.parent, _leads_back(file.parent, folder)):
            continue
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix.lower() in VIDEO_SUFFIXES and not hidden and not file.is_dir():
            yield file  # a link that leads nowhere, too: it is reported like any other file that cannot be read


def _leads_back(folder: Path, top: Path) -> bool:
    """Whether a folder below `top` is reached through a link to a folder that holds the link: its files come twice."""
    between = [folder, *folder.parents]
    links = [link for link in between[: between.index(top)] if link.is_symlink()]
    return any(link.parent.resolve().is_relative_to(link.resolve()) for link in links)


def with_held_out(clips: list[Clip], fraction: float) -> list[Clip]:
    """The clips, those of a `fraction` of the identities for validation."""
    names = held_out({clip.identity for clip in clips}, fraction)
    return [replace(clip, split="val" if clip.identity in names else "train") for clip in clips]


def held_out(identities: Iterable[str], fraction: float) -> set[str]:
    """The identities whose hash is smallest: `fraction` of them, at least one of two, stable when others come or go."""
    identities = set(identities)
    count = round(fraction * len(identities))
    if fraction > 0 and len(identities) > 1:
        count = min(max(count, 1), len(identities) - 1)
    return set(sorted(identities, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:count])


def in_order(clips: Iterable[Clip]) -> list[Clip]:
    """Sorted by split and path. Raises CorpusError where an identity is in two splits."""
    clips = sorted(clips, key=lambda clip: (clip.split, clip.path))
    splits: dict[tuple[str, str], str] = {}
    words = {"train": "training", "val": "validation", "test": "testing"}
    for clip in clips:
        other = splits.setdefault((clip.corpus, clip.identity), clip.split)
        if other != clip.split:
            who = f"identity {clip.identity!r} of corpus {clip.corpus!r}"
            raise CorpusError(f"{who} is in {words[other]} and in {words[clip.split]}")
    return clips
