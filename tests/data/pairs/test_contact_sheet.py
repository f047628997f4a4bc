from __future__ import annotations

import json

import cv2
import numpy as np

from facedeblur.data.pairs.contact_sheet import SIZE, sample_rows, write_contact_sheet
from facedeblur.data.plans.plan import Plan

from ..conftest import plan_row


def plan_of(identities: list[str], schedules: list[str], count: int) -> Plan:
    rng = np.random.default_rng(0)
    return Plan.from_rows(
        [
            plan_row("v.mp4", 0, 7, identity=identities[i % len(identities)], schedule=schedules[i % 7 == 0], psnr=psnr)
            for i, psnr in enumerate(rng.uniform(15, 50, count).tolist())
        ]
    )


def test_samples_go_from_strong_to_weak_over_people_and_schedules():
    plan = plan_of([f"p{i}" for i in range(10)], ["pravg", "vla"], 400)
    rows = sample_rows(plan, 20)
    psnr = plan.column("psnr")[rows]
    assert (np.diff(psnr) > 0).all() and psnr[0] < 20 and psnr[-1] > 45
    assert np.unique(plan.column("identity")[rows], return_counts=True)[1].tolist() == [2] * 10
    assert 5 <= sum(plan.column("schedule")[rows] == "vla") <= 15  # of which the plan holds a seventh
    assert sample_rows(plan, 1000) == np.argsort(plan.column("psnr"), kind="stable").tolist()
    assert sample_rows(Plan.concat([]), 5) == []


def test_the_sheet_holds_blurry_and_sharp_side_by_side(clip_set, tmp_path):
    plan = clip_set.plan
    write_contact_sheet(tmp_path / "sheet", plan, (), 3)
    told = json.loads((tmp_path / "sheet" / "pairs.json").read_text())
    assert [pair["file"] for pair in told] == ["000.jpg", "001.jpg", "002.jpg"]
    for pair, row in zip(told, sample_rows(plan, 3), strict=True):
        image = cv2.imread(str(tmp_path / "sheet" / pair["file"]))
        assert image.shape == (SIZE, 2 * SIZE, 3)
        blurry, sharp = (cv2.Laplacian(half, cv2.CV_32F).var() for half in (image[:, :SIZE], image[:, SIZE:]))
        assert blurry < sharp and pair["identity"] == plan.column("identity")[row]
    assert not [file for file in (tmp_path / "sheet").iterdir() if file.name.startswith(".")]


def test_a_pair_that_can_no_longer_be_read_is_left_out(clip_set, tmp_path):
    gone = Plan.from_rows([plan_row(tmp_path / "gone.mp4", 0, 7), plan_row(clip_set.plan[0].window.video, 0, 7)])
    write_contact_sheet(tmp_path / "sheet", gone, (), 2)
    assert len(json.loads((tmp_path / "sheet" / "pairs.json").read_text())) == 1
