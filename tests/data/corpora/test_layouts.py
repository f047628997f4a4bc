"""Every corpus on a fixture in exactly its published layout."""

from __future__ import annotations

import base64
import logging

import numpy as np
import pytest

from facedeblur.data.corpora import CorpusSettings, find_clips, vw300
from facedeblur.data.corpora.clip import CorpusError
from facedeblur.data.corpora.ytf import read_pairs
from facedeblur.faces.pts import write_pts
from facedeblur.video.album import read_album


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def menpo_text(frames, found):
    """`found`: frame -> (68, 2) points (x, y); written as 2MF2 writes them."""
    lines = [f"frame:100\t n_frames:{frames}\t n_landmarks:68"]
    lines += [f"{f}::{f + 100}\t" + ", ".join(str(v) for v in points[:, ::-1].ravel()) for f, points in found.items()]
    return "\n".join(lines) + "\n"


def test_twomf2(tmp_path):
    rng = np.random.default_rng(0)
    touch(tmp_path, "clips/a.mp4", "clips/b.avi", "clips/short.mp4", "clips/untracked.mp4", "clips/frames/000001.png")
    points = {0: rng.uniform(10, 90, (68, 2)), 499: rng.uniform(10, 90, (68, 2)), 3: np.zeros((68, 2))}
    (tmp_path / "landmarks").mkdir()
    for name, frames in (("a", 500), ("b", 4000), ("short", 499)):
        (tmp_path / f"landmarks/{name}.txt").write_text(menpo_text(frames, points if name == "a" else {}))
    clips = find_clips(CorpusSettings("twomf2", str(tmp_path), val_fraction=0.25))
    assert {clip.identity for clip in clips} == {"a", "b", "frames", "untracked"}  # 499 frames are too few
    assert [clip.split for clip in clips].count("val") == 1
    assert all(clip.min_frames == 500 for clip in clips)
    by_name = {clip.identity: clip for clip in clips}
    assert by_name["untracked"].annotation is None
    landmarks = by_name["a"].annotation.read()
    assert landmarks.shape == (500, 68, 2)
    np.testing.assert_allclose(landmarks[499], points[499], rtol=1e-5)  # (y, x) in the file, (x, y) here
    assert np.flatnonzero(np.isfinite(landmarks).all((1, 2))).tolist() == [0, 499]  # zeros mean no face


def test_twomf2_with_identities(tmp_path):
    touch(tmp_path, "clips/a.mp4", "clips/b.mp4")
    (tmp_path / "identities.csv").write_text("file,identity,split\nclips/a.mp4,ann,train\nclips/b.mp4,bob,val\n")
    clips = find_clips(CorpusSettings("twomf2", str(tmp_path)))
    assert [(clip.identity, clip.split, clip.min_frames) for clip in clips] == [
        ("ann", "train", 500),
        ("bob", "val", 500),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected n_frames"),
        ("frame:1\t n_frames:3\t n_landmarks:66\n", "66 points a frame, 68 are wanted"),
        ("frame:1\t n_frames:3\t n_landmarks:68\n0::\t1, 2\n", "line 2: expected <frame>::"),
        ("frame:1\t n_frames:3\t n_landmarks:68\n7::\t" + "1," * 136, "line 2: frame 7 of 3"),
    ],
)
def test_a_broken_landmark_text_is_named(tmp_path, text, message):
    from facedeblur.faces.annotation import Annotation
    from facedeblur.video.source import VideoError

    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(VideoError, match=f"a.txt: .*{message}"):
        Annotation(str(tmp_path / "a.txt")).read()


def test_lrw(tmp_path):
    for word in ("ABOUT", "YOUNG"):
        for split, count in (("train", 15), ("val", 2), ("test", 2)):
            touch(tmp_path, *(f"lipread_mp4/{word}/{split}/{word}_{n:05}.mp4" for n in range(1, count + 1)))
            touch(tmp_path, f"lipread_mp4/{word}/{split}/{word}_00001.txt")
    clips = find_clips(CorpusSettings("lrw", str(tmp_path)))
    train = [clip for clip in clips if clip.split == "train"]
    # every 10th of all words together
    assert [clip.identity for clip in train] == ["train/ABOUT_00001", "train/ABOUT_00011", "train/YOUNG_00006"]
    assert [clip.identity for clip in clips if clip.split == "val"] == ["val/ABOUT_00001"]
    assert len(find_clips(CorpusSettings("lrw", str(tmp_path / "lipread_mp4"), every=1))) == 38


def vw300_folder(root, numbers):
    for number in numbers:
        folder = root / "300VW_Dataset_2015_12_14" / number
        touch(folder, "vid.avi")
        for frame in (1, 2, 3):
            (folder / "annot").mkdir(exist_ok=True)
            write_pts(folder / f"annot/{frame:06}.pts", np.full((68, 2), 10.0 * frame) + np.arange(136).reshape(68, 2))


def test_vw300_split_is_the_official_one():
    train, test = vw300.TRAIN.split(), {c: numbers.split() for c, numbers in vw300.TEST.items()}
    assert len(train) == 50
    assert {c: len(numbers) for c, numbers in test.items()} == {"1": 31, "2": 19, "3": 14}
    assert len({*train, *test["1"], *test["2"], *test["3"]}) == 114


def test_vw300(tmp_path, caplog):
    vw300_folder(tmp_path, ["001", "002", "203", "114", "562"])
    touch(tmp_path, "300VW_Dataset_2015_12_14/999/vid.avi")  # none of the dataset's
    (tmp_path / "wrong.csv").write_text("clip,frame\n114,2\n")
    caplog.set_level(logging.WARNING)
    settings = CorpusSettings("vw300", str(tmp_path), unreliable=str(tmp_path / "wrong.csv"))
    clips = {clip.identity: clip for clip in find_clips(settings)}
    assert {name: (clip.split, clip.category) for name, clip in clips.items()} | {"001": 0, "002": 0} == {
        "001": 0, "002": 0, "203": ("test", "2"), "114": ("test", "1"), "562": ("test", "3"),
    }  # fmt: skip
    assert sorted(clips[name].split for name in ("001", "002")) == ["train", "val"]
    assert "109 of 114 videos are not there: 003" in caplog.text
    sound, doubtful = clips["203"].annotation, clips["114"].annotation
    np.testing.assert_allclose(sound.read(3)[1], np.full((68, 2), 20.0) + np.arange(136).reshape(68, 2), atol=1e-3)
    assert np.isnan(doubtful.read(3)[1]).all() and np.isfinite(doubtful.read(3)[[0, 2]]).all()
    assert sound.fingerprint() != doubtful.fingerprint()
    assert np.isnan(sound.read(4)[3]).all()  # a frame more than the annotation has


def test_vw300_unreliable_frames_from_matlab(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "114.mat", {"error": np.array([[3, 17]])})
    assert vw300.read_unreliable(tmp_path) == {"114": (2, 16)}


def test_ytf(tmp_path):
    for name in ("Ann_A/0", "Ann_A/3", "Bob_B/1", "Cid_C/2"):
        video = name.split("/")[1]
        touch(tmp_path, *(f"frame_images_DB/{name}/{video}.{frame}.jpg" for frame in (99, 100)))
    touch(tmp_path, "frame_images_DB/Ann_A.labeled_faces.txt")
    lines = ["split number, pair number, first, second, is same", "1, 1, Ann_A/0, Ann_A/3, 1", "10, 1, Bob_B/1, X/2, 0"]
    (tmp_path / "splits.txt").write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    clips = find_clips(CorpusSettings("ytf", str(tmp_path)))
    assert [(clip.identity, clip.split, clip.category) for clip in clips] == [
        ("Ann_A", "train", "1"), ("Ann_A", "train", "1"), ("Cid_C", "train", ""), ("Bob_B", "val", "10"),
    ]  # fmt: skip
    pairs = read_pairs(tmp_path / "splits.txt")
    assert [(pair.fold, pair.first, pair.second, pair.same) for pair in pairs] == [
        ("1", "Ann_A/0", "Ann_A/3", True), ("10", "Bob_B/1", "X/2", False),
    ]  # fmt: skip


def whole_corpus(root, kind):
    """One clip or more of every kind, in folders that hold nobody else."""
    name = root.name
    if kind == "twomf2":
        touch(root, f"clips/{name}1.mp4", f"clips/{name}2.mp4")
    elif kind == "lrw":
        touch(root, *(f"lipread_mp4/A/{split}/{name}_00001.mp4" for split in ("train", "val")))
    elif kind == "vw300":
        vw300_folder(root, {"mine": ["001", "002", "114"], "other": ["003", "203"]}[name])
    elif kind == "ytf":
        touch(root, *(f"frame_images_DB/{name}_{n}/0/0.1.jpg" for n in range(3)))
        (root / "splits.txt").write_text(f"10, 1, {name}_0/0, {name}_1/0, 0\n")
    else:
        face = base64.b64encode(b"jpeg" * 3).decode()
        (root / "a.tsv").write_text("".join(f"m.{name}{n}\t0\tu\tp\tf\tr\t{face}\n" for n in range(9)))


@pytest.mark.parametrize("kind", ["twomf2", "lrw", "vw300", "ytf", "ms_celeb"])
def test_another_folder_is_held_out(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("facedeblur.data.corpora.ms_celeb.has_dlib", lambda: True)
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
        whole_corpus(tmp_path / name, kind)
    mine, other, cache = (str(tmp_path / name) for name in ("mine", "other", "cache"))

    def stills(root, split, **more):
        """Clips of a folder, or photos of an album, that are in one split."""
        found = [c for c in find_clips(CorpusSettings(kind, str(root), cache=cache, **more)) if c.split == split]
        if kind != "ms_celeb":
            return [clip.path for clip in found]
        return [still.image for clip in found for still in read_album(clip.path)]

    everything = {root: sum((stills(root, s) for s in ("train", "val", "test")), []) for root in (mine, other)}
    assert sorted(stills(mine, "val", val_root=other)) == sorted(everything[other])
    tests = stills(mine, "test")
    trained = [path for path in everything[mine] if path not in tests]
    assert sorted(stills(mine, "train", val_root=other)) == sorted(trained)
    assert stills(mine, "test", val_root=other) == tests
    with pytest.raises(CorpusError, match="nowhere: no such folder"):
        stills(mine, "val", val_root=str(tmp_path / "nowhere"))
    if kind != "ms_celeb":
        with pytest.raises(CorpusError, match="is in training and in validation"):
            stills(mine, "val", val_root=mine)


def test_a_list_of_clips_says_itself_who_is_held_out(tmp_path):
    touch(tmp_path, "a/1.mp4")
    (tmp_path / "who.csv").write_text("file,identity\na/1.mp4,ann\n")
    settings = CorpusSettings("clips", str(tmp_path), identities=str(tmp_path / "who.csv"), val_root=str(tmp_path))
    with pytest.raises(CorpusError, match="val_root: not with .*who.csv"):
        find_clips(settings)


def test_clips_without_identities(tmp_path):
    touch(tmp_path, *(f"{n}.mp4" for n in range(20)), "deep/er/x.mkv", ".hidden/y.mp4")
    with pytest.raises(CorpusError, match="no videos; expected <identity>/.*identities=none"):
        find_clips(CorpusSettings("clips", str(tmp_path / "deep/er")))
    clips = find_clips(CorpusSettings("clips", str(tmp_path), identities="none"))
    assert len({clip.identity for clip in clips}) == len(clips) == 21
    assert sum(clip.split == "val" for clip in clips) == 2


def test_clips_with_a_csv(tmp_path):
    touch(tmp_path, "a/1.mp4", "2.mp4", "3.mp4", "unlisted.mp4")
    who = tmp_path / "who.csv"
    who.write_text("identity, file\nann, a/1.mp4\nann, 2.mp4\nbob, 3.mp4\n")
    clips = find_clips(CorpusSettings("clips", str(tmp_path), identities=str(who)))
    assert sorted((clip.identity, clip.path.rsplit("/", 1)[1]) for clip in clips) == [
        ("ann", "1.mp4"), ("ann", "2.mp4"), ("bob", "3.mp4"),
    ]  # fmt: skip
    assert {clip.split for clip in clips} == {"train", "val"}
    who.write_text("file,identity,split\n2.mp4,ann,val\n3.mp4,bob,train\n")
    clips = find_clips(CorpusSettings("clips", str(tmp_path), identities=str(who)))
    assert {clip.identity: clip.split for clip in clips} == {"ann": "val", "bob": "train"}
    who.write_text("file,identity\nnowhere.mp4,ann\n")
    with pytest.raises(CorpusError, match="who.csv: line 2: .*nowhere.mp4 does not exist"):
        find_clips(CorpusSettings("clips", str(tmp_path), identities=str(who)))


@pytest.mark.parametrize("kind", ["clips", "twomf2", "lrw", "vw300", "ytf"])
def test_a_wrong_folder_is_told_in_one_line_with_the_layout(tmp_path, kind):
    for root in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(CorpusError, match="expect.*<") as caught:
            find_clips(CorpusSettings(kind, str(root)))
        assert str(root) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "films"}, "kind: one of"),
        ({"every": 0}, "every: must be a whole number of at least 1"),
        ({"root": ""}, "root: must be the folder of"),
    ],
)
def test_settings_name_what_is_wrong(values, message):
    with pytest.raises(ValueError, match=message):
        CorpusSettings(**{"kind": "clips", "root": "x"} | values)
