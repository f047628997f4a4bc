"""What stops a sweep before its first job."""

from __future__ import annotations

import sys
from typing import NoReturn


class SweepError(ValueError):
    """The sweep cannot start as it was asked for; one sentence that the user can act on."""


def stop(error: Exception) -> NoReturn:
    """Ends the command with status 2 and one line: Hydra would print its own stack around an exception."""
    print(f"facedeblur: error: {error}", file=sys.stderr)
    raise SystemExit(2) from error
