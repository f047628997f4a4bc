import errno
import os

import pytest

from facedeblur.video.failures import is_expensive, is_transient
from facedeblur.video.source import VideoError, check_file


@pytest.mark.parametrize("number", (errno.ENOSPC, errno.EACCES, errno.EIO, errno.EMFILE, errno.ESTALE))
def test_what_the_system_refuses_may_pass(number):
    error = OSError(number, os.strerror(number), "/a b/c.npz")
    assert is_transient(f"cannot be tracked: {type(error).__name__}: {error}")
    assert not is_expensive(str(error))


def test_a_missing_file_may_come(tmp_path):
    with pytest.raises(VideoError) as error:
        check_file(tmp_path / "none.mp4")
    assert is_transient(error.value.reason)


@pytest.mark.parametrize(
    "reason",
    (
        "empty file",
        "no face found",
        "one frame only",
        "not a video (Invalid data found when processing input)",
        "cannot be decoded: decoder InvalidDataError: [Errno 1094995529] Invalid data found when processing input",
        "a.txt: landmark text cannot be read ('utf-8' codec can't decode byte 0xff)",
        "a symbolic link to itself",
    ),
)
def test_what_a_file_holds_stays(reason):
    assert not is_transient(reason) and not is_expensive(reason)


@pytest.mark.parametrize("reason", ("decoder hung for 60 s", "crashed (killed by SIGKILL)", "MemoryError: "))
def test_what_may_cost_minutes_is_no_passing_thing(reason):
    assert is_expensive(reason) and not is_transient(reason)
