"""A method over images: how many at a time, what it is warmed up with, and what an error costs."""

import sys
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from facedeblur.evaluation import restoring
from facedeblur.evaluation.restoring import PooledRestorer, Restorer
from facedeblur.methods import Method

IMAGES = [np.full((8, 8, 3), value, np.uint8) for value in range(20)]


def run_on(call, count=3):
    return Restorer(Method("mine", call), "cpu", batch=16)(IMAGES[-count:])


def test_what_a_method_does_to_its_images_is_not_what_the_next_call_sees():
    """It adds one step of 8 bits in place: the warm-up must not have added one before."""
    restored = run_on(lambda images: images.add_(1 / 255))
    assert [each.image[0, 0, 0] for each in restored] == [18, 19, 20]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda images: (255 * images).to(torch.uint8), "gave torch.uint8 with values from 17 to 17; must be floating"),
        (lambda images: images.numpy(), "gave numpy.ndarray of float32; must be a torch.Tensor"),
        (lambda images: list(images), "gave list; must be a torch.Tensor"),
        (lambda images: None, "gave NoneType; must be a torch.Tensor"),
        (lambda images: images[:, :1], "gave (1, 1, 8, 8) for images (1, 3, 8, 8)"),
        (lambda images: images[..., :0], "gave (1, 3, 8, 0) for images (1, 3, 8, 8)"),
        (lambda images: sys.exit("bye"), "SystemExit: bye"),
    ],
)
def test_what_is_no_batch_of_images_is_told_with_its_type_and_costs_no_row(call, told, capsys):
    restored = run_on(call)
    assert [each.flags for each in restored] == [{"error"}] * 3 and not any(each.image.any() for each in restored)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mine: ") and told in line and "black" in line


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda images: 255 * images, "gave torch.float32 images with values from"),
        (lambda images: 2 * images.double() - 1, "gave torch.float64 images with values from -1 to"),
    ],
)
def test_another_range_is_flagged_and_told(call, told, capsys):
    restored = run_on(call, count=20)
    assert any("range" in each.flags for each in restored) and all(each.usable for each in restored)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and told in lines[0] and "must be in [0, 1]" in lines[0]


def test_overshooting_a_little_is_cut_without_a_word(capsys):
    restored = run_on(lambda images: images * 0 - 0.1)
    assert all(not each.flags and not each.image.any() for each in restored) and not capsys.readouterr().err


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


class FirstCallImports(Recorded):
    """Takes ten seconds more at its first call."""

    def __call__(self, images):
        self.now += 10 if not self.calls else 0
        return super().__call__(images)


@pytest.mark.parametrize("bad", [None, 0, 2])
def test_what_a_slow_method_imports_is_no_images_time(monkeypatch, bad):
    """In the judges' processes, which this one stands in for here; an image that fails costs itself alone."""
    method, images, done = FirstCallImports(seconds=2.0, bad=bad), IMAGES[:4], []
    monkeypatch.setattr(restoring, "load_method", lambda spec: Method(spec, method))
    monkeypatch.setattr(restoring.time, "perf_counter", lambda: method.now)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    loaded = restoring._restorer.__wrapped__("slow")
    monkeypatch.setattr(restoring, "_restorer", lambda spec: loaded)
    pool = Mock(run=lambda function, task: Mock(result=lambda: function(task)))
    restored = PooledRestorer(Method("slow", method, spec="slow"), pool)(images, done.append)
    assert [r.seconds for r in restored] == [None if n == bad else pytest.approx(2.0) for n in range(4)]
    assert [bool(r.flags) for r in restored] == [n == bad for n in range(4)] and done == [1, 2, 3, 4]
