from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facedeblur.processes import Failure, run_limited


def test_results_carry_the_index_of_their_task():
    outcomes = dict(run_limited(math.sqrt, [4.0, 9.0, 16.0, 25.0, 36.0], jobs=2))
    assert outcomes == {0: 2.0, 1: 3.0, 2: 4.0, 3: 5.0, 4: 6.0}


def test_a_script_without_a_guard_runs_once(tmp_path):
    """Children of other libraries run it again, and start children of their own."""
    script = tmp_path / "plain.py"
    work = "from facedeblur.processes import run_limited\nimport math\n"
    script.write_text(work + "print('begun')\nprint(sorted(run_limited(math.sqrt, [4.0, 9.0], jobs=2)))\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "begun\n[(0, 2.0), (1, 3.0)]\n", "")


def test_no_tasks_no_children():
    assert list(run_limited(math.sqrt, [])) == []


def test_an_exception_fails_its_task_only():
    outcomes = dict(run_limited(math.sqrt, [-1.0, 4.0]))
    assert outcomes[1] == 2.0
    assert outcomes[0].reason.startswith("ValueError: ") and not outcomes[0].hung


def test_a_hanging_child_is_replaced():
    outcomes = dict(run_limited(time.sleep, [60.0, 0.0, 60.0, 0.0], jobs=1, limit=lambda task: 0.3))
    assert outcomes[1] is None and outcomes[3] is None
    assert outcomes[0].hung and outcomes[2].hung


def test_every_task_has_its_own_limit():
    outcomes = dict(run_limited(time.sleep, [0.5, 60.0], limit=lambda seconds: 30.0 if seconds < 1 else 0.2))
    assert outcomes[0] is None and outcomes[1] == Failure("hung for 0 s", hung=True)


def test_a_crashing_child_is_replaced():
    outcomes = dict(run_limited(os._exit, [7, 9], jobs=1))
    assert outcomes == {
        0: Failure("crashed (exit code 7)", crashed=True),
        1: Failure("crashed (exit code 9)", crashed=True),
    }


def die_the_first_time(marker: str) -> int:
    if os.path.exists(marker):
        return os.getpid()
    open(marker, "x").close()
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_task_of_a_killed_child_is_tried_again(tmp_path):
    outcomes = dict(run_limited(die_the_first_time, [str(tmp_path / "a"), str(tmp_path / "b")], jobs=2))
    assert all(isinstance(outcome, int) for outcome in outcomes.values())


def test_a_child_that_is_killed_again_and_again_is_named():
    outcomes = dict(run_limited(kill_myself, [0, 1]))
    assert outcomes[0].reason == "crashed (killed by SIGKILL)" and outcomes[0].crashed


def kill_myself(task: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


PARENT = """
import time
from facedeblur.processes import run_limited
if __name__ == "__main__":
    for _ in run_limited(time.sleep, [0, 60], jobs=1):
        print("one done", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
def test_children_die_with_a_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE)
    parent.stdout.readline()
    (child,) = [int(c) for c in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()][-1:]
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_children_die_with_an_abandoned_run(monkeypatch):
    from facedeblur import processes as children

    started = []
    start = children._start
    monkeypatch.setattr(children, "_start", lambda work: started.append(start(work)) or started[-1])
    run = run_limited(time.sleep, [0.0, 60.0, 60.0], jobs=2, limit=lambda task: 100.0)
    next(run)
    run.close()
    assert started and not any(child.process.is_alive() for child in started)


def test_a_child_that_cannot_start_is_an_error(monkeypatch):
    from facedeblur import processes as children

    monkeypatch.setattr(children, "START_LIMIT", 0.0)
    with pytest.raises(RuntimeError, match="cannot be started"):
        list(run_limited(math.sqrt, [1.0]))
