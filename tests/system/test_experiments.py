"""A driver of `experiments/` as a command, on a corpus that it renders itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ("identities=1", "val_identities=1", "clips_per_identity=1", "frames=30")
JUDGE = """
import numpy as np
class Localizer:
    def localize(self, image, box):
        return (np.random.default_rng(0).random((68, 2)) * 50 + image.mean() / 50).astype(np.float32)
"""

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not (ROOT / "experiments").is_dir(), reason="no experiments/ here: an installed package"),
]


def test_table_4_from_a_fresh_folder(cache, tmp_path):
    (tmp_path / "judge.py").write_text(JUDGE)
    words = [f"data.demo.{word}" for word in DEMO]
    words += ["judge.localizer=judge.py:Localizer", "judge.embedder=none", "judge.box=truth", "jobs=0", "images=3"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "experiments/self_evaluation.py"), *words],
        cwd=tmp_path,
        env={**os.environ, "FACEDEBLUR_CACHE": str(cache), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "final: not trained, its row is left out (make train EXP=final)" in done.stderr
    assert "Table 4: variants of the method under PrAvg 7" in done.stdout and "judge: judge.py:Localizer" in done.stdout
    page = tmp_path / "outputs/experiments/self_evaluation-demo/index.html"
    assert "Only blurred and oracle were evaluated" in page.read_text()
