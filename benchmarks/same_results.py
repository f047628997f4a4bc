"""`python -m benchmarks.same_results OLD NEW`: whether two checkouts give the same metrics, plans, rows and pictures.

Each checkout runs the same short commands with the same seeds in the same folder, one after the other: `prepare` (with
an export of pairs), `train trainer=smoke`, `evaluate`, `report` and `deblur` on a small demo corpus. Then every file of
one is compared with the other's: numbers, images and weights must be equal (or within --tolerance); times, versions and
process ids are left out. Exits with 1 where something differs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

DEMO = ["data.demo.identities=3", "data.demo.val_identities=1", "data.demo.frames=60"]
ALWAYS = ["--device", "cpu", "--always"]
RUN = "outputs/final/demo-s0"
COMMANDS = [
    ["prepare", "trainer=smoke", "jobs=1", "data.export=outputs/pairs", "prepare.samples=4"],
    ["train", "trainer=smoke", "jobs=1"],
    ["evaluate", f"method={RUN},no_identity-small-v1", *DEMO, "images=6", "blur=pravg7,vla,trajectory", "jobs=0"],
    ["report", "outputs/evaluation/demo"],
    ["deblur", "clip.mp4", "photo.png", "-o", "deblurred", "--weights", "no_identity-small-v1", *ALWAYS],
    ["deblur", "photo.png", "-o", "by-run", "--weights", RUN, *ALWAYS],
]
# plans are named by their manifest, which holds the times of the rendered files; weights lie in the checkout
TIMES = re.compile(r"(.*_)?(seconds|ms/image|started|ended|heartbeat|time|pid|memory.*|manifest|git_commit|path)(_.*)?")
LEFT_OUT = re.compile(r"(versions|status|cost|made-from)\.json|.*\.(lock|log)|(scores|report|index)\.(md|tex|html)")


def run(checkout: Path, folder: Path) -> None:
    """Runs COMMANDS with the code of `checkout` in `folder`; raises CalledProcessError where one fails."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "FACEDEBLUR_TRACEBACK": "1"}
    for command in COMMANDS:
        if command[0] == "deblur" and not (folder / "photo.png").exists():
            _inputs(folder)
        print(f"{checkout.name}: facedeblur {' '.join(command)}", flush=True)
        subprocess.run([sys.executable, "-m", "facedeblur", *command], cwd=folder, env=environment, check=True)


def _inputs(folder: Path) -> None:
    """The first frames of a rendered clip as a video, and one of them as a photo."""
    from facedeblur.images import write_png
    from facedeblur.video.open import open_source
    from facedeblur.video.write import write_video

    clip = sorted((folder / "outputs").rglob("val/*/*.mp4"))[0]
    with open_source(clip, "pyav") as source:
        frames = list(source.frames(0, 8))
    write_video(folder / "clip.mp4", frames, source.fps)
    write_png(folder / "photo.png", frames[4])


def differences(old: Path, new: Path, tolerance: float) -> Iterator[str]:
    """One line for each file that only one folder has, or that differs."""
    for root in (old, new):
        _name_plans(root)
    files = [{str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()} for root in (old, new)]
    for name in sorted(files[0] ^ files[1]):
        if not LEFT_OUT.fullmatch(Path(name).name):
            yield f"{name}: only in {'old' if name in files[0] else 'new'}"
    for name in sorted(files[0] & files[1]):
        if LEFT_OUT.fullmatch(Path(name).name):
            continue
        one, two = (dict(_flat(_content(root / name))) for root in (old, new))
        wrong = [key for key in one.keys() | two.keys() if not _same(one.get(key), two.get(key), tolerance)]
        if wrong:
            shown = ", ".join(f"{key}: {one.get(key)!r:.40} / {two.get(key)!r:.40}" for key in sorted(wrong)[:3])
            yield f"{name}: {len(wrong)} of {len(one)} values: {shown}"


def _name_plans(root: Path) -> None:
    """Gives the plans in the cache names of what they hold."""
    for path in sorted((root / "outputs/cache/plans").glob("*.json")):
        told = json.dumps({**json.loads(path.read_text()), "manifest": ""}, sort_keys=True)
        name = f"{zlib.crc32(told.encode()):08x}"
        for suffix in (".json", ".parquet"):
            path.with_suffix(suffix).rename(path.with_name(name).with_suffix(suffix))


def _content(path: Path) -> object:
    if path.suffix == ".json":
        return json.loads(path.read_text())
    if path.suffix == ".csv":
        with open(path, newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pydict()
    if path.suffix == ".ckpt":
        return torch.load(path, weights_only=True)
    if path.suffix in (".mp4", ".mkv"):
        import av

        with av.open(str(path)) as video:
            return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    if path.suffix in (".npz", ".npy"):
        loaded = np.load(path)
        return dict(loaded) if path.suffix == ".npz" else loaded
    if path.suffix == ".html":
        return re.sub(r"[0-9a-f]{40}(-modified)?|\d+(\.\d+)? (s|ms|min)\b", "", path.read_text())
    return path.read_bytes()


def _flat(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """(dotted name, leaf) of nested dictionaries and lists, times left out."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not TIMES.fullmatch(str(key)):
                yield from _flat(item, f"{name}.{key}")
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _flat(item, f"{name}[{number}]")
    else:
        yield name, value


def _same(one: object, two: object, tolerance: float) -> bool:
    if isinstance(one, (np.ndarray, torch.Tensor)) and type(one) is type(two) and one.shape == two.shape:
        one, two = np.asarray(one), np.asarray(two)
        if one.dtype.kind == "f":
            return np.allclose(one, two, rtol=0, atol=tolerance, equal_nan=True)
        return np.array_equal(one, two)
    try:
        return one == two or abs(float(one) - float(two)) <= tolerance or float(one) != float(one) and two != two
    except (TypeError, ValueError):
        return False


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_results", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument(
        "--tolerance", type=float, default=0.0, help="largest difference of numbers that counts as none"
    )
    parser.add_argument("--keep", type=Path, help="folder for the results; one that is there already is not made again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        base = (arguments.keep or Path(temporary)).resolve()
        for name, checkout in (("old", arguments.old), ("new", arguments.new)):
            if not (base / name).exists():  # both work in one place, so that paths are equal too
                run(checkout.resolve(), base / "work")
                (base / "work").rename(base / name)
        found = list(differences(base / "old", base / "new", arguments.tolerance))
    print("\n".join(found) or "everything is equal")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
