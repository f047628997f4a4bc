"""What stops a sweep before its first job."""

from __future__ import annotations


class SweepError(ValueError):
    """The sweep cannot start as it was asked for; one sentence that the user can act on."""
