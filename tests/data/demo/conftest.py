"""A tiny demo corpus, rendered once for all tests, and one person to pose."""

from __future__ import annotations

import pytest

from facedeblur.data.demo import DemoSettings, render_demo
from facedeblur.data.demo.identity import draw_identities
from facedeblur.data.demo.scene import Person


@pytest.fixture(scope="session")
def tiny_settings():
    return DemoSettings.tiny()


@pytest.fixture(scope="session")
def tiny_corpus(tiny_settings, tmp_path_factory):
    return render_demo(tmp_path_factory.mktemp("demo"), tiny_settings)


@pytest.fixture(scope="session")
def person():
    return Person(draw_identities(3, seed=0)[2])
