"""Names of weights lead to the files that were registered, and to nothing else."""

from __future__ import annotations

import json

import pytest

from facedeblur.models import registry
from facedeblur.models.registry import Entry, WeightsError, locate, read_metadata, register, weight_names

NAME = "final-demo-v1"
# printf shipped | sha256sum; printf training | sha256sum
SHIPPED = "698310fadbfa5275b3cb493120be05841923760acc7d2dde8a8e26f38d125412"
TRAINING = "c2fb788c7deedbeaa296e424d4c2921b871a4f6cb4cf393c1c1105653ab399b4"


@pytest.fixture
def package(tmp_path):
    """A registry of one name, with its training file in another folder."""
    folder, beside = tmp_path / "weights", tmp_path / "beside"
    folder.mkdir(), beside.mkdir()
    (folder / "registry.json").write_text("{}")
    file, training = folder / f"{NAME}.safetensors", beside / f"{NAME}.training.safetensors"
    file.write_bytes(b"shipped"), training.write_bytes(b"training")
    register(NAME, file, training, folder)
    return folder, beside


def test_a_registered_name_is_found_and_verified(package):
    assert weight_names(package[0]) == {NAME: Entry(SHIPPED, TRAINING)}
    found = locate(NAME, *package)
    assert found.file.read_bytes() == b"shipped" and found.training.read_bytes() == b"training"
    found.verify()
    found.training.unlink()
    assert locate(NAME, *package).training is None


def test_a_changed_file_is_refused(package):
    folder, beside = package
    (beside / f"{NAME}.training.safetensors").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"training\.safetensors: damaged or replaced"):
        locate(NAME, *package).verify()
    (folder / f"{NAME}.safetensors").write_bytes(b"other")
    with pytest.raises(WeightsError, match=rf"{NAME}\.safetensors: damaged or replaced.*{SHIPPED[:16]}"):
        locate(NAME, *package).verify()


def test_unknown_and_missing_weights_are_named(package, tmp_path):
    with pytest.raises(WeightsError, match=f"nope: no such weights; known names: {NAME}; or give the path"):
        locate("nope", *package)
    with pytest.raises(WeightsError, match="gone.safetensors: no such weights"):
        locate(tmp_path / "gone.safetensors", *package)
    (package[0] / f"{NAME}.safetensors").unlink()
    with pytest.raises(WeightsError, match="is missing; install facedeblur again"):
        locate(NAME, *package)


def test_large_files_are_not_registered(package, monkeypatch):
    monkeypatch.setattr(registry, "MAX_BYTES", 6)
    with pytest.raises(WeightsError, match="at most"):
        register("final-demo-v2", package[0] / f"{NAME}.safetensors", None, package[0])
    assert list(weight_names(package[0])) == [NAME]


@pytest.mark.parametrize(
    "content",
    (b"", b"not a file of weights", (10**9).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"{}",
     (40).to_bytes(8, "little") + json.dumps({"__metadata__": {"format": "pt"}}).encode().ljust(40)),
)  # fmt: skip
def test_other_files_are_refused(tmp_path, content):
    file = tmp_path / "other.safetensors"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match="other.safetensors"):
        read_metadata(file)


def test_what_the_package_ships_is_what_it_registered():
    for name in weight_names():
        found = locate(name)
        found.verify()
        assert found.file.stat().st_size <= registry.MAX_BYTES
        assert set(read_metadata(found.file)) == {"format", "model", "provenance"}
        assert (registry.PACKAGED / f"{name}.md").is_file(), f"{name} ships without its card"
