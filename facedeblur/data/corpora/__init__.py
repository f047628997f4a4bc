"""Corpora: which clips a folder on disk holds, who is in them, who is held out, and where their landmarks are.

One module per layout, each with `find(settings) -> list[Clip]`, `LAYOUT` in a few words, and `TRAITS` where others must
know more of it; its docstring shows the layout it expects. Training and evaluation read the same listing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from types import ModuleType

from facedeblur.data.corpora.clip import Clip, CorpusError, Traits, in_order, is_album
from facedeblur.data.corpora.clips import discover
from facedeblur.data.corpora.settings import KINDS, CorpusSettings
from facedeblur.errors import UsageError
from facedeblur.plugins import load_target

__all__ = ["KINDS", "Clip", "CorpusSettings", "Traits", "discover", "find_clips", "is_album", "layout", "traits"]


def find_clips(settings: CorpusSettings) -> list[Clip]:
    """The clips of a corpus, sorted by split and path.

    With `val_root` all clips of that folder validate, and those of `root` that else would do so train; the layout's own
    test clips remain what they are.

    Raises CorpusError, one line with the layout that was expected, for a folder that is missing or laid out otherwise,
    and for an identity that is both in training and in validation.
    """
    find = _module(settings.kind).find
    if settings.val_root is None or traits(settings.kind).own_val_root:
        return find(settings)
    whole = replace(settings, val_root=None, val_fraction=0.0)
    train = [replace(clip, split="train" if clip.split == "val" else clip.split) for clip in find(whole)]
    held_out = [replace(clip, split="val") for clip in find(replace(whole, root=settings.val_root))]
    return in_order([*train, *held_out])


def layout(kind: str) -> str:
    """The layout that corpora of this kind have, in a few words."""
    return _module(kind).LAYOUT


def traits(kind: str) -> Traits:
    """What is particular about corpora of this kind."""
    return getattr(_module(kind), "TRAITS", Traits())


def _module(kind: str) -> ModuleType | Layout:
    return import_module(f"facedeblur.data.corpora.{kind}") if kind in KINDS else _own_layout(kind)


@dataclass(frozen=True)
class Layout:
    """A layout of the user's own: what a module of this package has."""

    find: Callable[[CorpusSettings], list[Clip]]
    LAYOUT: str


@cache
def _own_layout(target: str) -> Layout:
    key = f"data.kind={target}"
    listed = load_target(target, key)

    def find(settings: CorpusSettings) -> list[Clip]:
        try:
            clips = list(listed(settings))
        except UsageError:
            raise
        except Exception as error:
            raise CorpusError(f"{key}: {type(error).__name__}: {error}") from error
        wrong = next((clip for clip in clips if not isinstance(clip, Clip)), None)
        if wrong is not None or not clips:
            got = "none" if not clips else f"a {type(wrong).__name__}"
            raise CorpusError(f"{key}: must return facedeblur.data.corpora.Clip objects, got {got}")
        return in_order(clips)

    return Layout(find, (listed.__doc__ or f"what {target} reads").strip().splitlines()[0])
