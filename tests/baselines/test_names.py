"""Compared methods by name: classes that exist, a source that changes with the version, and what is refused."""

import sys
from importlib import import_module

import pytest
import torch

from facedeblur.baselines import names
from facedeblur.baselines.deconvolution.driver import BlindDeblurrer
from facedeblur.errors import UsageError
from facedeblur.methods import load_method, load_methods


@pytest.mark.parametrize("name", [*names.CLASSICAL, *names.LEARNED])
def test_every_name_stands_for_a_class_with_a_version(name):
    module, _, cls = {**names.CLASSICAL, **names.LEARNED}[name].partition(":")
    found = getattr(import_module(f"facedeblur.baselines.{module}"), cls)
    assert isinstance(found.version, int) and callable(found)
    assert issubclass(found, BlindDeblurrer) or name in names.LEARNED


def test_a_module_is_imported_when_its_method_is_asked_for(monkeypatch):
    monkeypatch.delitem(sys.modules, "facedeblur.baselines.pan", raising=False)
    load_method("blurred")
    assert "facedeblur.baselines.pan" not in sys.modules
    method = load_method("dark channel=pan16")
    assert "facedeblur.baselines.pan" in sys.modules and method.name == "dark channel" and not method.sharp
    assert method.deblurrer.device == "cpu" and method.image_size is None


def test_a_corrected_method_has_another_fingerprint(monkeypatch):
    before = load_method("l0").source["fingerprint"]
    assert before != load_method("pan14_text").source["fingerprint"]
    monkeypatch.setattr(type(load_method("l0").deblurrer), "version", 99)
    after = load_method("l0").source
    assert after["fingerprint"] != before and after["version"] == 99


def test_a_network_without_a_file_says_what_is_missing():
    with pytest.raises(UsageError, match=r"nah17 needs its weights: nah17:FILE; docs/networks.md"):
        load_method("nah17")


@pytest.mark.parametrize("spec", ["pan17", "pan16:file", "nah"])
def test_another_name_is_answered_with_those_there_are(spec):
    with pytest.raises(UsageError, match="none of blurred, oracle, krishnan11, .*, nah17"):
        load_method(spec)


def test_all_is_every_method_that_needs_no_file(monkeypatch, capsys):
    monkeypatch.setattr(names, "_class", lambda target: _Stub)
    methods = [method.name for method in load_methods(["all", "l0", "ours=blurred"])]
    assert methods == ["blurred", "oracle", *names.CLASSICAL, "ours"]
    assert "leaves out what has no weights: nah17, kupyn17, chakrabarti16, nafnet;" in capsys.readouterr().err


def test_all_names_only_what_is_left_out(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(names, "_class", lambda target: _StubOfFile if target in names.LEARNED.values() else _Stub)
    run = tmp_path / "clips-s0"
    run.mkdir()
    (run / "config.yaml").write_text("stage: kupyn17\n")
    specs = ["all", f"theirs=nah17:{tmp_path / 'a=b.pt'}", str(run)]
    assert [m.name for m in load_methods(specs)][-2:] == ["theirs (authors' weights)", "kupyn17 (retrained)"]
    assert "leaves out what has no weights: chakrabarti16, nafnet;" in capsys.readouterr().err
    load_methods([*specs, "chakrabarti16:model.mat", "nafnet:n.pth"])
    assert capsys.readouterr().err == ""


def test_two_files_of_one_network_say_whose_weights_they_are(monkeypatch):
    monkeypatch.setattr(names, "_class", lambda target: _StubOfFile)
    called = [method.name for method in load_methods(["nah17:GOPRO.pt", "nah17:REDS.pt"])[2:]]
    assert called == ["nah17 (authors' weights), GOPRO.pt", "nah17 (authors' weights), REDS.pt"]


def test_a_label_does_not_hide_whose_weights_a_network_has(monkeypatch):
    monkeypatch.setattr(names, "_class", lambda target: _StubOfFile)
    for label in ("nah17", "nah17 (retrained)"):
        assert load_method(f"{label}=nah17:run").name == "nah17 (retrained)"


class _Stub:
    version = 1

    def __init__(self, device) -> None: ...

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images


class _StubOfFile(_Stub):
    def __init__(self, path, device) -> None:
        self.path = self.fingerprint = path
        self.origin = "authors' weights" if path.endswith((".pt", ".pth", ".mat")) else "retrained"
