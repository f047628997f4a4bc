"""`facedeblur.evaluate`: an evaluation for programs, with methods as specs or as functions of images."""

from __future__ import annotations

import copy
import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from facedeblur.data.corpora import CorpusSettings
from facedeblur.data.dataset import default_cache
from facedeblur.data.demo import DemoSettings
from facedeblur.errors import UsageError
from facedeblur.evaluation.command import SUMMARY_COLUMNS, summary, summary_text
from facedeblur.evaluation.own_metrics import OwnMetrics
from facedeblur.evaluation.rows import read_rows
from facedeblur.evaluation.runner import Evaluation
from facedeblur.evaluation.settings import COLUMNS, EvaluationSettings, JudgeSettings, TestData
from facedeblur.methods import ALWAYS, Method, load_methods
from facedeblur.models.devices import torch_device

Metric = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Spec = str | Path | Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Scores:
    """What an evaluation found. `print` it for a table; `facedeblur.make_report(scores.folder)` makes the page.

    Attributes:
        folder: holds rows/, images/ and protocol.json.
        rows: one per method and image, as a pyarrow table; its columns are described in docs/evaluation.md.
    """

    folder: Path
    rows: pa.Table

    def means(self) -> dict[tuple[str, str], dict[str, float]]:
        """(blur, method) -> images, auc, failure_rate, psnr, ssim, cosine, seconds, flagged, metrics of your own."""
        return summary(self.rows)

    def __str__(self) -> str:
        return summary_text(self.rows)


def evaluate(
    methods: Sequence[Spec] | Mapping[str, Spec],
    data: str | Path,
    blurs: str | Sequence[str],
    *,
    name: str | None = None,
    output: str | Path = "outputs",
    images: int | None = None,
    size: int | None = None,
    layout: str = "clips",
    split: str = "auto",
    judge: Mapping[str, Any] | None = None,
    front_door: bool = False,
    metrics: Mapping[str, str | Metric] | None = None,
    save: bool = False,
    device: str = "auto",
    jobs: int | str = "auto",
    cache: str | Path | None = None,
    **selection: Any,
) -> Scores:
    """Runs an evaluation; see `facedeblur.evaluate` for methods, data and blurs.

    Args:
        name, output: rows go to `<output>/evaluation/<name>`, by default named after the data; a later call adds to
            them.
        images: at most so many windows per blur.
        size: side of the images in pixels; None: that of the trained methods, else 128.
        layout: how the folder is laid out; split: which of its clips.
        judge: fields of `JudgeSettings`, such as {"embedder": "none"}.
        metrics: name -> one of your own, a function of images and sharp ones, (B, 3, H, W) in [0, 1], that gives B
            values, or a target such as "mine.py:error": a column of the rows and tables.
        front_door: every method also as `facedeblur.load()(frame)` applies it to whole frames.
        save: keep the restored images, which galleries of a report show.
        device: where methods run; jobs: judging processes, 0 judges here.
        cache: folder of indexes, tracks and plans.
        **selection: further fields of `CorpusSettings`, or for "demo" of `DemoSettings`.

    Raises:
        UsageError: whatever of this is not there, in one line.
    """
    cache = str(cache or default_cache())
    demo = str(data) == "demo"
    label = "demo" if demo else Path(data).expanduser().resolve().name
    if not demo:  # no person is held out by chance: a test set is all of a folder, or what its layout says
        selection = {"val_fraction": 0.0} | selection
    corpus = None if demo else CorpusSettings(layout, str(Path(data).expanduser()), label, cache, **selection)
    settings = EvaluationSettings(
        name=name or label,
        output=str(output),
        methods=(),
        blurs=(blurs,) if isinstance(blurs, str) else tuple(blurs),
        data=TestData(label, cache, corpus, DemoSettings(**selection) if demo else DemoSettings(), split),
        judge=JudgeSettings(**(judge or {})),
        size=size,
        images=images,
        front_door=front_door,
        save=save,
        device=device,
        jobs=jobs,
    )
    own = OwnMetrics.of_program(metrics or {}, COLUMNS, _fingerprint)
    evaluation = Evaluation(settings, _methods(methods, device), own)
    evaluation.run()
    return Scores(settings.folder, read_rows(settings.folder, [*SUMMARY_COLUMNS, "video", "frame", "identity", "L"]))


def _methods(methods: Sequence[Spec] | Mapping[str, Spec], device: str) -> list[Method]:
    """The methods, "blurred" and "oracle" first. Raises UsageError for two of one name."""
    if isinstance(methods, (str, Path)) or callable(methods):
        methods = [methods]
    labelled = methods.items() if isinstance(methods, Mapping) else ((None, method) for method in methods)
    found: list[Method] = load_methods([], torch_device(device))
    for label, method in labelled:
        if isinstance(method, (str, Path)):
            spec = f"{label}={method}" if label else str(method)
            found += load_methods([spec], torch_device(device))[len(ALWAYS) :]
        elif callable(method):
            found.append(_of_function(method, label, torch_device(device)))
        else:
            raise UsageError(f"method: must be a name, a path or a function of images, got {type(method).__name__}")
    names = [method.name for method in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"method: {twice} is there twice; give the methods as a mapping, label -> method")
    return found


def _of_function(method: Callable, label: str | None, device: str | torch.device) -> Method:
    """A module is evaluated as a copy, on the device and in evaluation mode: it may be one in training."""
    kind = method if inspect.isroutine(method) or inspect.isclass(method) else type(method)
    name = label or str(getattr(method, "name", kind.__name__))
    source = {"kind": "object", "class": f"{kind.__module__}.{kind.__qualname__}", "fingerprint": _fingerprint(method)}
    size = getattr(method, "image_size", None)
    if isinstance(method, torch.nn.Module):
        method = copy.deepcopy(method).to(device).eval()
    return Method(name, method, source, size)


def _fingerprint(method: Callable) -> str:
    """Another one where the code or the weights are others; of what can be seen of an object."""
    seen = hashlib.sha256()
    kind = method if inspect.isroutine(method) else type(method)
    try:
        seen.update(inspect.getsource(kind).encode())
    except (OSError, TypeError):  # typed at a prompt, or written in C
        seen.update(kind.__qualname__.encode())
    if isinstance(method, torch.nn.Module):
        for name, value in method.state_dict().items():
            seen.update(name.encode() + value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return seen.hexdigest()[:16]
