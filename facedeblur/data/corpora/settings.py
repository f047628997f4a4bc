"""How a corpus is named, where it lies, and what of it is used: plain values, checked before anything heavy loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facedeblur.plugins import check_target, is_target
from facedeblur.settings import check, check_count

KINDS = ("clips", "twomf2", "lrw", "stills", "pairs", "ms_celeb", "vw300", "ytf")  # one module of this package each
EVERY = {"lrw": 10}  # as the paper does (section 5.1)
MIN_FRAMES = {"twomf2": 500}


def check_kind(kind: str, others: Sequence[str] = ()) -> None:
    """Raises ValueError unless `kind` is a layout of this package, one of `others`, or a target that is there."""
    if kind in KINDS or kind in others:
        return
    if is_target(kind):
        check_target(kind, "kind")
    else:
        raise ValueError(f"kind: one of {', '.join([*others, *KINDS])} or <file>.py:<name>, got {kind!r}")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What of a corpus is used, and who is held out.

    Attributes:
        val_root: another folder of the same layout, all of it held out; then all of `root` trains.
        val_fraction: share of the identities held out, by a hash of their names, where neither layout nor folder says
            which.
        identities: clips: "folder" (first sub-folder), "none" (every video is another person), or a CSV file with a
            header and the columns file (relative to root), identity and, if wanted, split.
        every: lrw: every n-th video of each split; None: every 10th, as the paper does.
        min_frames: shorter clips are left out; None: those of fewer than 500 frames of 2MF2, as the paper does.
        unreliable: vw300: frames whose landmarks are wrong: a CSV file "clip,frame" or a folder of <clip>.mat.
        splits: ytf: the published list of pairs, splits.txt.
    """

    val_root: str | None = None
    val_fraction: float = 0.1
    identities: str = "folder"
    every: int | None = None
    min_frames: int | None = None
    unreliable: str | None = None
    splits: str | None = None


@dataclass(frozen=True)
class CorpusSettings(Selection):
    """One corpus.

    Attributes:
        kind: its layout: one of `KINDS`, or a function of the user's own, <file>.py:<name>, of these settings, that
            returns Clips.
        root: its folder.
        name: what plans, mixtures and tables call it; None: its kind.
        cache: folder for what a corpus has to write down about itself: lists of stills.

    Raises:
        ValueError: naming the field.
    """

    kind: str
    root: str | None = None
    name: str | None = None
    cache: str = "outputs/cache"

    def __post_init__(self) -> None:
        check_kind(self.kind)
        check(bool(self.root), "root", f"the folder of {self.label}", self.root)
        check(0 <= self.val_fraction < 1, "val_fraction", "in [0, 1)", self.val_fraction)
        if self.every is None:
            object.__setattr__(self, "every", EVERY.get(self.kind, 1))
        if self.min_frames is None:
            object.__setattr__(self, "min_frames", MIN_FRAMES.get(self.kind, 0))
        check_count("every", self.every)
        check_count("min_frames", self.min_frames, 0)

    @property
    def label(self) -> str:
        """The corpus's name in plans."""
        return self.name or self.kind
