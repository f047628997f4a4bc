"""`facedeblur new plugin <kind> <file>`: a working example of a plug-in with its test, to be changed into one's own."""

from __future__ import annotations

import argparse
import ast
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from facedeblur.errors import UsageError


@dataclass(frozen=True)
class Kind:
    """A kind of plug-in: the name in its template, the words that put it into a run, and what its test asserts."""

    name: str
    use: str
    test: str


IMAGES = "torch.rand(2, {channels}, 128, 128) * 2 - 1"
KINDS = {
    "network": Kind(
        "Net",
        "facedeblur train experiment=no_identity model.plugins.generator={target}",
        f"assert Net(6)({IMAGES.format(channels=6)}).shape == (2, 3, 128, 128)",
    ),
    "pair": Kind(
        "UNetPair",
        "facedeblur train model.plugins.pair={target}",
        f"pair = UNetPair()\nfor channels in (3, 6):\n    image = {IMAGES.replace('{channels}', 'channels')}\n"
        "    restored = pair.decoder(pair.encoder(channels)(image), 'sharp')\n"
        "    assert restored.shape == (2, 3, 128, 128)",
    ),
    "first_step": Kind(
        "FirstStep",
        "facedeblur train model.plugins.first_step={target}",
        f"assert FirstStep().restore({IMAGES.format(channels=3)}).shape == (2, 3, 128, 128)",
    ),
    "discriminator": Kind(
        "Critic",
        "facedeblur train model.plugins.discriminator={target}",
        f"image = {IMAGES.format(channels=3)}\nlogits, features = Critic()(image, image)\nassert len(logits) == 2",
    ),
    "loss": Kind(
        "pyramid",
        "facedeblur train '+loss.terms.mine={{_target_: {target}, weight: 50}}'",
        f"image = {IMAGES.format(channels=3)}\nassert pyramid(image, image) == 0 < pyramid(image, -image)",
    ),
    "optimizer": Kind(
        "nesterov",
        "facedeblur train trainer.optimizer={target}",
        "assert nesterov([torch.nn.Parameter(torch.zeros(1))], lr=0.1).param_groups[0]['lr'] == 0.1",
    ),
    "schedule": Kind(
        "cosine", "facedeblur train trainer.schedule={target}", "assert cosine(0, 1000) < cosine(100, 1000) == 1"
    ),
    "callback": Kind(
        "Notebook",
        "facedeblur train +trainer.callbacks.notes={target}",
        "import pytorch_lightning\nassert isinstance(Notebook(), pytorch_lightning.Callback)",
    ),
    "logger": Kind(
        "JsonLines",
        "facedeblur train '+logger.loggers.lines={{_target_: {target}, file: metrics.jsonl}}'",
        "JsonLines(str(tmp_path / 'log')).log_metrics({{'loss': 1.0}}, step=3)\n"
        "assert '\"step\": 3' in (tmp_path / 'log').read_text()",
    ),
    "corpus": Kind(
        "interviews",
        "facedeblur train data=clips data.root=<folder> data.kind={target} hourglass.data.kind={target}",
        "from facedeblur.data.corpora import CorpusSettings\n(tmp_path / 'ann_1.mp4').touch()\n"
        "assert interviews(CorpusSettings('clips', str(tmp_path)))[0].identity == 'ann'",
    ),
    "blur": Kind(
        "defocus",
        "facedeblur train +blur.plugins.mine={target} +blur.schedules.mine=1 blur.val_schedules=[mine]",
        "import numpy as np\nimage = np.full((128, 128, 3), 90, np.uint8)\n"
        "assert np.allclose(defocus(image, 1, np.zeros((68, 2))), 90)",
    ),
    "windows": Kind(
        "moving",
        "facedeblur train +blur.windows.moving={target} +blur.schedules.moving=1",
        "import numpy as np\nface = np.random.default_rng(0).random((68, 2)) * 100\n"
        "track = np.stack([face + max(0, frame - 9) for frame in range(20)])\nassert moving(track) == [(9, 9)]",
    ),
    "augmentation": Kind(
        "occlude",
        "facedeblur train data.augmentation={target}",
        "import numpy as np\nimage, points = np.zeros((128, 128, 3), np.uint8), np.zeros((68, 2), np.float32)\n"
        "assert occlude(image, image, points, np.random.default_rng(0))[0].max() == 128",
    ),
    "metric": Kind(
        "error",
        "facedeblur train +trainer.metrics.error={target}",
        f"image = {IMAGES.format(channels=3)}\nassert error(image, image).tolist() == [0, 0]",
    ),
    "method": Kind(
        "UnsharpMask",
        "facedeblur evaluate method={target}",
        "image = torch.full((1, 3, 20, 20), 0.5)\nassert torch.allclose(UnsharpMask()(image), image)",
    ),
}  # fmt: skip


def main(argv: list[str]) -> int:
    """Writes the example and its test; prints how it is used. Raises UsageError where a file is there already."""
    parser = argparse.ArgumentParser(prog="facedeblur new", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("plugin",))
    parser.add_argument("kind", choices=tuple(KINDS))
    parser.add_argument("file", type=Path, nargs="?", help="where to, such as my_net.py (default: my_<kind>.py)")
    flags = parser.parse_args(argv)
    file = flags.file or Path(f"my_{flags.kind}.py")
    test = file.with_name(f"test_{file.name}")
    if file.suffix != ".py" or not file.stem.isidentifier():
        raise UsageError(f"{file}: must be called like a Python module, such as my_{flags.kind}.py")
    for path in (file, test):
        if path.exists():
            raise UsageError(f"{path}: is there already; name another file")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(template(flags.kind))
    test.write_text(test_of(flags.kind, file.stem))
    print(f"{file} and {test}\n\ntry it:  python -m pytest {test}\nuse it:  {used(flags.kind, f'{file}')}")
    return 0


def template(kind: str) -> str:
    """The source of the example."""
    return files("facedeblur.templates").joinpath(f"{kind}.py").read_text(encoding="utf-8")


def used(kind: str, file: str) -> str:
    """The command that puts the example in `file` to work."""
    return KINDS[kind].use.format(target=f"{file}:{KINDS[kind].name}")


def test_of(kind: str, module: str) -> str:
    """The source of a test of the example, which lies beside it."""
    lines = KINDS[kind].test.replace("{{", "{").replace("}}", "}").splitlines()
    fixture = "tmp_path" if any("tmp_path" in line for line in lines) else ""
    imports = "import torch\n" if any("torch." in line for line in lines) else ""
    body = "\n".join(f"    {line}" for line in lines)
    name = KINDS[kind].name
    text = f"{imports}from {module} import {name}\n\n\ndef test_{kind}({fixture}):\n{body}\n"
    ast.parse(text)
    return text
