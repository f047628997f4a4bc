"""One `FaceDeblurrer` for several threads: what each gets is what it would get alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from facedeblur.faces.dlib_models import DlibDetector, DlibEmbedder, DlibLocalizer, Lent, has_dlib
from facedeblur.inference.api import FaceDeblurrer

needs_dlib = pytest.mark.skipif(not has_dlib(), reason='needs pip install "facedeblur[faces]"')
THREADS = 4


@pytest.fixture(scope="module")
def pictures():
    """The portrait cut out at other places and sizes, so that no two have their face at the same one."""
    whole = cv2.resize(astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    return [np.ascontiguousarray(whole[top : top + 130, left : left + 140]) for top in (0, 9) for left in (45, 60)]


def in_threads(work, items) -> list:
    """`work` of every item, the first of all threads at the same moment."""
    items, start = list(items), threading.Barrier(THREADS, timeout=60)

    def first(item):
        start.wait()
        return work(item)

    with ThreadPoolExecutor(THREADS) as pool:
        begun = list(pool.map(first, items[:THREADS]))
        return begun + list(pool.map(work, items[THREADS:]))


@needs_dlib
def test_shared_by_threads_it_gives_what_it_gives_alone_from_the_first_use_on(unsharp, pictures):
    alone = FaceDeblurrer(unsharp, 64)
    expected = [alone(picture, always=True) for picture in pictures]
    shared = FaceDeblurrer(unsharp, 64)  # has loaded nothing yet
    done = in_threads(lambda i: shared(pictures[i % len(pictures)], always=True), range(2 * len(pictures)))
    for i, result in enumerate(done):
        assert np.array_equal(result, expected[i % len(pictures)])
    assert len({result.tobytes() for result in done}) == len(pictures)


@needs_dlib
@pytest.mark.parametrize("kind", ["detector", "localizer", "embedder"])
def test_every_native_object_is_safe_by_itself(pictures, kind):
    if kind == "detector":
        work = DlibDetector().detect
    elif kind == "localizer":
        localizer = DlibLocalizer()
        work = lambda picture: localizer.localize(picture, (30, 30, 80, 80))  # noqa: E731
    else:
        embedder, points = DlibEmbedder(), np.linspace((30, 30), (80, 80), 68)
        work = lambda picture: embedder.embed(picture, points)  # noqa: E731
    expected = [np.asarray(work(picture)) for picture in pictures]
    for _ in range(2 if kind != "localizer" else 20):
        for got, alone in zip(in_threads(work, pictures), expected, strict=True):
            assert np.array_equal(np.asarray(got), alone)


def test_objects_are_lent_to_one_thread_at_a_time_and_made_only_while_all_are_in_use():
    lent, together = Lent(object), threading.Barrier(THREADS, timeout=60)

    def borrow(_):
        with lent.one() as own:
            together.wait()  # until every thread has one
            return own

    with ThreadPoolExecutor(THREADS) as pool:
        first = list(pool.map(borrow, range(THREADS)))
    assert len({id(own) for own in first}) == THREADS
    with ThreadPoolExecutor(THREADS) as pool:  # other threads
        assert set(pool.map(borrow, range(THREADS))) == set(first)


def test_what_fails_gives_back_what_it_was_lent():
    lent = Lent(object)
    with pytest.raises(KeyError), lent.one() as own:
        raise KeyError
    with lent.one() as again:
        assert again is own
