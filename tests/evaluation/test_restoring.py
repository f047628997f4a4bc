"""A method over images: how many at a time, what it is warmed up with, and what an error costs."""

import numpy as np
import pytest

from facedeblur.evaluation import restoring
from facedeblur.evaluation.restoring import Restorer
from facedeblur.methods import Method

IMAGES = [np.full((8, 8, 3), value, np.uint8) for value in range(20)]


class Recorded:
    """Takes `seconds` an image by a clock of its own, and fails on the image whose pixels are `bad`."""

    def __init__(self, seconds: float = 0.0, bad: int | None = None) -> None:
        self.seconds, self.bad, self.calls, self.now = seconds, bad, [], 0.0

    def __call__(self, images):
        self.calls.append(len(images))
        self.now += self.seconds * len(images)
        if self.bad is not None and bool((images[:, 0, 0, 0] * 255 == self.bad).any()):
            raise RuntimeError("bad image")
        return images


@pytest.fixture
def restore(monkeypatch):
    def run(method, images, **settings):
        monkeypatch.setattr(restoring.time, "perf_counter", lambda: method.now)
        return Restorer(Method("recorded", method), "cpu", **settings)(images)

    return run


def test_one_image_warms_a_method_up(restore):
    method = Recorded(seconds=0.01)
    restored = restore(method, IMAGES, batch=16)
    assert method.calls == [1, 16, 4]
    assert [r.image[0, 0, 0] for r in restored] == list(range(20))
    assert all(r.seconds == pytest.approx(0.01) for r in restored)


def test_a_slow_method_gets_few_images_at_a_time(restore):
    method = Recorded(seconds=2.0)
    restored = restore(method, IMAGES, batch=16)
    assert method.calls == [1, *[2] * 10]  # the first call told how slow it is: no second pass over a full batch
    assert len(restored) == 20 and all(r.seconds == pytest.approx(2.0) for r in restored)


def test_a_bad_image_costs_a_slow_method_a_few_others_at_most(restore, capsys):
    method = Recorded(seconds=2.0, bad=13)
    restored = restore(method, IMAGES, batch=16)
    assert [bool(r.flags) for r in restored] == [n == 13 for n in range(20)]
    assert restored[13].flags == {"error"} and not restored[13].image.any()
    assert sum(method.calls) == 1 + 20 + 2  # the first to warm up, every image once, and one small call again
    assert "recorded: RuntimeError: bad image; the image counts as black" in capsys.readouterr().err
