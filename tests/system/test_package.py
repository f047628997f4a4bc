"""The installed package, as a wheel and as an editable, finds its Hydra tree from any directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROBE = "import facedeblur, facedeblur.overrides as c; print(facedeblur.__file__); print(c.conf_dir())"
LAUNCHERS = """
import hydra_plugins.facedeblur_launcher as found
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
assert "GpuPoolLauncher" in [plugin.__name__ for plugin in Plugins.instance().discover(Launcher)]
print(found.__file__)
"""
LAUNCHER_CONFIG = ["-m", "facedeblur", "train", "hydra/launcher=gpu_pool", "--cfg", "hydra"]

pytestmark = pytest.mark.system


def run(arguments, cwd, **environment):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_carries_its_configuration(site, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    package, conf = run(["-c", PROBE], elsewhere, PYTHONPATH=str(site)).split()
    assert Path(package).is_relative_to(site) and Path(conf) == site / "facedeblur" / "conf"
    composed = run(["-m", "facedeblur", "train", "--cfg", "job", "scale=paper"], elsewhere, PYTHONPATH=str(site))
    assert "base_width: 64" in composed
    assert Path(run(["-c", LAUNCHERS], elsewhere, PYTHONPATH=str(site)).strip()).is_relative_to(site)
    assert "gpu_pool.GpuPoolLauncher" in run(LAUNCHER_CONFIG, elsewhere, PYTHONPATH=str(site))
    assert (site / "facedeblur" / "blur" / "data" / "psf_hradis.npz").is_file()
    assert not (site / "tests").exists() and not (site / "conf").exists()


def test_editable_finds_the_tree_beside_it(tmp_path):
    package, conf = run(["-c", PROBE], tmp_path).split()
    assert Path(package).parent == ROOT / "facedeblur" and Path(conf) == ROOT / "conf"
    assert "base_width: 64" in run(["-m", "facedeblur", "train", "--cfg", "job", "scale=paper"], tmp_path)
    assert Path(run(["-c", LAUNCHERS], tmp_path).strip()).is_relative_to(ROOT / "hydra_plugins")
    assert "gpu_pool.GpuPoolLauncher" in run(LAUNCHER_CONFIG, tmp_path)
