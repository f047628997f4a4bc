"""What a plan holds, in numbers: counts per corpus and schedule, lengths, and what was skipped or dropped and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facedeblur.data.plan import Plan
from facedeblur.files import write_atomic


@dataclass(frozen=True)
class Group:
    """Windows of one corpus, split, schedule and direction; means of their length in frames, PSNR in dB and SSIM."""

    corpus: str
    split: str
    schedule: str
    reverse: bool
    windows: int
    length: float
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Report:
    """Summary of one preparation; kept as JSON beside its plan.

    videos    files given
    skipped   (path, reason) of those that give no window
    groups    one line of the summary table each
    lengths   schedule -> {number of frames: windows}
    stops     schedule -> {what ended the window: windows}
    rejects   schedule -> {why a candidate was dropped: candidates}
    """

    videos: int
    skipped: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]
    lengths: dict[str, dict[int, int]]
    stops: dict[str, dict[str, int]]
    rejects: dict[str, dict[str, int]]

    @classmethod
    def of(
        cls,
        plan: Plan,
        videos: int,
        skipped: Iterable[tuple[str, str]] = (),
        rejects: Mapping[str, Mapping[str, int]] | None = None,
    ) -> Report:
        """The report of a finished plan; `videos` were given, `skipped` of them gave nothing."""
        schedule = plan.column("schedule")
        return cls(
            videos=videos,
            skipped=tuple((path, reason) for path, reason in skipped),
            groups=tuple(_groups(plan)),
            lengths={name: _counts(plan.column("length")[schedule == name].tolist()) for name in sorted(set(schedule))},
            stops={name: _counts(plan.column("stop")[schedule == name]) for name in sorted(set(schedule))},
            rejects={name: dict(sorted(counts.items())) for name, counts in sorted((rejects or {}).items()) if counts},
        )

    def reasons(self) -> dict[str, int]:
        """Skipped videos by reason, the most frequent first; what follows a colon is detail."""
        return dict(Counter(reason.split(":")[0] for _, reason in self.skipped).most_common())

    def lines(self) -> list[str]:
        """The report as text, ready to print."""
        lines = [f"{self.videos - len(self.skipped)} of {self.videos} videos used"]
        if self.skipped:
            lines[0] += f"; skipped: {listed(self.reasons())}"
        lines += [f"  skipped {path}: {reason}" for path, reason in self.skipped]
        lines.append(
            f"{'corpus':<12}{'split':<7}{'schedule':<14}{'pass':<9}{'windows':>8}{'L':>7}{'PSNR':>8}{'SSIM':>8}"
        )
        for group in self.groups:
            passed = "reverse" if group.reverse else "forward"
            lines.append(
                f"{group.corpus:<12}{group.split:<7}{group.schedule:<14}{passed:<9}{group.windows:>8}"
                f"{group.length:>7.1f}{group.psnr:>8.2f}{group.ssim:>8.4f}"
            )
        lines += [f"{name}: stopped by {listed(counts)}" for name, counts in self.stops.items() if len(counts) > 1]
        lines += [f"{name}: dropped {listed(counts)}" for name, counts in self.rejects.items()]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "skipped": [list(pair) for pair in self.skipped], "reasons": self.reasons()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Report:
        """Inverse of `to_dict`, also after JSON has turned lengths into strings."""
        return cls(
            videos=values["videos"],
            skipped=tuple((path, reason) for path, reason in values["skipped"]),
            groups=tuple(Group(**group) for group in values["groups"]),
            lengths={name: {int(n): c for n, c in counts.items()} for name, counts in values["lengths"].items()},
            stops=dict(values["stops"]),
            rejects=dict(values["rejects"]),
        )

    def write(self, path: str | Path) -> None:
        """As JSON, atomically."""
        text = json.dumps(self.to_dict(), indent=1)
        write_atomic(Path(path), lambda file: file.write_text(text))

    @classmethod
    def read(cls, path: str | Path) -> Report:
        """Raises FileNotFoundError, or ValueError when the file is not a report."""
        try:
            return cls.from_dict(json.loads(Path(path).read_text()))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a report of a window plan ({error!r})") from error

    def plot(self, path: str | Path) -> None:
        """Histogram of L as PNG, one panel per averaging schedule (kernels blur single frames, so they have none)."""
        from matplotlib.figure import Figure

        averaged = {name: counts for name, counts in self.lengths.items() if set(counts) != {1}}
        figure = Figure(figsize=(6, 2.2 * max(1, len(averaged))), layout="constrained")
        panels = figure.subplots(max(1, len(averaged)), squeeze=False)[:, 0]
        for panel, (name, counts) in zip(panels, averaged.items(), strict=False):
            panel.bar(list(counts), list(counts.values()), width=1.6)
            total = sum(counts.values())
            mean = sum(length * count for length, count in counts.items()) / total
            panel.set_title(f"{name}: {total} windows, mean L {mean:.1f}", fontsize=9)
            panel.set_ylabel("windows")
        panels[-1].set_xlabel("L (frames averaged)")
        write_atomic(Path(path), lambda file: figure.savefig(file, dpi=120, format="png"))


def _groups(plan: Plan) -> Iterable[Group]:
    keys = list(zip(*(plan.column(name) for name in ("corpus", "split", "schedule", "reverse")), strict=True))
    members: dict[tuple, list[int]] = {}
    for row, key in enumerate(keys):
        members.setdefault(key, []).append(row)
    for key in sorted(members):
        rows = np.array(members[key])
        length, psnr, ssim = (float(plan.column(name)[rows].mean()) for name in ("length", "psnr", "ssim"))
        yield Group(*key[:3], bool(key[3]), len(rows), length, psnr, ssim)


def _counts(values: Iterable[Any]) -> dict[Any, int]:
    return dict(sorted(Counter(values).items()))


def listed(counts: Mapping[str, int]) -> str:
    """ "no face 2, one frame only 1" """
    return ", ".join(f"{reason} {count}" for reason, count in counts.items())
