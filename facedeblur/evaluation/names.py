"""Names of methods, corpora, videos and people as parts of paths: any name has one of its own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from facedeblur.errors import UsageError
from facedeblur.methods import Method

LONGEST = 120  # bytes of one name: with what is added to it, file systems take 255


def file_name(name: str) -> str:
    """A name as part of a path: letters of any script stay.

    A name that cannot stay as it is has a hash in the end: "a b" is not "a-b", and names of mere symbols differ.
    """
    plain = re.sub(r"[^\w.+-]+", "-", name).strip(".-") or "-"
    cut = plain.encode()[:LONGEST].decode(errors="ignore")
    if cut == name:
        return name
    return f"{cut}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip("-")


def check_file_names(methods: Sequence[Method]) -> None:
    """Raises UsageError where the rows and images of two methods would have the same files, differing only in case."""
    taken: dict[str, str] = {}
    for method in methods:
        other = taken.setdefault(file_name(method.name).lower(), method.name)
        if other != method.name:
            raise UsageError(f"method: {other} and {method.name} would share their files; give one another label")
