"""Tiny children in place of training runs."""

from __future__ import annotations

import sys

from hydra_plugins.facedeblur_launcher._jobs import Job

# writes when it ran and under which mask, then ends as it is told
CHILD = """
import json, os, sys, time
folder, seconds, status = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
started = time.time()
time.sleep(seconds)
found = {"mask": os.environ["CUDA_VISIBLE_DEVICES"], "started": started, "ended": time.time()}
json.dump(found, open(os.path.join(folder, "child.json"), "w"))
print("the last words", flush=True)
os.kill(os.getpid(), 9) if status == -9 else sys.exit(status)
"""


def fake_jobs(tmp_path, count):
    return [Job(number, [f"seed={number}"], tmp_path / f"s{number}", f"seed={number}") for number in range(count)]


def fake_command(statuses=(), seconds=0.1):
    def command(job):
        status = dict(statuses).get(job.number, 0)
        return [sys.executable, "-c", CHILD, str(job.folder), str(seconds), str(status)]

    return command
