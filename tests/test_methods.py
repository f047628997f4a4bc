"""Methods by name: runs, files and registered ones, each with the row it stands in."""

from __future__ import annotations

import shutil
from dataclasses import asdict

import pytest
import torch
import yaml

from facedeblur.errors import UsageError
from facedeblur.methods import load_method, load_methods
from facedeblur.models.build import build_networks
from facedeblur.models.checkpoint import FORMAT
from facedeblur.models.settings import ModelSettings

SETTINGS = ModelSettings(image_size=128, base_width=2, hourglass_features=4, hourglass_stacks=1)


@pytest.fixture
def run(tmp_path):
    """A run folder of a tiny network."""
    folder = tmp_path / "outputs/final/demo-s0"
    (folder / "checkpoints").mkdir(parents=True)
    model = {**asdict(SETTINGS), "unet_skips": [list(p) for p in SETTINGS.unet_skips], "keep": list(SETTINGS.keep)}
    (folder / "config.yaml").write_text(yaml.safe_dump({"experiment": "final", "seed": 0, "model": model}))
    torch.manual_seed(0)
    state = {"format": FORMAT, "stage": "adversarial", "generator_step": 7}
    torch.save(state | {"networks": build_networks(SETTINGS).state_dict()}, folder / "checkpoints/last.ckpt")
    return folder


@pytest.fixture
def plugin(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "class Grey:\n    name = 'grey'\n    def __call__(self, images):\n        return images * 0 + 0.5\n"
    )
    return file


def test_blurred_and_oracle_come_with_every_table(plugin):
    methods = load_methods(["oracle", f"{plugin}:Grey"])
    assert [(m.name, m.sharp) for m in methods] == [("blurred", False), ("oracle", True), ("grey", False)]
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(methods[0].deblurrer(images), images)
    assert (methods[2].deblurrer(images) == 0.5).all() and methods[2].image_size is None


def test_a_run_is_named_by_its_experiment_or_a_label(run):
    method = load_method(str(run))
    assert method.name == "final" and method.image_size == 128
    assert method.source["kind"] == "run" and method.source["steps"] == 7 and method.source["path"] == str(run)
    assert method.source["checkpoint"] == "last.ckpt"
    assert method.source["model"] == {"generator": "table3", "global_residual": False}
    assert load_method(f"ours (faithful)={run}").name == "ours (faithful)"
    assert method.deblurrer(torch.rand(1, 3, 100, 120)).shape == (1, 3, 100, 120)
    assert load_method(str(run / "checkpoints/last.ckpt")).source["fingerprint"] == method.source["fingerprint"]


def test_a_run_folder_stands_for_the_checkpoint_that_validation_chose(run):
    last = load_method(str(run))
    state = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    torch.save(state | {"generator_step": 5}, run / "checkpoints/best.ckpt")
    best = load_method(str(run))
    assert (best.source["checkpoint"], best.source["steps"]) == ("best.ckpt", 5)
    both = load_methods([str(run), str(run / "checkpoints/last.ckpt")])
    assert [m.source["steps"] for m in both[2:]] == [5, 7] and both[3].name.endswith("checkpoints/last.ckpt")
    assert last.source["fingerprint"] == both[3].source["fingerprint"]


def test_two_of_one_name_are_told_apart(run, tmp_path):
    other = tmp_path / "outputs/final/demo-s1"
    run.rename(other)
    other_copy = tmp_path / "outputs/final/demo-s0"
    shutil.copytree(other, other_copy)
    names = [method.name for method in load_methods([str(other), str(other_copy)])]
    assert names == ["blurred", "oracle", str(other), str(other_copy)]
    with pytest.raises(UsageError, match="asked for twice; give one of them a label"):
        load_methods([str(other), str(other)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("class Grey:\n    pass\n", r"Grey\(\) must be callable"),
        ("class Other:\n    pass\n", "has no Grey; it has Other"),
        ("import nothing_like_this\n\nclass Grey:\n    pass\n", "nothing_like_this"),
        ("def broken(:\n", "mine.py:1: invalid syntax"),
        ("import sys\n\nsys.exit(3)\n\nclass Grey:\n    pass\n", "cannot be imported: SystemExit: 3"),
        ("import sys\n\nclass Grey:\n    def __init__(self):\n        sys.exit('bye')\n", "SystemExit: bye"),
        ("class Grey:\n    def __init__(self, size):\n        pass\n", "missing a required argument: 'size'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(plugin, content, message):
    plugin.write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        load_method(f"{plugin}:Grey")
    assert "\n" not in str(caught.value)


FILE = """
from __future__ import annotations
from dataclasses import dataclass, field
import torch
from helper import SHIFT

@dataclass
class Shifted:
    by: float = SHIFT
    drop: torch.nn.Module = field(default_factory=lambda: torch.nn.Dropout(1.0))
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        from lazily import scale
        return self.drop(scale(images + self.by))

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.drop = torch.nn.Dropout(1.0)
    def forward(self, images):
        return self.drop(images) * self.weight
"""


def test_a_file_may_use_postponed_annotations_modules_beside_it_and_parts_that_train_and_evaluate(tmp_path):
    """From folders other than the one the command runs in; helpers of one name are each file's own."""
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "mine.py").write_text(FILE)
        (folder / "helper.py").write_text(f"SHIFT = {number / 10}\n")
        (folder / "lazily.py").write_text("def scale(images):\n    return images / 2\n")
    images = torch.full((1, 3, 4, 4), 0.5)
    for number in (1, 2):
        method = load_method(f"{tmp_path}/{number}/mine.py:Shifted")
        torch.testing.assert_close(method.deblurrer(images), torch.full_like(images, (0.5 + number / 10) / 2))
    assert torch.equal(load_method(f"{tmp_path}/1/mine.py:Net").deblurrer(images), images), "dropout is off"
    assert load_method(f"{tmp_path}/1/mine.py:Net", "meta").deblurrer.weight.device.type == "meta"


def test_a_method_that_is_none_is_named(tmp_path):
    with pytest.raises(UsageError, match="method: nonsense is no run folder.*blurred, oracle"):
        load_method("nonsense")
    with pytest.raises(UsageError, match="has no config.yaml"):
        load_method(str(tmp_path))
    with pytest.raises(UsageError, match=r"nowhere\.py: no such file"):
        load_method("nowhere.py:Class")
