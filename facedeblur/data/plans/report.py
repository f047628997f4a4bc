"""What a plan holds, in numbers: counts per corpus and schedule, lengths, and what was skipped or dropped and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facedeblur.data.corpora import Clip
from facedeblur.data.plans.plan import Plan
from facedeblur.files import shown, write_json
from facedeblur.video.index import VideoInfo


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
class ClipFacts:
    """What preparation found in one file; `reason` says why it gives no window.

    frames that can be decoded, their width and height in pixels, average fps, and the backend that reads them; shots;
    people; faces: frames with a face that is used; blurred: frames whose face is too blurred to be ground truth. The
    frames of an album are its photos.
    """

    path: str
    corpus: str
    identity: str
    split: str
    backend: str = ""
    frames: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    shots: int = 0
    people: int = 0
    faces: int = 0
    blurred: int = 0
    windows: int = 0
    reason: str | None = None

    @classmethod
    def of(cls, clip: Clip, info: VideoInfo, reason: str | None, **found: int) -> ClipFacts:
        size = {"frames": info.frames, "width": info.width, "height": info.height, "fps": info.fps}
        origin = (clip.path, clip.corpus, clip.identity, clip.split, info.backend)
        return cls(*origin, **size, **found, reason=reason)


@dataclass(frozen=True)
class PlanReport:
    """Summary of one preparation; kept as JSON beside its plan.

    Attributes:
        videos: files given.
        skipped: (path, reason) of those that give no window.
        groups: one line of the summary table each.
        lengths: schedule -> {number of frames: windows}.
        stops: schedule -> {what ended the window: windows}.
        rejects: schedule -> {why a candidate was dropped: candidates}.
        clips: what was found in each file.
        manifest: name of the plan.
    """

    videos: int
    skipped: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]
    lengths: dict[str, dict[int, int]]
    stops: dict[str, dict[str, int]]
    rejects: dict[str, dict[str, int]]
    clips: tuple[ClipFacts, ...] = ()
    manifest: str = ""

    @classmethod
    def of(
        cls,
        plan: Plan,
        videos: int,
        skipped: Iterable[tuple[str, str]] = (),
        rejects: Mapping[str, Mapping[str, int]] | None = None,
        clips: Iterable[ClipFacts] = (),
        manifest: str = "",
    ) -> PlanReport:
        """The report of a finished plan; `videos` were given, `skipped` of them gave nothing."""
        schedule = plan.column("schedule")
        return cls(
            videos=videos,
            skipped=tuple((path, reason) for path, reason in skipped),
            groups=tuple(_groups(plan)),
            lengths={name: _counts(plan.column("length")[schedule == name].tolist()) for name in sorted(set(schedule))},
            stops={name: _counts(plan.column("stop")[schedule == name]) for name in sorted(set(schedule))},
            rejects={name: dict(sorted(counts.items())) for name, counts in sorted((rejects or {}).items()) if counts},
            clips=tuple(clips),
            manifest=manifest,
        )

    def reasons(self) -> dict[str, int]:
        """Skipped videos by reason, the most frequent first; what follows a colon is detail."""
        return dict(Counter(reason.split(":")[0] for _, reason in self.skipped).most_common())

    def lines(self) -> list[str]:
        """The report as text, ready to print."""
        lines = [f"{self.videos - len(self.skipped)} of {self.videos} videos used"]
        if self.skipped:
            lines[0] += f"; skipped: {listed(self.reasons())}"
        lines += [f"  skipped {shown(path)}: {reason}" for path, reason in self.skipped]
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
        if blurred := sum(facts.blurred for facts in self.clips):
            faces = blurred + sum(facts.faces for facts in self.clips)
            lines.append(f"too blurred to be ground truth: {blurred} of {faces} faces")
        albums = [facts for facts in self.clips if facts.backend == "album" and facts.reason is None]
        if bare := sum(facts.frames - facts.faces - facts.blurred for facts in albums):
            photos = sum(facts.frames for facts in albums)
            lines.append(f"no face found, or not decoded: {bare} of {photos} photos")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values for JSON, without what was found in each file."""
        summary = {**asdict(self), "skipped": [list(pair) for pair in self.skipped], "reasons": self.reasons()}
        del summary["clips"]
        return summary

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PlanReport:
        """Inverse of `to_dict`, also after JSON has turned lengths into strings."""
        return cls(
            videos=values["videos"],
            skipped=tuple((path, reason) for path, reason in values["skipped"]),
            groups=tuple(Group(**group) for group in values["groups"]),
            lengths={name: {int(n): c for n, c in counts.items()} for name, counts in values["lengths"].items()},
            stops=dict(values["stops"]),
            rejects=dict(values["rejects"]),
            clips=tuple(ClipFacts(**facts) for facts in values.get("clips", ())),
            manifest=values.get("manifest", ""),
        )

    def write(self, path: str | Path) -> None:
        """As JSON, atomically."""
        write_json(Path(path), self.to_dict() | {"clips": [asdict(facts) for facts in self.clips]})

    @classmethod
    def read(cls, path: str | Path) -> PlanReport:
        """Raises FileNotFoundError, or ValueError when the file is not a report."""
        try:
            return cls.from_dict(json.loads(Path(path).read_text()))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a report of a window plan ({error!r})") from error


def _groups(plan: Plan) -> Iterable[Group]:
    for key, rows in plan.groups("corpus", "split", "schedule", "reverse"):
        yield Group(*key, len(rows), *(float(plan.column(name)[rows].mean()) for name in ("length", "psnr", "ssim")))


def _counts(values: Iterable[Any]) -> dict[Any, int]:
    return dict(sorted(Counter(values).items()))


def listed(counts: Mapping[str, int]) -> str:
    """ "no face 2, one frame only 1" """
    return ", ".join(f"{reason} {count}" for reason, count in counts.items())
