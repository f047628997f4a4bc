"""`facedeblur.pairs`, `evaluate`, `make_report`: what a program gets without Hydra, against the pipeline beneath."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import facedeblur
from facedeblur.data.pairs.pair import read_pair
from facedeblur.errors import UsageError

TINY = {"identities": 2, "val_identities": 1, "clips_per_identity": 1, "frames": 30}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def pairs(cache):
    return facedeblur.pairs("demo", blur="pravg7", size=128, cache=cache, jobs=1, **TINY)


def test_three_lines_feed_a_plain_loop(pairs):
    loader = DataLoader(pairs, batch_size=4)
    seen = 0
    for blurry, sharp, meta in loader:
        assert blurry.shape == sharp.shape == (len(meta["video"]), 3, 128, 128) and blurry.dtype == torch.float32
        assert blurry.min() >= 0 and blurry.max() <= 1 and not torch.equal(blurry, sharp)
        assert meta["landmarks"].shape == (len(blurry), 68, 2)
        seen += len(blurry)
    assert seen == len(pairs) >= 10


def test_pairs_are_those_of_the_plan(pairs):
    blurry, sharp, meta = pairs[1]
    window = pairs.plan[1]
    assert (meta["start"], meta["length"], meta["kernel_seed"]) == (window.window.start, 7, -1)
    expected = read_pair(pairs._stream.describe(1))
    np.testing.assert_array_equal((255 * sharp).round().byte().permute(1, 2, 0), expected.sharp)
    np.testing.assert_array_equal((255 * blurry).round().byte().permute(1, 2, 0), expected.blurry)
    with pytest.raises(IndexError):
        pairs[len(pairs.plan)]


def rows(pairs, **loader) -> list[tuple[str, int]]:
    found = []
    for _, _, meta in DataLoader(pairs, batch_size=2, **loader):
        found += zip(meta["video"], meta["start"].tolist(), strict=True)
    return found


def test_an_epoch_is_a_function_of_its_number(pairs):
    pairs.set_epoch(0)
    first = rows(pairs)
    assert rows(pairs) == first and len(set(first)) == len(first)
    pairs.set_epoch(1)
    second = rows(pairs)
    assert second != first and len(set(second)) == len(second)
    assert sorted(rows(pairs, num_workers=2)) == sorted(second)  # workers share an epoch, and read its number


def test_splits_blurs_and_what_is_not_there(cache, tmp_path):
    val = facedeblur.pairs(
        "demo", blur=("pravg7", "trajectory"), cache=cache, jobs=1, split="val", shuffle=False, **TINY
    )
    assert {meta["schedule"] for _, _, meta in val} == {"pravg7", "trajectory"}
    assert len({meta["identity"] for _, _, meta in val}) == 1
    for wrong in ({"blur": "gaussian"}, {"split": "dev"}):
        with pytest.raises((UsageError, ValueError), match="one of"):
            facedeblur.pairs("demo", cache=cache, jobs=1, **TINY, **wrong)
    with pytest.raises(UsageError, match="no such folder"):
        facedeblur.pairs(tmp_path / "nowhere", cache=cache)


class Darker:
    name = "darker"

    def __call__(self, images):
        return 0.8 * images


def test_evaluate_scores_functions_beside_blurred_and_sharp(cache, tmp_path):
    options = {"output": tmp_path, "images": 2, "jobs": 0, "cache": cache, "judge": {"embedder": "none"}, **TINY}
    scores = facedeblur.evaluate({"same": lambda images: images, "dark": Darker()}, "demo", "pravg7", **options)
    means = {method: found for (_, method), found in scores.means().items()}
    assert set(means) == {"blurred", "oracle", "same", "dark"}
    assert means["same"]["psnr"] == pytest.approx(means["blurred"]["psnr"]) and means["oracle"]["psnr"] == 60
    assert means["dark"]["psnr"] < means["blurred"]["psnr"]
    assert "dark" in str(scores) and "PSNR" in str(scores)
    page = facedeblur.make_report(scores.folder)
    assert page.name == "index.html" and page.stat().st_size > 10_000
    with pytest.raises(UsageError, match="twice"):
        facedeblur.evaluate([Darker(), Darker()], "demo", "pravg7", **options)
    with pytest.raises(UsageError, match="no rows"):
        facedeblur.make_report(tmp_path)
