"""Tests mirror the package: every module has its own file here, is imported by another's, or is named below."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
# modules that no test imports, since what they do is seen from outside: where it is seen
ELSEWHERE = {
    "facedeblur/__main__.py": "tests/system/test_package.py",
    "facedeblur/baselines/babacan12.py": "tests/baselines/test_recovery.py",
    "facedeblur/baselines/deconvolution/paired_fft.py": "tests/baselines/deconvolution/test_variational.py",
    "facedeblur/baselines/fit_patch_prior.py": "tests/baselines/deconvolution/test_epll.py",
    "facedeblur/baselines/starting.py": "tests/training/stages/test_compared.py",
    "facedeblur/baselines/zhang13.py": "tests/baselines/test_recovery.py",
    "facedeblur/blur/face_fields.py": "tests/blur/test_photo_motion.py",
    "facedeblur/blur/settings.py": "tests/test_conf.py",
    "facedeblur/command_help.py": "tests/test_cli.py",
    "facedeblur/data/command.py": "tests/system/test_prepare.py",
    "facedeblur/data/corpora/lrw.py": "tests/data/corpora/test_layouts.py",
    "facedeblur/data/corpora/twomf2.py": "tests/data/corpora/test_layouts.py",
    "facedeblur/data/frames/device_light.py": "tests/data/frames/test_device.py",
    "facedeblur/data/dataset.py": "tests/test_front_door.py",
    "facedeblur/data/demo/appearance.py": "tests/data/demo/test_identity.py",
    "facedeblur/data/demo/background.py": "tests/data/demo/test_scene.py",
    "facedeblur/data/demo/details.py": "tests/data/demo/test_scene.py",
    "facedeblur/data/frames/runs.py": "tests/data/frames/test_store.py",
    "facedeblur/evaluation/api.py": "tests/test_front_door.py",
    "facedeblur/faces/album.py": "tests/data/corpora/test_stills.py",
    "facedeblur/faces/protocols.py": "tests/evaluation/test_judging.py",
    "facedeblur/models/unet.py": "tests/models/test_light.py",
    "facedeblur/plugins/loading.py": "tests/test_plugins.py",
    "facedeblur/plugins/records.py": "tests/test_plugins.py",
    "facedeblur/plugins/trusted_code.py": "tests/test_extend.py",
    "facedeblur/report/api.py": "tests/test_front_door.py",
    "facedeblur/report/verdict.py": "tests/report/test_command.py",
    "facedeblur/report/sweep/overview.py": "tests/report/sweep/test_page.py",
    "facedeblur/training/callbacks/face_grid.py": "tests/system/test_train.py",
    "facedeblur/training/train.py": "tests/system/test_train.py",
    "facedeblur/training/localizer_run.py": "tests/system/test_train.py",
    "facedeblur/training/stages/hourglass.py": "tests/training/stages/test_stage.py",
    "facedeblur/training/stages/restoration.py": "tests/training/stages/test_stage.py",
    "facedeblur/training/stages/validated.py": "tests/training/stages/test_stage.py",
    "facedeblur/video/clock.py": "tests/video/test_times.py",
    "facedeblur/video/rewrite_reader.py": "tests/video/test_rewrite.py",
    "facedeblur/video/sound.py": "tests/video/test_streams.py",
    "hydra_plugins/facedeblur_launcher/checked_sweeper.py": "tests/hydra_plugins/test_gpu_pool.py",
}
TEMPLATES = "facedeblur/templates/"  # code for users to begin with: tests/test_extend.py writes and runs each of them


def mirrored(module: str) -> Path:
    """Where the tests of a module are looked for first."""
    path = Path(module).relative_to("facedeblur") if module.startswith("facedeblur/") else Path(module)
    return ROOT / "tests" / path.parent / f"test_{path.stem.lstrip('_')}.py"


def test_every_module_is_tested_in_a_file_that_can_be_found():
    modules = [
        path.relative_to(ROOT).as_posix()
        for package in ("facedeblur", "hydra_plugins")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    ]
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    lost = []
    for module in modules:
        package, _, name = module.removesuffix(".py").replace("/", ".").rpartition(".")
        imported = rf"\b{re.escape(f'{package}.{name}')}\b|from {re.escape(package)} import [^\n]*\b{name}\b"
        if not (mirrored(module).is_file() or module in ELSEWHERE or module.startswith(TEMPLATES)):
            lost += [module] if re.search(imported, tests) is None else []
    assert not lost, f"{lost}: no test imports these, and ELSEWHERE does not say where else they are seen"
    assert not set(ELSEWHERE) - set(modules), "ELSEWHERE names modules that are gone"
    assert all((ROOT / place).is_file() for place in ELSEWHERE.values())
