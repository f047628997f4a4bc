"""The wandb workspace, against recorded calls: no server is asked."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from facedeblur.cli import main

pytest.importorskip("wandb_workspaces", reason="needs the extra workspaces")


@pytest.fixture
def calls(monkeypatch):
    """What would have been sent: (query, variables) each."""
    import wandb
    import wandb_workspaces.workspaces.internal as internal

    sent: list[tuple[str, dict]] = []
    answer = {"upsertView": {"view": {"id": "view-id", "name": "nw-abc-v"}, "inserted": True}}
    api = SimpleNamespace(default_entity="me", client=SimpleNamespace(app_url="https://wandb.example"))
    monkeypatch.setattr(wandb, "Api", lambda: api)
    monkeypatch.setattr(
        internal, "execute_graphql", lambda api, query, variables: sent.append((query, variables)) or answer
    )
    return sent


def test_one_view_is_saved_that_groups_the_sweep_by_variant(sweep_folder, calls, capsys):
    assert main(["report", str(sweep_folder), "--wandb"]) == 0
    ((query, variables),) = calls
    assert "upsertView" in query and (variables["entityName"], variables["projectName"]) == ("me", "facedeblur")
    assert variables["displayName"] == "ablations: variants"
    section = json.loads(variables["spec"])["section"]
    (runs,) = section["runSets"]
    filters = {entry["key"]["name"]: entry["value"] for entry in runs["filters"]["filters"]}
    assert filters == {"group": "ablations", "jobType": "train"}
    assert runs["grouping"] == [{"section": "config", "name": "sweep.value.variant"}]
    assert runs["sort"]["keys"] == [{"key": {"section": "summary", "name": "val/psnr"}, "ascending": False}]
    panels = [panel for part in section["panelBankConfig"]["sections"] for panel in part["panels"]]
    lines = [panel["config"] for panel in panels if panel["viewType"] == "Run History Line Plot"]
    assert {line["xAxis"] for line in lines} == {"generator_step"} and lines[0]["metrics"] == ["val/psnr"]
    assert any(panel["config"].get("mediaKeys") == ["faces"] for panel in panels)
    assert "https://wandb.example/me/facedeblur?nw=" in capsys.readouterr().out


def test_nobody_logged_in_is_one_line(sweep_folder, monkeypatch, capsys):
    import wandb

    def refuse():
        raise wandb.errors.UsageError("No API key configured.\nmore")

    monkeypatch.setattr(wandb, "Api", refuse)
    assert main(["report", str(sweep_folder), "--wandb"]) == 2
    message = capsys.readouterr().err
    assert "wandb login" in message and len(message.strip().splitlines()) == 1
