"""A checkout in which weights are registered: every command takes them by name, or unasked where it can."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facedeblur.models import registry
from facedeblur.models.build import build_networks
from facedeblur.models.settings import ModelSettings
from facedeblur.models.weights import load_weights, shipped_state, training_state, write_weights

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
FIRST, LAST = "final-demo-v1", "final-demo-v2"
SETTINGS = ModelSettings(image_size=128, base_width=4, hourglass_features=8, hourglass_stacks=1)

LOAD = """
import numpy as np, facedeblur
from PIL import Image
deblur = facedeblur.load()
assert np.array_equal(deblur(np.asarray(Image.open("a.png")), aligned=True), np.asarray(Image.open("b.png")))
print(deblur.name)
"""
SERVE = """
from facedeblur.serve.worker import Settings, Worker
for weights in (None, "final-demo-v1"):
    worker = Worker(Settings(weights))
    worker.start()  # raises where the child cannot load the network
    worker.stop()
print("served")
"""
JUDGE = """
import numpy as np
class Localizer:
    def localize(self, image, box):
        return (np.random.default_rng(0).random((68, 2)) * 50 + image.mean() / 50).astype(np.float32)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the package in which two networks are registered."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("facedeblur", "conf", "hydra_plugins"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    packaged, beside = copy / "facedeblur" / "weights", copy / "weights"
    (packaged / "registry.json").write_text("{}")
    for seed, name in enumerate((FIRST, LAST)):
        torch.manual_seed(seed)
        networks = build_networks(SETTINGS)
        file, training = packaged / f"{name}.safetensors", beside / f"{name}.training.safetensors"
        write_weights(file, shipped_state(networks), SETTINGS, {"seed": seed})
        write_weights(training, training_state(networks), SETTINGS, {"seed": seed})
        registry.register(name, file, training, packaged)
    return copy


@pytest.fixture
def inside(checkout, monkeypatch):
    """What the test starts afresh imports the package of that checkout, which it returns."""
    monkeypatch.setenv("PYTHONPATH", str(checkout))
    return checkout


def test_the_last_is_used_unasked(facedeblur, inside, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    facedeblur("deblur", "a.png", "-o", "b.png", "--aligned", tiny=False, fresh=True)
    facedeblur("deblur", "a.png", "-o", "c.png", "--aligned", "--weights", FIRST, tiny=False, fresh=True)
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    for name, file in ((LAST, "b.png"), (FIRST, "c.png")):
        deblurrer = load_weights(inside / "facedeblur" / "weights" / f"{name}.safetensors").deblurrer()
        expected = 255 * deblurrer(images)[0].permute(1, 2, 0).numpy()
        assert np.abs(np.asarray(Image.open(tmp_path / file)) - expected).max() < 3, name  # it computes in bfloat16
    assert not np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), np.asarray(Image.open(tmp_path / "c.png")))
    for script, says in ((LOAD, LAST), (SERVE, "served")):
        done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=240)
        assert done.stdout.strip() == says, done.stderr


def test_they_are_evaluated_by_name(facedeblur, inside, tmp_path):
    (tmp_path / "judge.py").write_text(JUDGE)
    judge = ["judge.localizer=judge.py:Localizer", "judge.embedder=none", "judge.box=truth"]
    demo = ["data.demo.identities=1", "data.demo.val_identities=1", "data.demo.clips_per_identity=1"]
    words = ["evaluate", f"method={FIRST}", "blur=pravg7", "jobs=1", "data.demo.frames=30"]
    facedeblur(*words, *demo, *judge, tiny=False, fresh=True)
    protocol = json.loads((tmp_path / "outputs/evaluation/demo/protocol.json").read_text())
    assert FIRST in json.dumps(protocol["methods"])


def test_they_are_fine_tuned_by_name(facedeblur, inside):
    done = facedeblur("train", f"init={LAST}", "trainer.max_steps=4", fresh=True)
    assert f"{LAST}: generator and hourglass, discriminator and identity stream" in done.stdout + done.stderr
