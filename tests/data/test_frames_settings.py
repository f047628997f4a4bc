"""Settings of stored frames and of a mixture whose rows have their own blur, and what becomes of them."""

from __future__ import annotations

import dataclasses

import pytest

from facedeblur.data.make_corpus import Corpus, frame_store, mixture_rows
from facedeblur.settings import SettingsError
from facedeblur.training.settings import run_settings


def test_the_stream_is_the_default(compose):
    settings = run_settings(compose())
    assert (settings.data.frames, settings.hourglass.data.frames) == ("stream", "stream")


def test_the_first_stage_keeps_its_faces_too(compose):
    assert run_settings(compose("data.frames=disk")).hourglass.data.frames == "disk"


@pytest.mark.parametrize(
    "override, told",
    [
        ("data.frames=ram", "data.frames: must be one of stream, memory, disk"),
        ("data.frames_limit=-1", "data.frames_limit"),
        ("data.frames_margin=1.0", "data.frames_margin"),
        ("data.turn=60", "data.turn"),
        ("data.turn=5", "data.turn: needs stored frames"),
        ("data.redraw=true", "data.redraw: needs stored frames"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(compose, override, told):
    with pytest.raises(SettingsError) as error:
        compose(override)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_what_a_device_does_not_make_is_refused(compose, tmp_path):
    """It would be left out, or fail when training has begun."""
    (code := tmp_path / "my.py").write_text("def haze(sharp, seed, landmarks):\n    return sharp\n")
    augmented = (f"data.augmentation={code}:haze",)
    blurred = (f"+blur.plugins.mine={code}:haze", "+blur.schedules.mine=1")
    reasons = "data.augmentation: not with frames=device", "device has no blur of your own .mine.; memory or disk"
    for words, told in zip((augmented, blurred), reasons, strict=True):
        run_settings(compose(*words, "data.frames=memory"))
        with pytest.raises(SettingsError, match=told):
            run_settings(compose(*words, "data.frames=device"))


def test_finished_pairs_are_not_cached_beside_stored_frames(compose):
    with pytest.raises(SettingsError, match="data.cache_pairs: not beside frames=disk"):
        compose("data.frames=disk", "data.cache_pairs=png")


def test_pairs_of_files_are_not_among_stored_faces(compose):
    words = ("data=pairs", "data.root=.", "blur=given")
    assert run_settings(compose(*words)).blur.val_schedules == ("given",)
    with pytest.raises(SettingsError, match="data.frames: pairs of files are not among stored faces; stream"):
        run_settings(compose(*words, "data.frames=disk"))


def test_every_row_of_a_mixture_may_have_its_own_blur(compose):
    plain = compose(
        "data=mixture",
        "+data.corpora.clips={kind: clips, root: .}",
        "+data.corpora.people={kind: stills, root: .}",
        "data.mixture=[{corpus: clips, weight: 3}, {corpus: people, weight: 1, blur: {motion: 2, sharp: 1}}]",
        "blur=vla_pravg",
    )
    settings = run_settings(plain)
    rows = mixture_rows(settings.data, settings.blur)
    assert [row.corpus for row in rows] == ["clips", "people"]
    assert dict(rows[1].schedules) == {"motion": 2.0, "sharp": 1.0}
    assert dict(rows[0].schedules) == dict(settings.blur.schedules)
    names = [schedule.name for schedule in settings.data.schedules(settings.blur)]
    assert names == [*settings.blur.schedules, "motion", "sharp"]


def test_blur_of_no_row_is_planned_for_none(compose):
    plain = compose("data.mixture=[{corpus: A, weight: 1, blur: {trajectory: 1}}]")
    settings = run_settings(plain)
    assert [schedule.name for schedule in settings.data.schedules(settings.blur)] == ["trajectory"]
    first = settings.hourglass
    assert [schedule.name for schedule in first.data.schedules(first.blur)] == ["camera_shake"]


def test_an_unknown_schedule_of_a_row_is_named(compose):
    with pytest.raises(SettingsError, match="zoom_blur"):
        compose("data.mixture=[{corpus: A, weight: 1, blur: {zoom_blur: 1}}]")


def test_what_needs_stored_frames_is_named_where_these_do_not_fit(compose, stored, monkeypatch, capsys):
    words = ("data.frames=memory", "data.frames_limit=1e-6", "data.redraw=true", "data.drift=0.5")
    data = run_settings(compose(*words)).data
    monkeypatch.setattr("facedeblur.data.make_corpus.find_runs", lambda *given: list(stored.runs))
    corpus = Corpus(stored.plan, stored.plan, (), None, (), {})
    assert frame_store(data, corpus, 16, 1) is None
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.endswith("(stream), without data.redraw, data.drift\n")
    assert frame_store(dataclasses.replace(data, redraw=False, drift=0.0), corpus, 16, 1) is None
    assert capsys.readouterr().err.endswith("(stream)\n")
