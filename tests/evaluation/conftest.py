"""A tiny rendered corpus, and judges without models, so that the protocol is tested with or without dlib."""

from __future__ import annotations

import textwrap

import pytest

DEMO = {"identities": 1, "val_identities": 2, "clips_per_identity": 1, "frames": 45, "size": 128}

# "finds" the true box moved by how far the image's mean is from grey, and "embeds" the mean colours of a 2 x 2 grid
JUDGES = textwrap.dedent(
    """
    import numpy as np

    class Localizer:
        def localize(self, image, box):
            x0, y0, x1, y1 = box
            rng = np.random.default_rng(0)
            points = rng.random((68, 2)) * [x1 - x0, y1 - y0] + [x0, y0]
            return (points + image.std() / 50).astype(np.float32)

    class Embedder:
        def embed(self, image, landmarks):
            half = image.shape[0] // 2
            parts = [image[i : i + half, j : j + half].mean(axis=(0, 1)) for i in (0, half) for j in (0, half)]
            return np.concatenate(parts).astype(np.float32)
    """
)


@pytest.fixture(scope="session")
def demo_cache(tmp_path_factory):
    """One cache for all tests of this folder: the corpus is rendered once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def judges_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("judges") / "judges.py"
    file.write_text(JUDGES)
    return file


@pytest.fixture
def plain(tmp_path, demo_cache, judges_file):
    """`plain(key=value, ...)` -> the composed configuration of a small evaluation, as plain values."""
    from facedeblur.overrides import as_plain, compose_config, listed

    def composed(*words: str, **judge: str) -> dict:
        given = {
            "localizer": f"{judges_file}:Localizer", "embedder": f"{judges_file}:Embedder", "box": "truth", **judge,
        }  # fmt: skip
        overrides = [
            *(f"data.demo.{key}={value}" for key, value in DEMO.items()),
            f"data.cache={demo_cache}",
            f"output={tmp_path / 'outputs'}",
            *(f'judge.{key}="{value}"' for key, value in given.items()),
            "blur=pravg7",
            "jobs=0",
            *words,
        ]
        return as_plain(compose_config([listed(word) for word in overrides], "evaluate"))

    return composed
