"""Files of which no reader ever sees half: written beside their place, flushed to the disk, then renamed over it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import tempfile
import time
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from facedeblur.errors import UsageError

# what NumPy raises for a file that is no .npz, lacks an array or is damaged
NPZ_ERRORS = (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error, tokenize.TokenError)

_TEMPORARY = re.compile(r"\.([0-9]+)-[0-9a-f]{8}-.+", re.DOTALL)  # as `replacing` names them
NAME_BYTES = 255  # that the name of a file may have on the file systems of today


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour of `path` to write to, with its suffix; after the block it takes the place of `path`.

    If the block raises, the neighbour is removed and `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}-{_shortened(path)}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path, age: float = 60.0) -> None:
    """Removes the temporary neighbours in `folder` of processes that were killed while they wrote.

    Those whose process this machine does not have, and that were not written to for `age` seconds: it may be one of
    another machine.
    """
    for path in folder.glob(".*-*"):
        found = _TEMPORARY.fullmatch(path.name)
        with suppress(OSError):  # gone meanwhile, or not ours
            if found and not _exists(int(found[1])) and time.time() - path.stat().st_mtime >= age:
                path.unlink()


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _shortened(path: Path, spare: int = 40) -> str:
    """A name's end, suffix and all, that leaves `spare` bytes for what goes before it."""
    return os.fsencode(path.name)[-(NAME_BYTES - spare) :].decode(errors="ignore")


def write_atomic(path: Path, content: str | bytes | Callable[[Path], object]) -> None:
    """Writes text (UTF-8) or bytes, or lets `content` write to the path it is given; all of it or nothing."""
    with replacing(path) as temporary:
        if callable(content):
            content(temporary)
        else:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_pieces(path: Path, most: int) -> list[Path]:
    """A file's content once more, as neighbours `<name>.000`, `<name>.001`, ... of at most `most` bytes each.

    `cat <name>.0* > <name>` makes the file again; `<name>.sha256` says whether it is whole (`sha256sum -c`).
    """
    data = path.read_bytes()
    for old in path.parent.glob(f"{path.name}.[0-9][0-9][0-9]"):
        old.unlink()
    pieces = []
    for number, first in enumerate(range(0, len(data), most)):
        pieces.append(path.with_name(f"{path.name}.{number:03}"))
        write_atomic(pieces[-1], data[first : first + most])
    write_atomic(path.with_name(f"{path.name}.sha256"), f"{hashlib.sha256(data).hexdigest()}  {path.name}\n")
    return pieces


def check_place(path: Path, key: str, folder: bool = False) -> None:
    """Raises UsageError, one line that begins with `key`, unless the file `path` can be written later, or, with
    `folder`, files in that folder. Folders that are missing are not made, only tried for.
    """
    path = Path(path).expanduser()
    if not folder and path.is_dir():
        raise UsageError(f"{key}: {path} is a folder; name the file to write")
    there = path if folder else path.parent
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        if not there.is_dir():
            raise NotADirectoryError(f"{there} is not a folder")
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UsageError(f"{key}: {path} cannot be written to ({error.strerror or error})") from None


def files_among(given: Iterable[Path], suffixes: Container[str]) -> list[Path]:
    """The files that are given, and those with one of the `suffixes` (lower case) in folders and theirs, sorted.

    Raises:
        UsageError: what is not there.
    """
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            found += sorted(file for file in path.rglob("*") if file.suffix.lower() in suffixes)
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"{path}: no such file or folder")
    return found


def default_cache() -> Path:
    """`$FACEDEBLUR_CACHE`, else `outputs/cache` here: what the command line keeps its plans in."""
    return Path(os.environ.get("FACEDEBLUR_CACHE") or "outputs/cache")


def read_json(path: Path, otherwise: Any) -> Any:
    """The content of a JSON file, or `otherwise` where there is none, or it is torn, or of another type than that."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return otherwise
    return content if isinstance(content, type(otherwise)) else otherwise


def write_json(path: Path, value: object) -> None:
    """Writes `value` as indented JSON, atomically; arrays become lists, whatever JSON does not know its text."""
    write_atomic(path, json.dumps(value, indent=2, default=_plain) + "\n")


def _plain(value: object) -> object:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def shown(name: object) -> str:
    """A file's name as one printable line: line breaks, control characters and bytes that are no UTF-8 are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(name))
