"""The runs of a sweep as their folders tell them: no training code is imported, half-written folders are fine."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import yaml

from facedeblur.errors import UsageError
from facedeblur.files import read_json
from facedeblur.status import ENDED, is_alive, read_status

STATES = ("done", "running", "waiting", "interrupted", "dead", "failed")
LOG_LINES = 25


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes:
        state: done | running | waiting (not started) | interrupted | dead (its process is gone without a word) |
            failed.
        rows: validation rows, one per window.
        curves: metric -> (generator steps, values).
        cost: attempts, as in cost.json.
    """

    folder: Path
    variant: str
    seed: int | None
    state: str
    reason: str = ""
    traceback: str = ""
    log: str = ""
    started: float | None = None
    ended: float | None = None
    device: str = ""
    step: int | None = None
    config: dict = field(default_factory=dict, repr=False)
    summary: dict = field(default_factory=dict, repr=False)
    rows: list[dict] = field(default_factory=list, repr=False)
    curves: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict, repr=False)
    cost: list[dict] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        """Reads `final-s0`."""
        return self.variant if self.seed is None else f"{self.variant}-s{self.seed}"

    @property
    def seconds(self) -> float | None:
        """Time of the training loop over all attempts; None before the first account."""
        return sum(part["seconds"] for part in self.cost) if self.cost else None

    @property
    def images_per_second(self) -> float | None:
        """Training pairs per second of the training loop."""
        return sum(part["images"] for part in self.cost) / self.seconds if self.seconds else None

    @property
    def peak_memory(self) -> float | None:
        """MiB: on the GPU where one was used, else of the process."""
        peaks = [part["peak_gpu_memory_mb"] or part["peak_memory_mb"] for part in self.cost]
        return max(peaks) if peaks else None


@dataclass(frozen=True)
class Sweep:
    """All runs of a sweep folder, variants in the order in which they were asked for."""

    folder: Path
    runs: tuple[Run, ...]
    reference: str | None

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def variants(self) -> list[str]:
        return list(dict.fromkeys(run.variant for run in self.runs))

    def of(self, variant: str, done: bool = True) -> list[Run]:
        """The runs of one variant, by seed; with `done` only those that have been scored."""
        chosen = [
            run for run in self.runs if run.variant == variant and (not done or (run.rows and run.state == "done"))
        ]
        return sorted(chosen, key=lambda run: -1 if run.seed is None else run.seed)


def is_sweep(folder: Path) -> bool:
    """Whether the folder was made by a sweep, as opposed to one run or an evaluation."""
    return (folder / "sweep.json").is_file() or (folder / "multirun.yaml").is_file()


def read_sweep(folder: Path) -> Sweep:
    """Everything below `folder`. Raises UsageError where no run is found."""
    folder = Path(folder)
    known = {job["folder"]: job for job in read_json(folder / "sweep.json", {}).get("jobs", [])}
    found = {
        str(path.parent.relative_to(folder)) for path in (*_below(folder, "status.json"), *_below(folder, "job.json"))
    }
    places = [*known, *sorted(found - known.keys() - {"shared"})]
    if not places:
        raise UsageError(f"{folder}: no run here; give the folder of a sweep, e.g. outputs/ablations")
    runs = tuple(_read_run(folder / place, Path(place)) for place in places)
    references = [(run.config.get("sweep") or {}).get("reference") for run in runs]
    return Sweep(folder, runs, next((name for name in references if name), None))


def _read_run(folder: Path, place: Path) -> Run:
    status, job = read_status(folder) or {}, read_json(folder / "job.json", {})
    config = _yaml(folder / "config.yaml")
    of_sweep = config.get("sweep") or {}
    seed = config.get("seed", _seed_of(place.name))
    variant = of_sweep.get("variant") or (str(place.parent) if len(place.parts) > 1 else place.name)
    state = _state(status, job)
    return Run(
        folder,
        variant,
        seed,
        state,
        reason=str(status.get("reason") or job.get("reason") or ""),
        traceback=str(status.get("traceback") or ""),
        log="" if state in ("done", "running", "waiting") else _tail(folder / "job.log"),
        started=job.get("started") or _epoch(status.get("started")),
        ended=job.get("ended") or _epoch(status.get("ended")),
        device=str(job.get("slot") or status.get("host") or ""),
        step=status.get("step"),
        config=config,
        summary=read_json(folder / "summary.json", {}),
        rows=read_json(folder / "validation_rows.json", []),
        curves=_curves(folder / "metrics.csv"),
        cost=read_json(folder / "cost.json", []),
    )


def _state(status: dict, job: dict) -> str:
    if not status:
        return {"failed": "failed", "running": "running", "interrupted": "interrupted"}.get(job.get("state"), "waiting")
    if status["state"] == "running" and not is_alive(status):
        return "dead"
    return "done" if status["state"] in ENDED else status["state"]


def _below(folder: Path, name: str):
    """Files of that name in run folders: one to three levels down, so that no picture folder is searched."""
    for depth in (1, 2, 3):
        yield from folder.glob("*/" * depth + name)


def _yaml(path: Path) -> dict:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def _curves(path: Path) -> dict[str, tuple[list[float], list[float]]]:
    curves: dict[str, tuple[list[float], list[float]]] = {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                step = row.pop("step", None)
                for name, value in row.items():
                    if step and value and name:
                        x, y = float(step), float(value)
                        steps, values = curves.setdefault(name, ([], []))
                        steps.append(x)
                        values.append(y)
    except (OSError, ValueError, TypeError):  # a row torn by a kill
        return curves
    return curves


def _tail(path: Path) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-LOG_LINES:])
    except OSError:
        return ""


def _epoch(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None


def _seed_of(name: str) -> int | None:
    digits = name.rpartition("s")[2]
    return int(digits) if digits.isdigit() else None
