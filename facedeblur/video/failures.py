"""Why a file was skipped: for what it holds, which stays so, or for what the machine was short of at that moment.

Reasons are the texts of reports, so that those of an earlier call can be judged too.
"""

from __future__ import annotations

import errno
import re

_NOT_THERE = ("file not found", "no permission to read it", "cannot be read (")  # of `source.check_file`
_OF_THE_CALL = {errno.EINVAL, errno.ERANGE, errno.EDOM, errno.ENOSYS, errno.EISDIR}  # the next one would end alike


def is_transient(reason: str) -> bool:
    """Whether the operating system stood in the way: rights, a disk that is full or away, too many open files."""
    numbers = {int(number) for number in re.findall(r"\[Errno (\d+)\]", reason)}
    return reason.startswith(_NOT_THERE) or any(n in errno.errorcode and n not in _OF_THE_CALL for n in numbers)


def is_expensive(reason: str) -> bool:
    """Whether a child ran out of time or memory, or died. That may have been the machine's fault, but also the file's,
    and another attempt may cost minutes."""
    return is_hung(reason) or "crashed (" in reason or "MemoryError" in reason


def is_hung(reason: str) -> bool:
    """Whether a file was given up for want of time."""
    return "hung for" in reason
