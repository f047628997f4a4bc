"""What installing the wheel costs, extra by extra, in fresh environments: packages, MB on disk, seconds.

`make dist` runs it. In the environment with `faces` a photo is deblurred, Lightning and Hydra must not be there, and
`train`, `prepare` and `evaluate` must name the extra they want.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEVELS = ("", "faces", "faces,train")
UNWANTED = ("pytorch_lightning", "hydra", "omegaconf", "wandb", "albumentations", "pytest", "torchvision")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.installing", description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--levels", nargs="*", default=LEVELS, help="sets of extras, each in an environment of its own")
    flags = parser.parse_args()
    print(f"{'extras':<24}{'packages':>9}{'MB':>7}{'torch':>7}{'seconds':>9}")
    for extras in flags.levels:
        with tempfile.TemporaryDirectory() as folder:
            measure(flags.wheel.resolve(), extras, Path(folder))
    return 0


def measure(wheel: Path, extras: str, folder: Path) -> None:
    """Installs into a fresh environment below `folder`, prints a line, and tries what was installed."""
    begin = time.perf_counter()
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    pip = (python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt")
    torch = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    run(*pip, torch, cwd=folder)
    run(*pip, f"{wheel}[{extras}]" if extras else wheel, cwd=folder)
    seconds = time.perf_counter() - begin
    listed = json.loads(run(python, "-m", "pip", "list", "--format=json", cwd=folder))
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    sizes = [megabytes(place) for place in (folder / "venv", site / "torch")]
    print(f"{extras or '(core)':<24}{len(listed):>9}{sizes[0]:>7.0f}{sizes[1]:>7.0f}{seconds:>9.0f}", flush=True)
    if extras == "faces":
        probe = f"from importlib.util import find_spec; print([m for m in {UNWANTED} if find_spec(m)])"
        found = run(python, "-c", probe, cwd=folder).strip()
        if found != "[]":
            raise SystemExit(f"not wanted in the core with faces: {found}")
        deblur_a_photo(python.with_name("facedeblur"), folder)
        for command in ("train", "prepare", "evaluate"):
            name_the_extra(python.with_name("facedeblur"), command, folder)


def deblur_a_photo(program: Path, folder: Path) -> None:
    from PIL import Image, ImageFilter
    from skimage.data import astronaut  # NASA's portrait, in the public domain

    Image.fromarray(astronaut()).filter(ImageFilter.BoxBlur(3)).save(folder / "photo.jpg")
    run(program, "deblur", "photo.jpg", "-o", "out.png", cwd=folder)
    if not (folder / "out.png").is_file():
        raise SystemExit("facedeblur deblur photo.jpg wrote nothing")


def name_the_extra(program: Path, command: str, folder: Path) -> None:
    """A command that needs more than is installed must end in one line with the extra to install."""
    done = subprocess.run([program, command], cwd=folder, capture_output=True, text=True)
    if done.returncode != 2 or "[train]" not in done.stderr or done.stderr.count("\n") != 1:
        raise SystemExit(f"facedeblur {command} without Hydra and Lightning: {done.stdout}{done.stderr}")


def megabytes(folder: Path) -> float:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
