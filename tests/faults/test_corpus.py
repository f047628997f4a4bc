"""One corpus of everything that can be wrong with a file: each is used correctly, or skipped once with its reason."""

from __future__ import annotations

import numpy as np
import pytest

from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import Clip, discover
from facedeblur.data.pairs.pair import describe, read_pair
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.settings import LoaderSettings
from facedeblur.faces.annotation import SLACK, Annotation
from facedeblur.faces.pts import write_pts
from facedeblur.video.index import index_videos
from facedeblur.video.open import open_source

from .files import BROKEN, FRAMES, NAMES, ODD, REASONS, annotate, build, build_names, encode, film, landmarks, truncated

SCHEDULES = (named_schedule("pravg7"), named_schedule("trajectory"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """(folder, plan, report) of the whole corpus, prepared once."""
    folder = tmp_path_factory.mktemp("corpus")
    build(folder, BROKEN | ODD)
    build_names(folder, folder / "plain" / "plain.mp4")
    for suffix in ("mp4", "mkv"):
        for tenths in range(1, 10):
            path = folder / f"truncated-{suffix}-{tenths}" / f"t.{suffix}"
            path.parent.mkdir()
            truncated(path, tenths)
    (folder / "around").symlink_to(folder, target_is_directory=True)
    clips = discover(folder, val_fraction=0.0)
    plan, report = prepare_plan(clips, SCHEDULES, folder / ".cache", jobs=2)
    return folder, plan, report


def facts_of(corpus, path):
    (facts,) = [facts for facts in corpus[2].clips if facts.path == str(path)]
    return facts


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_skipped_with_its_reason(corpus, name):
    path = corpus[0] / name.split(".")[0] / name
    facts = facts_of(corpus, path)
    assert facts.reason.startswith(REASONS[name]) and facts.windows == 0
    assert [reason for skipped, reason in corpus[2].skipped if skipped == str(path)] == [facts.reason]
    assert sum(str(path) in line for line in corpus[2].lines()) == 1


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_used(corpus, name):
    facts = facts_of(corpus, corpus[0] / name.split(".")[0] / name)
    frames = {"4k.mp4": 9, "two.mp4": 2}.get(name, FRAMES)
    assert facts.reason is None and facts.frames == frames == facts.faces


@pytest.mark.parametrize("name", [n for n in ODD if n not in ("two.mp4", "one-per-second.mp4", "4k.mp4", "cut.mp4")])
def test_pairs_of_odd_files_show_what_the_film_shows(corpus, name):
    """Against the frames that went into the file: right place, right way up, right colours."""
    folder, plan, _ = corpus
    path = folder / name.split(".")[0] / name
    rows = np.flatnonzero((plan.column("video") == str(path)) & (plan.column("schedule") == "pravg7"))
    assert len(rows) >= 2
    width, height = (129, 97) if name == "odd-size.mp4" else (128, 96)
    frames = np.stack(film(width=width, height=height)).astype(np.float32)
    if name == "grey.mp4":
        frames = np.repeat((frames @ np.float32([0.299, 0.587, 0.114]))[..., None], 3, axis=3)
    for row in rows.tolist():
        window = plan[row]
        x, y, side = window.crop
        assert x >= 0 and y >= 0 and x + side <= 129 and y + side <= 97, "the crop leaves the frame: test it elsewhere"
        pair = read_pair(describe(window, row, side, {}))
        start, target = window.window.start, window.window.start + 3
        view = (slice(y, y + side), slice(x, x + side))
        assert np.abs(pair.sharp - frames[target][view]).mean() < 6
        assert np.abs(pair.blurry - frames[start : start + 7].mean(axis=0)[view]).mean() < 6
        assert np.abs(pair.sharp - frames[(target + 6) % FRAMES][view]).mean() > 6, "the film does not move"


def test_of_two_frames_each_serves_alone(corpus):
    folder, plan, _ = corpus
    schedules = plan.column("schedule")[plan.column("video") == str(folder / "two" / "two.mp4")]
    assert schedules.tolist() == ["trajectory"]


def test_slow_video_is_not_averaged_but_its_frames_are_used(corpus):
    folder, plan, report = corpus
    schedules = plan.column("schedule")[plan.column("video") == str(folder / "one-per-second" / "one-per-second.mp4")]
    assert set(schedules) == {"trajectory"}
    assert report.rejects["pravg7"]["slow: below 10 frames per second"] == 1


@pytest.mark.parametrize(("name", "border"), [("cut.mp4", FRAMES // 2), ("variable-rate.mkv", 10)])
def test_no_window_spans_a_cut_or_a_leap_in_time(corpus, name, border):
    folder, plan, _ = corpus
    rows = plan.column("video") == str(folder / name.split(".")[0] / name)
    start, length = plan.column("start")[rows], plan.column("length")[rows]
    assert rows.any() and not ((start < border) & (start + length > border)).any()


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("tenths", range(1, 10))
def test_of_a_truncated_file_the_intact_frames_are_used(corpus, suffix, tenths):
    path = corpus[0] / f"truncated-{suffix}-{tenths}" / f"t.{suffix}"
    facts = facts_of(corpus, path)
    assert 0 <= facts.frames < FRAMES
    if tenths >= 6:
        assert facts.frames > 3
    if facts.frames < 2:
        assert facts.reason
        return
    with open_source(path, facts.backend) as source:
        frames = list(source.frames(0, facts.frames))
    assert len(frames) == facts.frames
    for found, true in zip(frames[:-1], film(), strict=False):
        assert np.abs(found.astype(int) - true).mean() < 8


@pytest.mark.parametrize("name", NAMES)
def test_any_name_will_do(corpus, name):
    folder, plan, report = corpus
    path = folder / name.removesuffix(".mp4") / name
    assert facts_of(corpus, path).windows == facts_of(corpus, folder / "plain" / "plain.mp4").windows > 0
    assert (plan.column("video") == str(path)).any()


def test_no_name_has_been_run(corpus):
    import pathlib

    for place in (corpus[0], pathlib.Path.cwd()):
        assert not list(place.rglob("owned*"))


def test_a_loop_of_folders_is_walked_once(corpus):
    assert not any("around" in facts.path for facts in corpus[2].clips)


def test_every_line_of_the_report_is_one_line(corpus):
    assert all(line.isprintable() for line in corpus[2].lines())


def test_the_stream_reads_every_window_of_the_plan(corpus):
    count = 0
    for batch in PairStream(corpus[1], LoaderSettings(size=32, batch=16, workers=0)):
        assert not any(batch["replaced"])
        count += len(batch["meta"])
    assert count == len(corpus[1])


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "caf\udce9.mp4"
    encode(tmp_path / "ok.mp4", film(3)).rename(path)
    (info,) = index_videos([path], tmp_path / "cache")
    assert info.error == "its name is not UTF-8; rename it"


@pytest.mark.parametrize(("suffix", "form"), [("mp4", "npz"), ("mkv", "txt"), ("mp4", "pts")])
def test_a_truncated_file_keeps_the_annotation_of_its_intact_frames(tmp_path, suffix, form):
    path, points = tmp_path / f"t.{suffix}", landmarks()
    truncated(path, 6)
    (info,) = index_videos([path], tmp_path / "cache")
    assert 7 <= info.frames < FRAMES - SLACK
    annotation = tmp_path / ("annot" if form == "pts" else f"t.{form}")
    if form == "npz":
        annotate(path, points)
    elif form == "txt":
        rows = (f"{i}::\t" + ", ".join(map(str, shape[:, ::-1].ravel())) for i, shape in enumerate(points))
        annotation.write_text("\n".join([f"frame:1\tn_frames:{FRAMES}\tn_landmarks:68", *rows]))
    else:
        for number, shape in enumerate(points, start=1):
            write_pts(annotation / f"{number:06}.pts", shape)
    clip = Clip(str(path), "clips", "who", "train", annotation=Annotation(str(annotation)))
    plan, report = prepare_plan([clip], SCHEDULES[:1], tmp_path / "cache")
    assert not report.skipped and (report.clips[0].frames, report.clips[0].faces) == (info.frames, info.frames)
    assert plan.column("start").tolist() == list(range(0, info.frames - 6, 7))
    np.testing.assert_allclose(plan.landmarks[0], points[3], atol=1e-3)


def test_an_annotation_of_another_video_is_refused(tmp_path):
    path = encode(tmp_path / "who" / "a.mp4", film())
    annotate(path, landmarks(FRAMES + 50))
    other = encode(tmp_path / "who" / "b.mp4", film())
    annotate(other, landmarks())
    _, report = prepare_plan(discover(tmp_path, val_fraction=0.0), SCHEDULES, tmp_path / ".cache")
    assert [why for _, why in report.skipped] == [f"{path.with_suffix('.npz')}: annotation has 74 frames, the video 24"]
