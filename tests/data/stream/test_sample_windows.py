from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from facedeblur.data.plans.plan import Plan
from facedeblur.data.stream.sample_windows import (
    MixtureRow,
    cut_to_batches,
    replacement_windows,
    sample_epoch,
    validation_windows,
)

from ..conftest import plan_row


def table(**counts: int) -> Plan:
    """A plan with so many windows per "corpus_schedule_direction" key."""
    rows = []
    for key, count in counts.items():
        corpus, schedule, direction = key.split("_")
        for i in range(count):
            identity = f"{corpus}{i % 4}"
            rows.append(
                plan_row(f"{identity}.mp4", i, 7, corpus=corpus, schedule=schedule, identity=identity,
                         reverse=direction == "back", psnr=20.0 + i % 30)
            )  # fmt: skip
    return Plan.from_rows(rows)


PLAN = table(A_pravg_forward=60, A_vla_forward=50, A_pravg_back=30, B_pravg_forward=40)
PRAVG, VLA = ("pravg", 1.0), ("vla", 1.0)


def count(plan: Plan, drawn: np.ndarray, **wanted: object) -> int:
    chosen = np.ones(len(drawn), bool)
    for column, value in wanted.items():
        chosen &= plan.column(column)[drawn] == value
    return int(chosen.sum())


def test_same_epoch_same_draw_other_epoch_or_seed_another():
    mixture = (MixtureRow(None, (PRAVG,), weight=1.0),)
    first = sample_epoch(PLAN, mixture, seed=3, epoch=1, size=40)
    np.testing.assert_array_equal(first, sample_epoch(PLAN, mixture, seed=3, epoch=1, size=40))
    assert set(first) != set(sample_epoch(PLAN, mixture, seed=3, epoch=2, size=40))
    assert set(first) != set(sample_epoch(PLAN, mixture, seed=4, epoch=1, size=40))


def test_golden_draw():
    drawn = sample_epoch(PLAN, (MixtureRow("B", (PRAVG,), weight=1.0),), seed=0, epoch=0, size=6)
    assert drawn.tolist() == [172, 177, 144, 145, 146, 170]


def test_no_window_twice_and_every_row_its_share():
    mixture = (
        MixtureRow("A", (PRAVG, ("vla", 3.0)), weight=2.0),
        MixtureRow("A", (PRAVG,), reverse=True, count=11),
        MixtureRow("B", (PRAVG,), weight=1.0),
    )
    drawn = sample_epoch(PLAN, mixture, seed=0, epoch=0, size=71)
    assert len(drawn) == len(set(drawn)) == 71
    assert drawn.dtype == np.int64
    assert count(PLAN, drawn, corpus="A", schedule="pravg", reverse=False) == 10
    assert count(PLAN, drawn, corpus="A", schedule="vla") == 30
    assert count(PLAN, drawn, corpus="B") == 20
    assert count(PLAN, drawn, reverse=True) == 11


def test_with_a_size_the_others_fill_what_a_scarce_part_lacks():
    mixture = (MixtureRow("A", (PRAVG,), weight=1.0), MixtureRow("B", (PRAVG,), weight=1.0))
    drawn = sample_epoch(PLAN, mixture, seed=0, epoch=0, size=90)
    assert count(PLAN, drawn, corpus="B") == 40 and count(PLAN, drawn, corpus="A") == 50
    assert len(sample_epoch(PLAN, mixture, seed=0, epoch=0, size=10_000)) == 100  # all there is


def test_without_a_size_the_scarcest_part_decides():
    mixture = (MixtureRow("A", (PRAVG,), weight=1.0), MixtureRow("B", (PRAVG,), weight=1.0))
    drawn = sample_epoch(PLAN, mixture, seed=0, epoch=0)
    assert count(PLAN, drawn, corpus="A") == count(PLAN, drawn, corpus="B") == 40


def test_one_row_and_no_size_is_everything():
    drawn = sample_epoch(PLAN, (MixtureRow("A", (VLA,), weight=1.0),), seed=0, epoch=0)
    assert sorted(drawn) == list(range(60, 110))


def test_first_draws_follow_rmse_to_the_strength():
    plan = Plan.from_rows([plan_row("v.mp4", i, 7, psnr=psnr) for i, psnr in enumerate((20.0, 26.0, 40.0))])
    rmse = 255 * 10 ** (-np.array([20.0, 26.0, 40.0]) / 20)
    mixture = (MixtureRow(None, (PRAVG,), weight=1.0),)
    for strength in (0.0, 1.0, 2.0):
        hits = np.zeros(3)
        for epoch in range(3000):
            hits[sample_epoch(plan, mixture, seed=1, epoch=epoch, size=1, strength=strength)] += 1
        expected = rmse**strength / (rmse**strength).sum()
        np.testing.assert_allclose(hits / 3000, expected, atol=4 * np.sqrt(0.25 / 3000))


def test_rows_mix_so_that_the_remainder_is_fair():
    mixture = (MixtureRow("A", (PRAVG,), weight=1.0), MixtureRow("B", (PRAVG,), weight=1.0))
    half = sample_epoch(PLAN, mixture, seed=0, epoch=0, size=80)[:40]
    assert 8 < count(PLAN, half, corpus="A") < 32


def test_a_reversed_pass_whose_windows_all_repeat_forward_ones_is_left_out():
    mixture = (
        MixtureRow("A", (PRAVG, VLA), weight=3.0),
        MixtureRow("A", (PRAVG, VLA), reverse=True, weight=1.0),
        MixtureRow("B", (PRAVG,), reverse=True, weight=1.0),
    )
    drawn = sample_epoch(PLAN, mixture, seed=0, epoch=0, size=40)
    assert count(PLAN, drawn, corpus="A", reverse=True, schedule="pravg") == 6  # 40 by 1.5 : 1.5 : 0.5
    assert len(drawn) == 40 and count(PLAN, drawn, corpus="B") == 0


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        ((MixtureRow("C", (PRAVG,), weight=1.0),), "no window of corpus C, forward pass, schedule pravg"),
        ((MixtureRow("B", (PRAVG,), True, weight=1.0),), "no window of corpus B, reversed pass, schedule pravg"),
        ((MixtureRow("B", (PRAVG,), count=41),), "41 windows asked of corpus B.*the plan has 40"),
        ((MixtureRow("A", (PRAVG,), weight=1.0), MixtureRow(None, (PRAVG,), weight=1.0)), "two rows"),
    ],
)
def test_impossible_mixtures_name_the_row(mixture, message):
    with pytest.raises(ValueError, match=message):
        sample_epoch(PLAN, mixture, seed=0, epoch=0)


def test_counts_beyond_the_epoch_are_an_error():
    with pytest.raises(ValueError, match="epoch_windows: 10 is too few"):
        sample_epoch(PLAN, (MixtureRow("B", (PRAVG,), count=20),), seed=0, epoch=0, size=10)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "weight"),
        ({"weight": 1.0, "count": 3}, "weight"),
        ({"weight": 0.0}, "weight"),
        ({"count": 0}, "count"),
        ({"weight": 1.0, "schedules": ()}, "schedules"),
        ({"weight": 1.0, "schedules": (("pravg", -1.0),)}, "schedules"),
    ],
)
def test_mixture_row_validates(values, field):
    with pytest.raises(ValueError, match=f"^{field}:"):
        MixtureRow(**values)
    with pytest.raises(dataclasses.FrozenInstanceError):
        MixtureRow(weight=1.0).weight = 2.0


def test_cut_to_batches():
    kept, remainder = cut_to_batches(np.arange(50), 16)
    assert kept.tolist() == list(range(48))
    assert remainder.tolist() == [48, 49]
    with pytest.raises(ValueError, match="batch: an epoch of 5 .* one batch of 8"):
        cut_to_batches(np.arange(5), 8)


def test_validation_is_even_over_identities_and_strength_in_proportion_to_schedules():
    chosen = validation_windows(PLAN, 24)
    np.testing.assert_array_equal(chosen, validation_windows(PLAN, 24))
    assert len(chosen) == len(set(chosen)) == 24
    share = count(PLAN, np.arange(len(PLAN)), schedule="vla") / len(PLAN)
    assert abs(count(PLAN, chosen, schedule="vla") - 24 * share) < 1
    per_identity = [count(PLAN, chosen, schedule="vla", identity=f"A{i}") for i in range(4)]
    assert max(per_identity) - min(per_identity) <= 1
    psnr = np.sort(PLAN.column("psnr")[chosen][PLAN.column("schedule")[chosen] == "vla"])
    assert psnr[0] < 28
    assert psnr[-1] > 36  # both ends of the range


def test_validation_gives_the_rest_of_a_small_identity_to_the_others():
    rows = [plan_row("a.mp4", 0, 7, identity="a")] + [plan_row("b.mp4", i, 7, identity="b") for i in range(20)]
    assert len(validation_windows(Plan.from_rows(rows), 10)) == 10
    assert len(validation_windows(Plan.from_rows(rows), 100)) == 21


def test_stand_ins_are_the_next_of_the_same_part_not_drawn_first():
    plan = Plan.from_rows(
        [plan_row(f"{name}.mp4", i, 7) for name in "abc" for i in range(3)] + [plan_row("z.mp4", 0, 7, corpus="B")]
    )
    drawn = np.array([0, 1, 4, 6])
    assert list(replacement_windows(plan, 0, drawn)) == [3, 5, 7, 8, 4, 6]
    assert list(replacement_windows(plan, 1, drawn)) == [5, 7, 8, 3, 6, 4]  # the second drawn window of the video
    assert list(replacement_windows(plan, 9, drawn)) == []
