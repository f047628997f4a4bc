from __future__ import annotations

import dataclasses

import pytest

from facedeblur.data.demo import DemoSettings


def test_folder_names_every_setting():
    default = DemoSettings()
    assert default.folder == DemoSettings().folder
    for field in dataclasses.fields(DemoSettings):
        changed = dataclasses.replace(
            default, **{field.name: 0.5 if field.name == "motion" else getattr(default, field.name) * 2 or 2}
        )
        if changed != default:
            assert changed.folder != default.folder, field.name


@pytest.mark.parametrize(
    ("field", "value"),
    [("identities", 0), ("val_identities", -1), ("clips_per_identity", 0), ("frames", 1), ("size", 255), ("size", 64)]
    + [("fps", 0.0), ("fps", float("nan")), ("motion", -0.1), ("motion", 3.0), ("seed", -1)],
)
def test_impossible_values_are_named(field, value):
    with pytest.raises(ValueError, match=f"^{field}: .*got"):
        DemoSettings(**{field: value})
