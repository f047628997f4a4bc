"""An evaluation folder may grow, as long as what decides a row stays."""

from __future__ import annotations

import json

import pytest

from facedeblur.errors import UsageError
from facedeblur.evaluation.protocol import FILE, FIXED, merged, write_protocol

HELD = {
    **{key: f"{key} as it was" for key in FIXED},
    "methods": {"blurred": {}, "ours": {"fingerprint": "a"}},
    "blurs": {"vla": {"manifest": "m"}},
}


def test_methods_and_blurs_are_added_to_those_of_the_folder(tmp_path):
    new = HELD | {"methods": {"blurred": {}, "theirs": {"fingerprint": "b"}}, "blurs": {"pravg7": {"manifest": "n"}}}
    assert merged(tmp_path, new) == new
    write_protocol(tmp_path, HELD)
    found = merged(tmp_path, new)
    assert list(found["methods"]) == ["blurred", "ours", "theirs"] and set(found["blurs"]) == {"vla", "pravg7"}


@pytest.mark.parametrize("key", FIXED)
def test_rows_made_otherwise_are_named(tmp_path, key):
    write_protocol(tmp_path, HELD)
    with pytest.raises(UsageError, match=f"holds rows made with another {key} "):
        merged(tmp_path, HELD | {key: "as it is now"})


@pytest.mark.parametrize(
    ("change", "name"),
    [({"methods": {"ours": {"fingerprint": "b"}}}, "ours"), ({"blurs": {"vla": {"manifest": "n"}}}, "vla")],
)
def test_another_method_or_blur_of_the_same_name_is_refused(tmp_path, change, name):
    write_protocol(tmp_path, HELD)
    with pytest.raises(UsageError, match=f"holds rows of another {name};"):
        merged(tmp_path, HELD | change)


def test_a_torn_protocol_is_one_line(tmp_path):
    (tmp_path / FILE).write_text(json.dumps(HELD)[:40])
    with pytest.raises(UsageError, match="not readable"):
        merged(tmp_path, HELD)
