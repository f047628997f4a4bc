"""The card says what was measured, and nothing where nothing was."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from facedeblur.errors import UsageError
from facedeblur.export.command import main
from facedeblur.models.build import build_networks
from facedeblur.models.settings import ModelSettings
from facedeblur.models.weights import shipped_state, write_weights
from facedeblur.report.card import model_card
from facedeblur.report.rows import read_rows

SETTINGS = ModelSettings(image_size=128, base_width=2, hourglass_features=4, hourglass_stacks=1)
LIGHT = replace(SETTINGS, generator="light", light_width=16, global_residual=True)
NOTES = "Rendered faces of the demo corpus; no terms."


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "final-demo-v1.safetensors"
    told = {"experiment": "final", "generator_steps": 12345, "blur": {"train": {"vla": 2.0}, "strength": 1.0}}
    write_weights(file, shipped_state(build_networks(SETTINGS)), SETTINGS, told)
    return file


@pytest.fixture(scope="module")
def evaluation(make_evaluation, tmp_path_factory):
    return make_evaluation(tmp_path_factory.mktemp("evaluation"), images=False)


def test_its_figures_are_those_of_the_rows(weights, evaluation):
    rows = read_rows([evaluation])
    card = model_card(str(weights), rows, NOTES)
    (line,) = re.findall(r"^\| VLA \|.*$", card, re.MULTILINE)
    mine, theirs = (rows.where(method=name, blur="vla") for name in ("final", "blurred"))
    assert f"{theirs['psnr'].mean():.2f} → {mine['psnr'].mean():.2f}" in line
    assert f"{100 * np.mean(theirs['landmark_error'] > 0.08):.2f} → " in line
    assert f"| {len(mine)} |" in line
    assert "5 people" in card and NOTES in card and "12,345 steps" in card and "VLA (2)" in card
    assert (
        "# final-demo-v1" in card
        and "{" not in card
        and "- VLA: in no score clearly worse; AUC falls for 0 of 5." in card
    )


@pytest.mark.parametrize(("settings", "said"), [(SETTINGS, "`table3`). Base width 2,"), (LIGHT, "`light`, its output")])
def test_the_network_is_described(settings, said, evaluation, tmp_path):
    file = tmp_path / "some-v1.safetensors"
    write_weights(file, shipped_state(build_networks(settings)), settings, {})
    card = model_card(str(file), read_rows([evaluation]), NOTES)
    assert said in card
    assert ("Base width 16, images" in card) == (settings is LIGHT), "of the light pair its own width counts"


def test_the_training_is_described(evaluation, tmp_path):
    file = tmp_path / "some-v1.safetensors"
    loss = {
        "content_image": 10,
        "adversarial": 0,
        "fourier": 2.0,
        "content": "log_mse",
        "terms": {"own": {"weight": 3}},
    }
    told = {"loss": loss, "initialised_from": "a-v1", "averaged_with": {"weights": "b-v1", "share": 0.4}}
    write_weights(file, shipped_state(build_networks(SETTINGS)), SETTINGS, told)
    card = " ".join(model_card(str(file), read_rows([evaluation]), NOTES).split())
    assert "Losses: content image 10, fourier 2, own 3; content image by log mse." in card
    assert "starting from a-v1, and averaged in the end with b-v1 (its share: 0.4)" in card


def test_harm_is_named(weights, make_evaluation, tmp_path):
    harmful = make_evaluation(tmp_path / "e", {"final": -0.5}, blurs=("pravg7",), images=False)
    card = model_card(str(weights), read_rows([harmful]), NOTES)
    (line,) = re.findall(r"^- PrAvg 7: .*$", card, re.MULTILINE)
    assert "worse than the blurred image in AUC, " in line and "AUC falls for 5 of 5, by 0." in line


def test_the_front_door_has_its_own_table(weights, evaluation, make_evaluation, tmp_path):
    assert "front door" not in model_card(str(weights), read_rows([evaluation]), NOTES)
    methods = {"final": 0.4, "final (front door)": 0.2, "blurred (front door)": 0.0}
    rows = read_rows([make_evaluation(tmp_path / "e", methods, blurs=("pravg7",), images=False)])
    card = model_card(str(weights), rows, NOTES)
    alone, door = re.findall(r"^\| PrAvg 7 \|.*$", card, re.MULTILINE)
    assert "Through the front door" in card and alone != door
    assert f"→ {rows.where(method='final (front door)', blur='pravg7')['psnr'].mean():.2f} (" in door


def test_the_command(weights, evaluation, tmp_path, capsys):
    (tmp_path / "notes.md").write_text(NOTES)
    out = tmp_path / "card.md"
    base = [str(weights), "--format", "card", "-o", str(out)]
    assert main([*base, "--rows", str(evaluation), "--notes", str(tmp_path / "notes.md")]) == 0
    assert out.read_text().startswith("# final-demo-v1")
    with pytest.raises(UsageError, match="needs --rows"):
        main(base)


def test_what_is_missing_is_named(weights, evaluation, make_evaluation, tmp_path):
    rows = read_rows([evaluation])
    for arguments, message in (
        ((rows, " "), "notes: empty"),
        ((rows, NOTES, "other"), "rows: none of other; there are"),
        ((rows.where(identity=rows["identity"][0]), NOTES), "fewer than two people"),
    ):
        with pytest.raises(UsageError, match=message):
            model_card(str(weights), *arguments)
    two = make_evaluation(tmp_path / "two", {"a": 0.3, "b": 0.5}, blurs=("vla",), images=False)
    with pytest.raises(UsageError, match="rows: of a, b; name the one"):
        model_card(str(weights), read_rows([two]), NOTES)
