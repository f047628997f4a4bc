"""Which code a file of weights or a checkpoint may ask for: what the user named in this process, or before it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from facedeblur.plugins.target import PluginError

TRUSTED = "FACEDEBLUR_PLUGINS"  # environment variable: targets that may be imported, one a line


def trust(targets: Iterable[str]) -> None:
    """Targets that this process, and those it starts, may import for a run or a file of weights that names them."""
    known = trusted()
    known |= {_absolute(target) for target in targets}
    if known:
        os.environ[TRUSTED] = "\n".join(sorted(known))


def trusted() -> set[str]:
    """The targets that were given to `trust`, here or in the process that started this one."""
    return set(filter(None, os.environ.get(TRUSTED, "").split("\n")))


def trusted_target(target: str, key: str) -> str:
    """What may be imported for `target`: itself, or a file of the same name that lies elsewhere now.

    Raises:
        PluginError: nobody but a file asks for its code.
    """
    known, wanted = trusted(), _absolute(target)
    if wanted in known:
        return wanted
    moved = [other for other in known if other.endswith("/" + wanted.rpartition("/")[2])]
    if moved:
        return sorted(moved)[0]
    remedy = "code is imported only when you name it: --plugin"
    raise PluginError(f"{key}: was trained with {target}; {remedy} {target} (evaluate: plugins=[{target}])")


def _absolute(target: str) -> str:
    file, colon, name = target.rpartition(":")
    return f"{Path(file).expanduser().resolve()}:{name}" if colon and file.endswith(".py") else target
