"""What a run folder says of its run: its state, whether its process still lives, what a sweep does with it next."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facedeblur.files import read_json

ENDED = ("done", "stopped")  # states of a run that did what it was asked to: its steps, or its minutes
DEAD_AFTER_SECONDS = 120.0
SWEEP_LOCK = ".gpu_pool.lock"  # in a sweep's folder, held while its launcher runs on this machine
LENGTH = ("trainer.epochs", "trainer.max_steps", "trainer.minutes", "scale.epochs")  # keys that only say how long
# of a stage's data: what its images are drawn from, and what a step sees of them
CORPUS_KEYS = ("kind", "root", "val_root", "val_fraction", "identities", "every", "min_frames", "unreliable", "splits",
               "corpora", "demo", "mixture", "only_first_pass", "epoch_windows", "batch")  # fmt: skip
PLACE_ONLY = ("jobs", "output", "resume")  # keys that do not change what a run computes


def trained_on(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Full key -> value of what a composed run learns from: corpus, blur and batch. A resumed run keeps to it."""
    prefix, stage = ("hourglass.", plain["hourglass"]) if plain["stage"] == "hourglass" else ("", plain)
    keys = {f"{prefix}data.{key}": stage["data"].get(key) for key in CORPUS_KEYS}
    keys |= {f"{prefix}blur.{key}": value for key, value in stage["blur"].items() if key != "name"}
    keys[f"{prefix}trainer.accumulate"] = stage["trainer"]["accumulate"]
    return json.loads(json.dumps(keys, default=str))  # as the run folder's file holds it


def read_status(folder: Path) -> dict | None:
    """The folder's status, or None where no run ever started. A torn or foreign file reads as None too."""
    status = read_json(folder / "status.json", {})
    return status if "state" in status else None


def is_alive(status: dict | None) -> bool:
    """Whether the run behind `status` still works: its heartbeat is fresh, and on this host its process exists."""
    if not status or status.get("state") != "running":
        return False
    if time.time() - float(status.get("heartbeat", 0)) > DEAD_AFTER_SECONDS:
        return False
    if status.get("host") == socket.gethostname():
        try:
            os.kill(int(status["pid"]), 0)
        except (ProcessLookupError, KeyError, ValueError):
            return False
        except PermissionError:
            return True
    return True


def is_over(sweep: Path) -> bool:
    """Whether the launcher gpu_pool has left the sweep's folder, so that no waiting job of it will start.

    False for sweeps of other launchers, of which the folder says nothing.
    """
    from filelock import FileLock, Timeout

    if not (sweep / SWEEP_LOCK).is_file():
        return False
    try:
        with FileLock(sweep / SWEEP_LOCK).acquire(timeout=0):
            return True
    except (Timeout, OSError):
        return False


def next_step(folder: Path, skip_done: bool = True) -> str:
    """`start`, `resume`, `skip` or `busy`: what a sweep does with the run folder, by its status.json.

    A run that is interrupted, failed, or running with a dead process or heartbeat is resumed; so is a finished one,
    or one that its time limit stopped, unless `skip_done`.
    """
    status = read_status(folder)
    if status is None:
        return "start"
    if is_alive(status):
        return "busy"
    return "skip" if status["state"] in ENDED and skip_done else "resume"


def override_difference(folder: Path, overrides: Sequence[str], longer: bool = False) -> str:
    """How `overrides` differ from those in the folder's job.json, e.g. `-seed=0 +seed=1`; empty where they do not.

    Keys of Hydra and those that only say where a run goes do not count; with `longer` neither do those that say how
    long it trains, so that a finished run may go on. A folder without job.json differs from none.
    """
    ignored = (*PLACE_ONLY, *LENGTH) if longer else PLACE_ONLY
    before = read_json(folder / "job.json", {}).get("overrides")
    if before is None:
        return ""
    old, new = ({override for override in words if _counts(override, ignored)} for words in (before, overrides))
    return " ".join([*(f"-{o}" for o in sorted(old - new)), *(f"+{o}" for o in sorted(new - old))])


def _counts(override: str, ignored: Sequence[str]) -> bool:
    key = override.lstrip("+~").partition("=")[0]
    return key not in ignored and not key.startswith("hydra")
