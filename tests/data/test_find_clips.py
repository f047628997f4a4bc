"""The clips of a configuration."""

from __future__ import annotations

from facedeblur.data.corpora import CorpusSettings
from facedeblur.data.demo import DemoSettings
from facedeblur.data.find_clips import clips_of


def test_all_corpora_one_after_the_other_and_the_demo_without_any(tmp_path, monkeypatch):
    for corpus, people in (("a", ("ann", "bob")), ("b", ("cat", "dan"))):
        for person in people:
            file = tmp_path / corpus / person / "1.mp4"
            file.parent.mkdir(parents=True)
            file.touch()
    sources = [CorpusSettings("clips", str(tmp_path / name), name) for name in "ba"]
    found = clips_of(sources, "unused", tmp_path, DemoSettings(), 1)
    assert [clip.corpus for clip in found] == ["b", "b", "a", "a"]
    monkeypatch.setattr("facedeblur.data.find_clips.render_demo", lambda *given, **named: tmp_path / "a")
    assert {clip.corpus for clip in clips_of((), "demo", tmp_path, DemoSettings(), 1)} == {"demo"}
