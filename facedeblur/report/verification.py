"""Face verification from score rows (section 5.5, table 8): pairs of videos, embeddings of their restored faces."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import PurePosixPath

import numpy as np

from facedeblur.errors import UsageError
from facedeblur.metrics.verification import FacePair, PairLike, Verification, pair_similarities, verification
from facedeblur.report.paper_tables import printed_lines
from facedeblur.report.rows import BLURRED, ORACLE, Rows
from facedeblur.report.summary import blur_title, ordered_blurs, ordered_methods
from facedeblur.report.table import Column, Table, label, number, ranked

HALVES = ("first half", "second half")


def video_items(rows: Rows) -> list[str]:
    """The item of each row in a published list of pairs: its video without suffix, "Name/number" for YTF."""
    return [str(PurePosixPath(video).with_suffix("")) for video in rows["video"].tolist()]


def half_items(rows: Rows) -> list[str]:
    """The item of each row where no list is published: the first or the second half of its video, by target frame.

    `rows` are those of all methods and blurs: the halves of a video are the same for all.
    """
    frames = defaultdict(list)
    for video, frame in zip(rows["video"].tolist(), rows["frame"].tolist(), strict=True):
        frames[video].append(frame)
    middle = {video: (min(of) + max(of)) / 2 for video, of in frames.items()}
    return [
        f"{video}, {HALVES[frame > middle[video]]}"
        for video, frame in zip(rows["video"].tolist(), rows["frame"].tolist(), strict=True)
    ]


def shared_items(rows: Rows, items: Sequence[str]) -> np.ndarray:
    """(N,) bool: the rows whose item has images under every blur."""
    names, blurs = np.asarray(items, dtype=str), rows["blur"]
    shared = set.intersection(*(set(names[blurs == blur].tolist()) for blur in rows.distinct("blur")))
    return np.isin(names, sorted(shared))


def made_pairs(rows: Rows, items: Sequence[str], most_folds: int = 10) -> list[FacePair]:
    """Pairs of half videos for a corpus without a published list: as many of one person as of two.

    The same person is shown by halves of different videos where there are two videos, else by both halves of the one.
    Nobody is in two folds, so that a threshold is tested on people it was not chosen on; with fewer than 20 people
    there are fewer than ten folds. The choice depends only on names.

    items: the half of its video that each row is in, see `half_items`.
    """
    halves: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    columns = (rows["identity"].tolist(), rows["video"].tolist(), items)
    for person, video, item in zip(*columns, strict=True):
        halves[person][video].add(item)
    people = sorted(halves, key=_hashed)
    folds = min(most_folds, len(people) // 2)
    pairs: list[FacePair] = []
    for fold in range(folds):
        members = people[fold::folds]
        own = [pair for person in members for pair in _of_one(halves[person])]
        items = {person: sorted(item for of in halves[person].values() for item in of) for person in members}
        others = [(a, b) for one, two in combinations(members, 2) for a in items[one] for b in items[two]]
        others.sort(key=lambda pair: _hashed("|".join(pair)))
        count = min(len(own), len(others))
        own.sort(key=lambda pair: _hashed("|".join(pair)))
        pairs += [FacePair(fold + 1, *pair, True) for pair in own[:count]]
        pairs += [FacePair(fold + 1, *pair, False) for pair in others[:count]]
    return pairs


def face_verification(rows: Rows, pairs: Sequence[PairLike] | None, caption: str) -> Table:
    """Table 8 from rows: every method and blur over published pairs of videos, or over pairs made of half videos.

    Raises:
        UsageError: the rows do not hold the people for two folds.
    """
    blurs = ordered_blurs(rows)
    notes = []
    if pairs is None:
        items = half_items(rows)
        mask = shared_items(rows, items)
        pairs = made_pairs(rows.select(mask), [item for item, shared in zip(items, mask, strict=True) if shared])
        left_out = len(set(items)) - len({items[i] for i in np.flatnonzero(mask)})
        if left_out:
            notes.append(f"Halves without images under one of the blurs, which are left out: {left_out}.")
        notes.append("No published pairs: halves of videos, as many of one person as of two, nobody in two folds.")
    else:
        items = video_items(rows)
        known = set(items)
        given, pairs = len(pairs), [pair for pair in pairs if {pair.first, pair.second} <= known]
        if len(pairs) < given:
            notes.append(f"{given - len(pairs)} of {given} published pairs have a video without images here: left out.")
    folds = {str(pair.fold) for pair in pairs}
    if len(folds) < 2:
        raise UsageError(f"verification: {len(folds)} fold(s) of pairs; it takes two, of two people each at least")
    notes.insert(0, f"{len(pairs)} pairs in {len(folds)} folds; thresholds from the other folds.")
    results = {}
    for method in ordered_methods(rows):
        for blur in blurs:
            mine = np.flatnonzero((rows["method"] == method) & (rows["blur"] == blur))
            if len(mine):
                results[method, blur] = verify(rows.select(mine), pairs, [items[i] for i in mine])
    return verification_table(results, rows, blurs, caption, notes)


def verify(rows: Rows, pairs: Sequence[PairLike], items: Sequence[str]) -> Verification:
    """Accuracy of one method under one blur: `rows` are its rows, `items` their names in `pairs`."""
    wanted = {name for pair in pairs for name in (pair.first, pair.second)}
    embeddings: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    for item, vector in zip(items, rows.vectors("embedding"), strict=True):
        if item in wanted and vector is not None:
            embeddings[item].append(vector)
    stacked = {name: np.stack(vectors) for name, vectors in embeddings.items() if vectors}
    similarities = pair_similarities(pairs, stacked)
    return verification(similarities, [pair.same for pair in pairs], [pair.fold for pair in pairs])


def verification_table(
    results: dict[tuple[str, str], Verification], rows: Rows, blurs: Sequence[str], caption: str, notes: Sequence[str]
) -> Table:
    """Table 8: mean accuracy and standard deviation over folds per (method, blur), and the printed figures below."""
    columns = [Column("Method", numeric=False)]
    for blur in blurs:
        group = blur_title(blur)
        columns += [Column("Mean acc.", group), Column("std", group, higher=False, hint="over the folds")]
    lines, competing = [], []
    for method in ordered_methods(rows):
        cells = [label(method)]
        for blur in blurs:
            found = results.get((method, blur))
            cells += [number(found and found.mean, 4), number(found and found.std, 4)]
        if method not in (BLURRED, ORACLE):
            competing.append(len(lines))
        lines.append(tuple(cells))
    lines += printed_lines(blurs, (8,), lambda row: (row.accuracy, row.std), (4, 4))
    table = Table(tuple(columns), tuple(lines), caption, tuple(notes))
    for i in range(len(blurs) if len(competing) > 1 else 0):
        table = ranked(table, 1 + 2 * i, {1 + 2 * i: [1 + 2 * i, 2 + 2 * i]}, competing)
    return table


def _of_one(videos: dict[str, set[str]]) -> list[tuple[str, str]]:
    if len(videos) == 1:
        (halves,) = videos.values()
        return list(combinations(sorted(halves), 2))
    return [
        (a, b) for one, two in combinations(sorted(videos), 2) for a in sorted(videos[one]) for b in sorted(videos[two])
    ]


def _hashed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
