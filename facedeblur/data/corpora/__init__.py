"""Corpora: which clips a folder on disk holds, who is in them, who is held out, and where their landmarks are.

One module per layout, each with `find(settings) -> list[Clip]`; its docstring shows the layout it expects. Training and
evaluation read the same listing.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from facedeblur.data.corpora.clip import Clip
from facedeblur.data.corpora.clips import discover
from facedeblur.data.corpora.settings import KINDS, CorpusSettings

__all__ = ["KINDS", "Clip", "CorpusSettings", "discover", "find_clips", "layout"]


def find_clips(settings: CorpusSettings) -> list[Clip]:
    """The clips of a corpus, sorted by split and path.

    Raises CorpusError, one line with the layout that was expected, for a folder that is missing or laid out otherwise,
    and for an identity that is both in training and in validation.
    """
    return _module(settings.kind).find(settings)


def layout(kind: str) -> str:
    """The layout that corpora of this kind have, in a few words."""
    return _module(kind).LAYOUT


def _module(kind: str) -> ModuleType:
    return import_module(f"facedeblur.data.corpora.{kind}")
