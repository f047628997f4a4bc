"""What a plug-in was: its options, its file and that file's hash, as runs write them down and cache keys hash them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from facedeblur.plugins.target import TARGET, locate, targets

SOURCE = "_source_"  # of a plug-in as text: its file and that file's hash


def as_text(plugin: Mapping[str, Any] | None, key: str) -> str:
    """A plug-in as text that changes with its options and its file, "" for none: for settings that are hashed."""
    if plugin is None:
        return ""
    return json.dumps({**plugin, SOURCE: source_of(plugin[TARGET], key)}, sort_keys=True)


def from_text(text: str) -> dict[str, Any]:
    """The plug-in of `as_text`."""
    return {name: value for name, value in json.loads(text).items() if name != SOURCE}


def described(plain: object) -> dict[str, dict[str, str]]:
    """Key -> target, file and SHA-256 of every plug-in of a configuration: what a run writes down."""
    return {key: source_of(target, key) for key, target in targets(plain).items()}


def source_of(target: str, key: str) -> dict[str, str]:
    """A target, the file that holds it and the hash of that file. Raises PluginError where it is not there."""
    _, file = locate(target, key)
    if file is None:
        return {"target": target}
    return {"target": target, "file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
