"""The evaluation: shard by shard, pairs are read, deblurred by every method, judged, and written as score rows.

While the judges work on one shard, the pairs of the next are read; a method runs only when no judge does, so that its
seconds are its own. Slow methods, the compared ones, take their turns one by one, in the judges' processes. A shard's
rows are one Parquet file per method; what is there already is not made again, unless windows of it could not be read.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from facedeblur.cores import job_count
from facedeblur.evaluation.forecast import Forecast
from facedeblur.evaluation.front_door import FrontDoor, front_doors, through
from facedeblur.evaluation.judging import EvalItem, JudgePool
from facedeblur.evaluation.names import check_file_names, file_name
from facedeblur.evaluation.own_metrics import OwnMetrics
from facedeblur.evaluation.protocol import merged, protocol, write_protocol
from facedeblur.evaluation.restoring import PooledRestorer, Restored, Restorer, image_size, is_slow
from facedeblur.evaluation.rows import FOLDER, ScoreRow
from facedeblur.evaluation.saved_images import SavedImages
from facedeblur.evaluation.scoring import image_scores, score_row
from facedeblur.evaluation.settings import EvaluationSettings
from facedeblur.evaluation.shards import (
    Loss,
    Record,
    flag_counts,
    is_complete,
    losses,
    read_records,
    write_shard,
)
from facedeblur.evaluation.testset import BlurSet, TestPair, make_test_set, window_key
from facedeblur.faces import judges
from facedeblur.files import remove_leftovers, write_json
from facedeblur.methods import Method, load_methods
from facedeblur.models.devices import torch_device
from facedeblur.progress import StepProgress


@dataclass(frozen=True, eq=False)
class Shard:
    """Some windows of one blur: `rows` of its plan, and for each method that lacks some the file to write."""

    name: str
    blur: BlurSet
    rows: tuple[int, ...]
    files: dict[str, Path]


@dataclass(frozen=True, eq=False)
class _Pending:
    """Some methods' images of a shard, whose measurements are awaited."""

    shard: Shard
    files: dict[str, Path]
    last: bool  # of the shard
    pairs: list[TestPair]
    lost: list[Loss]
    restored: dict[str, list[Restored]]
    answers: list[Future | EvalItem]


class Evaluation:
    """One call of `facedeblur evaluate`, in the folder `settings.folder`.

    Args:
        methods: ready ones, "blurred" and "oracle" among them; None: those that `settings` names.
        own: metrics beside those of the package; None: those that `settings` names.

    Raises:
        UsageError: everything the user can fix: methods, corpus, judges, or a folder of other rows.
    """

    def __init__(
        self, settings: EvaluationSettings, methods: Sequence[Method] | None = None, own: OwnMetrics | None = None
    ) -> None:
        self.settings, self.folder = settings, settings.folder
        self.jobs = job_count(settings.jobs)
        self.device = torch_device(settings.device)
        self.methods = load_methods(settings.methods, self.device) if methods is None else list(methods)
        self.size = image_size(self.methods, settings.size)
        if settings.front_door:
            self.methods += front_doors(self.methods, self.size)
        check_file_names(self.methods)
        self.tests = make_test_set(settings.data, settings.schedules(), max(1, self.jobs), settings.images)
        mixed = frozenset(blur.schedule.name for blur in self.tests.blurs if blur.schedule.mixes_lengths)
        self.saved = SavedImages(self.folder, self.methods, mixed) if settings.save else None
        # the plan's landmarks are dlib's already
        self.truth = None if settings.judge.truth == "dlib" else judges.localizer(settings.judge.truth)
        self.own = OwnMetrics.of(settings.metrics) if own is None else own
        self.own.try_out(self.size)
        described = protocol(settings, self.size, self.methods, self.tests)
        if self.own.metrics:
            described["own_metrics"] = dict(self.own.described)
        self.protocol = merged(self.folder, described)
        self.restorers = {m.name: Restorer(m, self.device, settings.batch) for m in self.methods}
        self.records: dict[Path, Record] = {}  # of all that is in the folder

    def run(self, pool: JudgePool | None = None) -> None:
        """Makes the rows that are missing, with judges of its own or those of `pool`.

        An interruption loses only the shards in flight.
        """
        waiting = [shard for shard in self.shards() if shard.files]
        self.records = read_records(self.folder)
        windows = sum(len(shard.rows) for shard in waiting)
        done, self.started = 0, time.monotonic()
        self._status("running", windows, done)
        remove_leftovers(self.folder / FOLDER)
        write_protocol(self.folder, self.protocol)
        self.forecast = Forecast(sum((Counter(dict.fromkeys(s.files, len(s.rows))) for s in waiting), Counter()))
        self.progress = StepProgress(f"evaluating {', '.join(m.name for m in self.methods)} on {self.tests.name}")
        try:
            with nullcontext(pool) if pool else JudgePool(self.settings.judge, self.jobs) as judging:
                pending: _Pending | None = None
                for shard in waiting:
                    pairs, lost = self._read(shard)  # while the judges look at what was restored before
                    if shard is waiting[0]:
                        self._try_slow(pairs, judging)
                    for methods, last in self._turns(shard):
                        if pending is not None:
                            done = self._finish(pending, judging, done, windows)
                        pending = self._start(shard, methods, last, pairs, lost, judging)
                if pending is not None:
                    self._finish(pending, judging, done, windows)
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            self._status("interrupted" if interrupted else "failed", windows, done, f"{type(error).__name__}: {error}")
            raise
        self._status("done", windows, windows)
        for (video, reason), count in losses(self.records.values()).items():
            print(f"lost {count} window(s) of {video}: {reason}; they have no rows, and the next call tries again",
                  file=sys.stderr)  # fmt: skip

    def shards(self) -> Iterator[Shard]:
        """All shards, in order; `files` are those that are missing, or lack windows that could not be read."""
        for blur in self.tests.blurs:
            for first in range(0, len(blur.plan), self.settings.shard):
                rows = tuple(range(first, min(first + self.settings.shard, len(blur.plan))))
                ends = (window_key(self.tests.case(blur.plan, row)) for row in (rows[0], rows[-1]))
                name = f"{blur.schedule.name}-{file_name(self.tests.name)}-{first:06}-{'-'.join(ends)}-{len(rows)}"
                files = {m.name: self._file(name, m.name) for m in self.methods}
                missing = {method: file for method, file in files.items() if not is_complete(file, len(rows))}
                yield Shard(name, blur, rows, missing)

    def _file(self, shard: str, method: str) -> Path:
        return self.folder / FOLDER / f"{shard}-{file_name(method)}.parquet"

    def _read(self, shard: Shard) -> tuple[list[TestPair], list[Loss]]:
        items = list(self.tests.pairs(shard.blur, shard.rows, self.size, self.truth))
        pairs = [item for item in items if isinstance(item, TestPair)]
        return pairs, [Loss(*item) for item in items if not isinstance(item, TestPair)]

    def _turns(self, shard: Shard) -> list[tuple[list[Method], bool]]:
        """The methods that a shard lacks: quick ones together, each slow one by itself; and whether they are the last.

        What is restored together is judged and written together, so that an interruption costs no more than that.
        """
        missing = [method for method in self.methods if method.name in shard.files]
        quick = [method for method in missing if not is_slow(method)]
        turns = [quick] * bool(quick) + [[method] for method in missing if is_slow(method)]
        return [(turn, turn is turns[-1]) for turn in turns]

    def _restore(self, method: Method, images: list[np.ndarray], pool: JudgePool) -> list[Restored]:
        def report_progress(count: int) -> None:
            left = self.forecast.seconds_left() - (time.monotonic() - begin)
            self.progress(self.forecast.done, self.forecast.total, f"{method.name} {count} of {len(images)}", left)

        begin = time.monotonic()
        if is_slow(method) and method.spec and self.jobs and self.device.type == "cpu":
            restored = PooledRestorer(method, pool)(images, report_progress)
        else:
            restored = self.restorers[method.name](images)
        self.forecast.restored(method.name, len(images), time.monotonic() - begin)
        return restored

    def _try_slow(self, pairs: list[TestPair], pool: JudgePool) -> None:
        """One image a process through each slow method: whether it runs here, and for how long all will take."""
        for method in self.methods:
            if isinstance(method, FrontDoor):
                continue
            if pairs and is_slow(method) and self.forecast.waiting[method.name] > 2 * max(1, self.jobs):
                self._restore(method, [pair.blurry for pair in pairs[: max(1, self.jobs)]], pool)

    def _start(
        self, shard: Shard, methods: list[Method], last: bool, pairs: list[TestPair], lost: list[Loss], pool: JudgePool
    ) -> _Pending:
        """Runs the methods, and sets the judges to work."""
        restored = {}
        wanted = methods if pairs else []
        for method in wanted:
            if not isinstance(method, FrontDoor):
                images = [pair.sharp if method.sharp else pair.blurry for pair in pairs]
                restored[method.name] = self._restore(method, images, pool)
        doors = [method for method in wanted if isinstance(method, FrontDoor)]
        restored |= through(doors, shard.blur, [pair.row for pair in pairs], self.size)
        items = [
            EvalItem(pair.sharp, pair.truth, [r[i].image if r[i].usable else None for r in restored.values()])
            for i, pair in enumerate(pairs)
        ]
        files = {method.name: shard.files[method.name] for method in methods}
        return _Pending(shard, files, last, pairs, lost, restored, pool.submit(items))

    def _finish(self, pending: _Pending, pool: JudgePool, done: int, windows: int) -> int:
        """Scores and saves images while their measurements come in, and writes their rows; returns the windows done."""
        rows: dict[str, list[ScoreRow]] = {name: [] for name in pending.files}
        sharp = [pair.sharp for pair in pending.pairs]
        scores = {name: image_scores([r.image for r in made], sharp) for name, made in pending.restored.items()}
        own = {name: self.own.scores([r.image for r in made], sharp) for name, made in pending.restored.items()}
        paths = [self._save(pair, pending.restored, i) for i, pair in enumerate(pending.pairs)]
        begin, images = time.monotonic(), len(pending.files)
        for i, measurements in enumerate(pool.results(pending.answers)):
            pair = pending.pairs[i]
            for (name, made), measurement in zip(pending.restored.items(), measurements, strict=True):
                row = score_row(name, pair, made[i], measurement, scores[name][i], paths[i].get(name))
                rows[name].append(replace(row, own=own[name][i]))
            judged = self.forecast.done + images * max(i + 1, pool.ready(pending.answers))
            if judged < self.forecast.total:
                self.progress(judged, self.forecast.total, pair.case.video, self.forecast.seconds_left())
        self.forecast.judged(images * len(pending.pairs), time.monotonic() - begin)
        for name, file in pending.files.items():
            self.records[file] = write_shard(file, pending.shard.name, name, rows[name], pending.lost)
            self.forecast.finished(name, len(pending.shard.rows))
        methods = ", ".join(pending.files)
        self.progress(self.forecast.done, self.forecast.total, methods, self.forecast.seconds_left())
        done += len(pending.shard.rows) * pending.last
        self._status("running", windows, done)
        return done

    def _save(self, pair: TestPair, restored: dict[str, list[Restored]], index: int) -> dict[str, str]:
        if self.saved is None:
            return {}
        return self.saved.save(pair, {name: made[index].image for name, made in restored.items()})

    def _status(self, state: str, windows: int, done: int, reason: str | None = None) -> None:
        status: dict[str, Any] = {
            "state": state,
            "pid": os.getpid(),
            "heartbeat": time.time(),
            "windows": windows,
            "done": done,
            "seconds": round(time.monotonic() - self.started, 1),
            "lost_windows": losses(self.records.values()).total(),
            "flags": flag_counts(self.records.values()),
        }
        write_json(self.folder / "status.json", status | ({"reason": reason} if reason else {}))
