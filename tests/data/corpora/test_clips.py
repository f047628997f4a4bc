from __future__ import annotations

import json

import pytest

from facedeblur.data.corpora import Clip, discover
from facedeblur.data.corpora.clip import CorpusError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folders_train_and_val(tmp_path):
    touch(tmp_path, "train/ann/b.mp4", "train/ann/a.MPG", "train/bob/c.mov", "val/cid/d.mkv")
    touch(tmp_path, "train/ann/a.npz", "train/ann/readme.txt", "train/ann/.hidden.mp4", "train/stray.mp4")
    assert discover(tmp_path, "mine") == [
        Clip(str(tmp_path / "train/ann/a.MPG"), "mine", "ann", "train"),
        Clip(str(tmp_path / "train/ann/b.mp4"), "mine", "ann", "train"),
        Clip(str(tmp_path / "train/bob/c.mov"), "mine", "bob", "train"),
        Clip(str(tmp_path / "val/cid/d.mkv"), "mine", "cid", "val"),
    ]


def test_deeper_folders_belong_to_the_identity(tmp_path):
    touch(tmp_path, "train/ann/2019/x.mp4", "val/bob/x.mp4")
    assert discover(tmp_path)[0].identity == "ann"


def test_a_tenth_of_the_identities_is_held_out(tmp_path):
    touch(tmp_path, *(f"id{i:02}/{k}.mp4" for i in range(30) for k in range(2)))
    clips = discover(tmp_path)
    val = {clip.identity for clip in clips if clip.split == "val"}
    assert len(clips) == 60 and len(val) == 3
    assert not val & {clip.identity for clip in clips if clip.split == "train"}
    assert discover(tmp_path) == clips
    assert len({clip.identity for clip in discover(tmp_path, val_fraction=0.5) if clip.split == "val"}) == 15
    assert all(clip.split == "train" for clip in discover(tmp_path, val_fraction=0.0))


@pytest.mark.parametrize(("identities", "held_out"), [(1, 0), (2, 1), (4, 1), (20, 2)])
def test_small_corpora_hold_out_somebody_if_they_can(tmp_path, identities, held_out):
    touch(tmp_path, *(f"id{i}/a.mp4" for i in range(identities)))
    assert sum(clip.split == "val" for clip in discover(tmp_path)) == held_out


def test_val_root(tmp_path):
    touch(tmp_path, "a/ann/x.mp4", "a/bob/x.mp4", "b/cid/x.mp4", "c/val/dan/x.mp4")
    assert [(c.identity, c.split) for c in discover(tmp_path / "a", val_root=tmp_path / "b")] == [
        ("ann", "train"),
        ("bob", "train"),
        ("cid", "val"),
    ]
    assert discover(tmp_path / "a", val_root=tmp_path / "c")[-1].identity == "dan"


def test_val_beside_identities(tmp_path):
    touch(tmp_path, "ann/x.mp4", "val/bob/x.mp4")
    assert [(c.identity, c.split) for c in discover(tmp_path)] == [("ann", "train"), ("bob", "val")]


def test_sidecar_wins(tmp_path):
    touch(tmp_path, "train/000/x.mp4", "train/000/y.mp4", "val/001/z.mp4")
    (tmp_path / "train/000/x.json").write_text(json.dumps({"identity": "ann", "corpus": "A", "seed": 3}))
    (tmp_path / "train/000/y.json").write_text(json.dumps({"identity": 7}))
    assert [(c.corpus, c.identity) for c in discover(tmp_path)] == [("A", "ann"), ("clips", "7"), ("clips", "001")]


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_a_broken_sidecar_is_named(tmp_path, text):
    touch(tmp_path, "train/ann/x.mp4")
    (tmp_path / "train/ann/x.json").write_text(text)
    with pytest.raises(ValueError, match="x.json: not a JSON object"):
        discover(tmp_path)


def test_errors(tmp_path):
    with pytest.raises(CorpusError, match="nowhere: no such folder"):
        discover(tmp_path / "nowhere")
    touch(tmp_path, "train/readme.txt", "val/ann/x.mp4")
    with pytest.raises(ValueError, match="train: no videos; expected <identity>/<clip>"):
        discover(tmp_path)
    touch(tmp_path, "train/ann/x.mp4")
    with pytest.raises(ValueError, match="identity 'ann' .* is in training and in validation"):
        discover(tmp_path)
    with pytest.raises(ValueError, match="val_fraction: must be in .* got 1"):
        discover(tmp_path, val_fraction=1)
