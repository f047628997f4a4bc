"""Files that must not be read, met by a user who is not allowed everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .files import annotate, encode, film, landmarks

DAC_OVERRIDE, DAC_READ_SEARCH, BOUNDING_SET_DROP = 1, 2, 24  # linux/capability.h, linux/prctl.h

PREPARE = """
import json, sys
from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import discover
from facedeblur.data.prepare.prepare import prepare_plan
if __name__ == "__main__":
    clips = discover(sys.argv[1], val_fraction=0.0)
    plan, report = prepare_plan(clips, [named_schedule("pravg7")], sys.argv[2], jobs=2)
    print(json.dumps({"windows": len(plan), "clips": len(clips), "skipped": report.skipped}))
"""


def without_privileges() -> None:
    """In a child of root: what it starts may read only what file modes allow, like any other user."""
    import ctypes

    for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(BOUNDING_SET_DROP, capability)


@pytest.mark.skipif(sys.platform != "linux", reason="uses Linux capabilities where the tests run as root")
def test_a_file_without_permission_is_skipped_and_named(tmp_path):
    folder = tmp_path / "clips"
    for name in ("open", "locked"):
        annotate(encode(folder / name / "a.mp4", film()), landmarks())
    locked = folder / "locked" / "a.mp4"
    locked.chmod(0)
    (folder / "hidden").mkdir()
    encode(folder / "hidden" / "a.mp4", film(3))
    (folder / "hidden").chmod(0)
    script = tmp_path / "prepare.py"
    script.write_text(PREPARE)

    def prepared():
        done = subprocess.run(
            [sys.executable, script, folder, tmp_path / "cache"],
            capture_output=True,
            text=True,
            preexec_fn=without_privileges if os.geteuid() == 0 else None,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    try:
        found = prepared()
        assert found["windows"] == 3
        assert [str(locked), "no permission to read it"] in found["skipped"]
        locked.chmod(0o600)
        again = prepared()
        assert again["windows"] == 6 and str(locked) not in dict(again["skipped"]), "the next call may read it"
    finally:
        (folder / "hidden").chmod(0o700)
