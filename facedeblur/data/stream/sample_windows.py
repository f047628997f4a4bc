"""Which windows an epoch holds: a pure function of (plan, mixture, seed, epoch), decided before anything is decoded.

Most windows of real clips are nearly still (median PSNR of blurred against sharp 37 dB at L = 7), so windows are drawn
by how much blur they carry. Mixtures are the paper's: counts or weights per corpus and pass (Section 5.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from facedeblur.data.plans.plan import Plan
from facedeblur.data.stream.settings import LoaderSettings
from facedeblur.settings import check, check_count

_DRAW = 0xD4A3  # separates this random stream from the others of the same (seed, epoch)


@dataclass(frozen=True)
class MixtureRow:
    """One row of a mixture: a corpus (None: any), a direction of time, the schedules and their share of the epoch.

    Attributes:
        schedules: (name, weight) pairs; the row's share is split between them by weight.
        reverse: True: windows of the reversed pass; False: of the forward pass.
        weight: share of the epoch relative to the other rows; None where `count` is given.
        count: windows per epoch; None where `weight` is given.

    Raises:
        ValueError: naming the field.
    """

    corpus: str | None = None
    schedules: tuple[tuple[str, float], ...] = (("pravg", 1.0),)
    reverse: bool = False
    weight: float | None = field(default=None, kw_only=True)
    count: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check((self.weight is None) != (self.count is None), "weight", "given, or else count", self.weight)
        check(self.weight is None or self.weight > 0, "weight", "a positive number", self.weight)
        check_count("count", self.count, 1, None)
        valid = bool(self.schedules) and all(weight > 0 for _, weight in self.schedules)
        check(valid, "schedules", "names with positive weights", self.schedules)


@dataclass(frozen=True, eq=False)
class _Part:
    """One schedule of one mixture row, `share` its share of that row; `candidates` are rows of the plan."""

    name: str
    row: MixtureRow
    share: float
    candidates: np.ndarray


def sample_epoch(
    plan: Plan, mixture: Sequence[MixtureRow], seed: int, epoch: int, size: int | None = None, strength: float = 1.0
) -> np.ndarray:
    """Rows of the plan that make up an epoch.

    Every row of the mixture gets its count, or its share by weight of what is left of `size`. Inside a row windows are
    drawn without replacement, with probability in proportion to RMSE ** strength, RMSE = 255 * 10 ** (-PSNR / 20) of
    blurred against sharp.

    Args:
        plan: of all windows.
        mixture: what the epoch is made of.
        seed, epoch: decide every draw.
        size: windows of the epoch; what a row of the mixture has no windows for is drawn from the others, so that a
            scarce row does not shorten the epoch. None: as many as the plan allows at exactly this mixture.
        strength: exponent of the RMSE; 0 draws uniformly.

    Returns:
        (n,) int64 indices in random order, without repetition.

    Raises:
        ValueError: a row without candidates (but see `_parts` for reversed ones), two rows that ask for the same
            windows, and a count beyond the plan.
    """
    parts = _parts(plan, mixture)
    rmse = 255.0 * 10.0 ** (-plan.column("psnr").astype(np.float64) / 20.0)
    drawn = []
    for number, (part, count) in enumerate(zip(parts, _counts(parts, size), strict=True)):
        # Efraimidis and Spirakis: the smallest of Exp(1) / w are a weighted draw without replacement.
        waiting = np.random.default_rng([_DRAW, seed, epoch, number]).exponential(size=len(part.candidates))
        keys = waiting / rmse[part.candidates] ** strength
        drawn.append(part.candidates[np.argsort(keys, kind="stable")[:count]])
    # Mixed, so that what `cut_to_batches` drops comes from every row alike.
    return np.random.default_rng([_DRAW, seed, epoch, len(parts)]).permutation(np.concatenate(drawn))


def cut_to_batches(drawn: np.ndarray, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits a draw into the longest head that fills whole batches, and the remainder.

    `batch` is the global one, so that every rank gets the same number of batches. Raises ValueError for less than one.
    """
    whole = len(drawn) // batch * batch
    if not whole:
        raise ValueError(f"batch: an epoch of {len(drawn)} window(s) does not fill one batch of {batch}; add videos")
    return drawn[:whole], drawn[whole:]


def rows_of_epoch(
    plan: Plan, mixture: Sequence[MixtureRow] | None, settings: LoaderSettings, epoch: int
) -> tuple[np.ndarray, int]:
    """The rows of the plan that all ranks together get, and how many more were drawn that fill no batch.

    Without a mixture they are the whole plan in its order. Raises ValueError as `sample_epoch` and `cut_to_batches` do.
    """
    if mixture is None:
        return np.arange(len(plan)), 0
    drawn = sample_epoch(plan, mixture, settings.seed, epoch, settings.epoch_windows, settings.strength)
    kept, remainder = cut_to_batches(drawn, settings.batch)
    return kept, len(remainder)


def validation_windows(plan: Plan, count: int) -> np.ndarray:
    """At most `count` rows of the plan, always the same, in plan order.

    They are shared between the schedules in proportion to what the plan holds of each, inside a schedule evenly between
    the identities, and lie evenly over the PSNR of each identity's windows.
    """
    psnr = plan.column("psnr")
    groups: dict[str, dict[str, list[int]]] = {}
    for row, (schedule, identity) in enumerate(zip(plan.column("schedule"), plan.column("identity"), strict=True)):
        groups.setdefault(schedule, {}).setdefault(identity, []).append(row)
    chosen: list[int] = []
    sizes = [sum(map(len, people.values())) for people in groups.values()]
    for people, share in zip(groups.values(), _apportion(min(count, len(plan)), sizes), strict=True):
        quotas = _even_shares({name: len(rows) for name, rows in people.items()}, share)
        for identity, rows in people.items():
            rows = sorted(rows, key=lambda row: (psnr[row], row))
            quota = quotas[identity]
            chosen += [rows[int((position + 0.5) * len(rows) / quota)] for position in range(quota)]
    return np.array(sorted(chosen), np.int64)


def replacement_windows(plan: Plan, row: int, drawn: np.ndarray) -> Iterator[int]:
    """Rows to try, in turn, in place of an unreadable one: the next in plan order of its corpus, schedule and pass.

    Rows of other videos that the epoch (`drawn`) does not hold come first, those it holds only after them. A function
    of the epoch alone, so that a resumed run finds the same; the n-th drawn row of a video begins n candidates further
    on, so that the windows of one broken video get different ones.
    """
    video = plan.codes("video")[1]
    same = (video != video[row]) & (plan.column("reverse") == plan.column("reverse")[row])
    for name in ("corpus", "schedule"):
        codes = plan.codes(name)[1]
        same &= codes == codes[row]
    candidates = np.flatnonzero(same)
    is_drawn = np.isin(candidates, drawn)
    before = drawn[drawn < row]
    skipped = np.count_nonzero(video[before] == video[row])
    for group in (candidates[~is_drawn], candidates[is_drawn]):
        if len(group):
            yield from np.roll(group, -(np.searchsorted(group, row) + skipped)).tolist()


def _parts(plan: Plan, mixture: Sequence[MixtureRow]) -> list[_Part]:
    """The rows of the mixture, schedule by schedule.

    Reversed windows that repeat forward ones are in no plan: a reversed pass by weight that has none is left out.
    """
    claimed = np.zeros(len(plan), bool)
    parts: list[_Part] = []
    left_out: list[str] = []
    for row in mixture:
        total = sum(weight for _, weight in row.schedules)
        for schedule, weight in row.schedules:
            name = f"corpus {row.corpus or 'any'}, {'reversed' if row.reverse else 'forward'} pass, schedule {schedule}"
            corpus = {} if row.corpus is None else {"corpus": row.corpus}
            wanted = plan.where(schedule=schedule, reverse=row.reverse, **corpus)
            if not wanted.any():
                if row.reverse and row.weight is not None:
                    left_out.append(name)
                    continue
                raise ValueError(f"mixture: the plan has no window of {name}")
            if (wanted & claimed).any():
                raise ValueError(f"mixture: two rows ask for the windows of {name}")
            claimed |= wanted
            parts.append(_Part(name, row, weight / total, np.flatnonzero(wanted)))
    if not parts:
        raise ValueError(f"mixture: the plan has no window of {left_out[0]}")
    return parts


def _counts(parts: Sequence[_Part], size: int | None) -> list[int]:
    """Windows of the epoch that each part gets: counts first, the rest by weight."""
    counts = [0] * len(parts)
    weighted = [i for i, part in enumerate(parts) if part.row.weight is not None]
    for row in dict.fromkeys(part.row for part in parts if part.row.count is not None):
        members = [i for i, part in enumerate(parts) if part.row is row]
        for i, count in zip(members, _apportion(row.count, [parts[i].share for i in members]), strict=True):
            if count > len(parts[i].candidates):
                has = len(parts[i].candidates)
                raise ValueError(f"mixture: {count} windows asked of {parts[i].name}, the plan has {has}")
            counts[i] = count
    if size is not None and size < sum(counts) + bool(weighted):
        raise ValueError(f"epoch_windows: {size} is too few for a mixture with counts of {sum(counts)} windows")
    if weighted:
        weights = {i: parts[i].row.weight * parts[i].share for i in weighted}
        if size is None:
            share = {i: weight / sum(weights.values()) for i, weight in weights.items()}
            size = sum(counts) + min(int(len(parts[i].candidates) / share[i]) for i in weighted)
        _fill(counts, weights, {i: len(parts[i].candidates) for i in weighted}, size - sum(counts))
    return counts


def _fill(counts: list[int], weights: dict[int, float], room: dict[int, int], total: int) -> None:
    """Deals `total` windows to the parts by weight; what a part has no room for goes to the others."""
    while total > 0 and (open_parts := [i for i in weights if counts[i] < room[i]]):
        shares = _apportion(total, [weights[i] for i in open_parts])
        for i, share in zip(open_parts, shares, strict=True):
            taken = min(share, room[i] - counts[i])
            counts[i] += taken
            total -= taken


def _apportion(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to `shares` that sum to `total` (largest remainders)."""
    exact = np.array(shares) / sum(shares) * total
    counts = np.floor(exact + 1e-9).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts.tolist()


def _even_shares(sizes: dict[str, int], total: int) -> dict[str, int]:
    """`total` in shares as equal as the `sizes` of groups allow: smallest first, the others share what it leaves."""
    shares = {}
    for served, name in enumerate(sorted(sizes, key=lambda name: (sizes[name], name))):
        shares[name] = min(sizes[name], -(-total // (len(sizes) - served)))
        total -= shares[name]
    return shares
