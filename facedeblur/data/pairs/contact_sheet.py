"""A contact sheet: sample pairs of a plan, to be looked at before anything is trained on it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from facedeblur.blur.schedule import Schedule
from facedeblur.data.pairs.pair import describe, read_pair
from facedeblur.data.plans.plan import Plan
from facedeblur.files import write_atomic
from facedeblur.images import encode_image
from facedeblur.video.source import VideoError

SIZE = 128  # pixels of one image


def sample_rows(plan: Plan, count: int) -> list[int]:
    """Rows of `count` pairs from as many identities as there are, from the strongest to the weakest blur.

    The plan's windows are sorted by PSNR and cut into `count` parts; each gives its window of the identity, and among
    those of the schedule, that has been taken least often so far.
    """
    order = np.argsort(plan.column("psnr"), kind="stable")
    identity, schedule = plan.column("identity"), plan.column("schedule")
    taken: Counter[str] = Counter()
    chosen = []
    for part in np.array_split(order, max(1, min(count, len(order)))) if len(order) else ():
        row = min(part.tolist(), key=lambda row: (taken[f"who {identity[row]}"], taken[schedule[row]]))
        taken.update([f"who {identity[row]}", schedule[row]])
        chosen.append(row)
    return chosen


def write_contact_sheet(path: Path, plan: Plan, schedules: Iterable[Schedule], count: int) -> None:
    """One JPEG per pair, blurry beside sharp, as `<path>/<number>.jpg`, and `<path>/pairs.json` that describes them.

    Pairs whose video can no longer be read are left out.
    """
    known = {schedule.name: schedule for schedule in schedules}
    entries = []
    path.mkdir(parents=True, exist_ok=True)
    for row in sample_rows(plan, count):
        meta = describe(plan[row], row, SIZE, known)
        try:
            pair = read_pair(meta)
        except VideoError:
            continue
        file = path / f"{len(entries):03d}.jpg"
        image = np.hstack([pair.blurry, pair.sharp])
        write_atomic(file, encode_image(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90]))
        entries.append(
            {
                "file": file.name,
                "identity": meta.identity,
                "schedule": meta.schedule,
                "length": meta.length,
                "psnr": round(meta.psnr, 2),
                "ssim": round(float(plan.column("ssim")[row]), 3),
                "stop": str(plan.column("stop")[row]),
            }
        )
    write_atomic(path / "pairs.json", json.dumps(entries, indent=1))
