"""The light core: what it must not import, and the one line that names the extra of what is missing."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from facedeblur.errors import UsageError
from facedeblur.extras import EXTRAS, explained, need, remedy

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = {  # where the name of a package on the index is not that of its import
    "hydra": "hydra-core",
    "skimage": "scikit-image",
    "dlib": "dlib-bin",
    "hydra_plugins.hydra_submitit_launcher": "hydra-submitit-launcher",
    "hydra_plugins.hydra_ray_launcher": "hydra-ray-launcher",
}
# what follows runs in a process that has none of the extras
WITHOUT_EXTRAS = """
import importlib.abc, sys
from facedeblur.extras import EXTRAS
KEEP = ()
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in EXTRAS and name not in KEEP:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""


def python(code: str, *arguments: str, cwd=None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", WITHOUT_EXTRAS + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)


def test_every_optional_package_is_in_the_extra_that_is_named_for_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = {
        extra: {re.split(r"[<>=~;\s\[]", line)[0].lower().replace("_", "-") for line in lines}
        for extra, lines in project["optional-dependencies"].items()
    }
    core = {re.split(r"[<>=~;\s\[]", line)[0].lower() for line in project["dependencies"]}
    for module, extra in EXTRAS.items():
        name = DISTRIBUTIONS.get(module, module.replace("_", "-"))
        assert name in listed[extra], (module, extra)
        assert name not in core, f"{name} is in the core and in the extra {extra}"


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    need("this test", "json")
    monkeypatch.setattr("facedeblur.extras.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^serve: needs aiohttp, which is not installed: pip install '\.\[serve\]'"):
        need("serve", "aiohttp")


@pytest.mark.parametrize(
    ("module", "extra"),
    (
        ("pytorch_lightning.loggers.logger", "train"),
        ("onnx", "export"),
        ("hydra_plugins.hydra_ray_launcher", "ray"),
        ("a_package_of_the_user", None),
        ("hydra_plugins", None),
    ),
)
def test_a_failed_import_is_explained_by_its_top_package(module, extra):
    told = explained(ModuleNotFoundError(f"No module named {module!r}", name=module), "facedeblur train")
    assert told is None if extra is None else remedy(extra) in str(told)


@pytest.mark.parametrize("command", ("train", "prepare", "evaluate", "sweep", "report"))
def test_commands_of_training_name_their_extra(command, tmp_path):
    code = "from facedeblur.cli import main; status = main(sys.argv[1:]); print(status, 'torch' in sys.modules)"
    done = python(code, command, cwd=tmp_path)
    assert done.stdout.split() == ["2", "False"], done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert f"facedeblur {command}" in line and "[train]" in line


CORE = """
KEEP = ("matplotlib",)  # torchmetrics takes it for installed where its metadata lie
import numpy as np
import facedeblur
image = np.full((64, 64, 3), 90, np.uint8)
assert np.array_equal(facedeblur.load("blurred")(image, aligned=True), image)
import facedeblur.inference.command, facedeblur.inference.files, facedeblur.evaluation.runner, facedeblur.losses
import facedeblur.metrics.modules, facedeblur.models.weights, facedeblur.blur.schedule, facedeblur.faces.judges
import facedeblur.report.evaluation, facedeblur.data.prepare.prepare, facedeblur.data.pairs.files
from facedeblur.cli import main
assert main(["--help"]) == 0
"""


@pytest.mark.system
def test_the_core_works_without_any_extra(tmp_path):
    done = python(CORE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
