from __future__ import annotations

import numpy as np
import pytest

from facedeblur.metrics.verification import FacePair
from facedeblur.report.rows import read_rows
from facedeblur.report.verification import (
    face_verification,
    half_items,
    made_pairs,
    shared_items,
    verification_table,
    verify,
    video_items,
)


@pytest.fixture(scope="module")
def rows(make_evaluation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("verification")
    return read_rows([make_evaluation(folder, {"final": 0.6, "other": 0.3}, people=9, images=False)])


def test_pairs_are_balanced_and_nobody_is_in_two_folds(rows):
    pairs = made_pairs(rows, half_items(rows))
    assert {pair.fold for pair in pairs} == {1, 2, 3, 4}
    assert sum(pair.same for pair in pairs) * 2 == len(pairs)
    folds: dict[str, set[int]] = {}
    for pair in pairs:
        people = {name.split("_")[0] for name in (pair.first, pair.second)}
        assert (len(people) == 1) == pair.same
        for person in people:
            folds.setdefault(person, set()).add(pair.fold)
    assert all(len(of) == 1 for of in folds.values())
    assert made_pairs(rows, half_items(rows)) == pairs


def test_people_with_two_videos_are_paired_across_them(rows):
    two = rows.select(rows["identity"] < "p3")
    names = two["identity"].tolist()
    # p0 and p1 become two videos of one person
    two.columns["identity"][:] = [name.replace("p1", "p0") for name in names]
    same = [pair for pair in made_pairs(two, half_items(two)) if pair.same]
    assert same and all(pair.first.split(",")[0] != pair.second.split(",")[0] or "p2" in pair.first for pair in same)


def test_halves_share_out_a_video(rows):
    one = rows.where(method="final", blur="vla", video="p3_v0")
    assert half_items(one) == ["p3_v0, first half"] * 2 + ["p3_v0, second half"] * 2


def test_halves_are_the_same_for_every_method_and_blur(make_evaluation, tmp_path, monkeypatch):
    """A blur of longer windows has other target frames, and an unfinished method not all of them."""
    folders = [
        make_evaluation(tmp_path / blur, {"final": 0.6}, blurs=[blur], people=6, frames=frames, images=False)
        for blur, frames in (("pravg7", 8), ("pravg11", 4))
    ]
    rows = read_rows(folders)
    late = (rows["video"] == "p5_v0") & (rows["blur"] == "pravg11") & (rows["frame"] > 0)
    rows = rows.select(~late)
    items = np.array(half_items(rows))
    for video in rows.distinct("video"):  # the frames are 0, 10 ... 70 under the one, 0 ... 30 under the other
        mine = rows["video"] == video
        assert set(items[mine & (rows["frame"] <= 30)]) == {f"{video}, first half"}
        assert set(items[mine & (rows["frame"] > 40)]) == {f"{video}, second half"}
    assert set(items[shared_items(rows, items)]) == {f"p{n}_v0, first half" for n in range(6)}
    used = []

    def spy(mine, pairs, given):
        used.append((mine.distinct("blur")[0], pairs, dict(zip(mine.image_keys(), given, strict=True))))
        return verify(mine, pairs, given)

    rows.columns["frame"][rows["blur"] == "pravg11"] *= 2  # now both halves are under both, but for p5's second
    monkeypatch.setattr("facedeblur.report.verification.verify", spy)
    table = face_verification(rows, None, "Table 8")
    assert len(used) == 6 and all(pairs == used[0][1] for _, pairs, _ in used)
    assert "p5_v0, second half" not in {name for pair in used[0][1] for name in (pair.first, pair.second)}
    for _, _, named in used:
        assert all(("second" in item) == (frame > 35) for (_, _, _, frame, _), item in named.items())
    assert any(note.endswith("left out: 1.") for note in table.notes)


def test_the_accuracy_is_that_of_the_embeddings(rows):
    # people have directions of their own, blur adds one that all share
    for method in ("blurred", "final"):
        mine = rows.where(method=method, blur="vla")
        # thresholds are the tightest of the other folds, so a pair may still fall short
        assert verify(mine, made_pairs(rows, half_items(rows)), half_items(mine)).mean > 0.9
    swapped = [
        FacePair(pair.fold, pair.first, pair.second, (pair.fold + i) % 2 == 0)
        for i, pair in enumerate(made_pairs(rows, half_items(rows)))
    ]
    mine = rows.where(method="blurred", blur="vla")
    assert verify(mine, swapped, half_items(mine)).mean < 0.8


def test_a_published_list_names_videos_without_suffix(rows):
    mine = rows.where(method="final", blur="vla")
    mine.columns["video"][:] = [f"{name}.mp4" for name in mine["video"]]
    assert video_items(mine)[0] == "p0_v0"


def test_table_8_has_the_printed_rows_below(rows):
    blurs = ["pravg7", "pravg11"]
    results = {
        (method, "pravg7"): verify(mine, made_pairs(rows, half_items(rows)), half_items(mine))
        for method in ("blurred", "other", "final", "oracle")
        for mine in [rows.where(method=method, blur="pravg7")]
    }
    table = verification_table(results, rows, blurs, "Face verification", ["halves of videos"])
    assert [column.title for column in table.columns] == ["Method", "Mean acc.", "std", "Mean acc.", "std"]
    printed = {row[0].text.removesuffix(", printed"): row for row in table.rows if row[0].text.endswith(", printed")}
    assert len(printed) == 13 and printed["ours"][3].value == 0.8212
    ours = {row[0].text: row for row in table.rows if not row[0].text.endswith(", printed")}
    assert list(ours) == ["blurred", "other", "final", "oracle"] and ours["final"][3].value is None
    assert ours["final"][1].rank == 1 and printed["ours"][1].rank == 0
