"""The page of a sweep, section by section."""

from __future__ import annotations

import json
import time
from collections import Counter

from facedeblur.progress import clock
from facedeblur.report import html
from facedeblur.report.html import Html
from facedeblur.report.sweep import figures
from facedeblur.report.sweep.compare import ranking, reference_of
from facedeblur.report.sweep.configs import flat, varied, varied_numbers
from facedeblur.report.sweep.faces import read_faces
from facedeblur.report.sweep.overview import overview
from facedeblur.report.sweep.read import STATES, Run, Sweep
from facedeblur.report.sweep.tables import cost_table, matrix_table, schedules_of, variant_table
from facedeblur.report.table import Column, Table, label

CURVES = ("val/psnr", "val/ssim", "train/g_content_image", "train/g_reconstruction")
KINDS = {"done": "good", "running": "busy", "failed": "bad", "dead": "bad", "interrupted": "busy"}


def sweep_page(sweep: Sweep, refresh: int = 0) -> str:
    """The whole document; with `refresh` it loads itself again after so many seconds."""
    sections = [
        overview(sweep),
        jobs(sweep),
        variants(sweep),
        blur_matrix(sweep),
        curves(sweep),
        faces(sweep),
        differences(sweep),
        cost(sweep),
        failures(sweep),
    ]
    written = time.strftime("%Y-%m-%d %H:%M:%S")
    return html.page(
        f"Sweep {sweep.name}",
        *(section for section in sections if section),
        html.element("script", Html(html.static("sweep.js"))),
        subtitle=f"{len(sweep.variants)} variants, {len(sweep.runs)} runs; {_counts(sweep)}. Written {written}.",
        footer="Made by facedeblur from the files in the run folders alone.",
        refresh=refresh,
    )


def _counts(sweep: Sweep) -> str:
    counts = Counter(run.state for run in sweep.runs)
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])


def jobs(sweep: Sweep) -> Html:
    """Every job, whatever became of it."""
    columns = ("run", "state", "step", "device", "started", "took", "folder")
    rows = []
    for run in sweep.runs:
        started = time.strftime("%m-%d %H:%M", time.localtime(run.started)) if run.started else ""
        end = run.ended if run.state != "running" else time.time()
        took = clock(end - run.started) if run.started and end and end >= run.started else ""
        state = html.badge(run.state, KINDS.get(run.state, ""))
        place = str(run.folder.relative_to(sweep.folder))
        step = "" if run.step is None else str(run.step)
        rows.append((run.name, state, step, run.device, started, took, place))
    cells = tuple(tuple(label(cell) for cell in row) for row in rows)
    return html.section("Jobs", html.table(Table(tuple(Column(c, numeric=False) for c in columns), cells), True))


def variants(sweep: Sweep) -> Html:
    """The ablation table, and for sweeps over numbers the score over them."""
    plot, caption = figures.over_numbers(sweep, varied_numbers(sweep))
    figure = html.figure(html.image(plot, "scores over what the sweep varies"), caption) if plot else None
    return html.section("Variants", html.table(variant_table(sweep)), figure)


def main_figure(sweep: Sweep) -> str | None:
    """The one plot that sums the sweep up, as a data URI: blurs, numbers, or the seeds of every variant."""
    if trained_on_several(sweep):
        return figures.blur_gains(sweep)
    return figures.over_numbers(sweep, varied_numbers(sweep))[0] or figures.seed_dots(sweep)


def trained_on_several(sweep: Sweep) -> bool:
    """Whether finished runs were trained on different blurs and tested on several."""
    trained = {repr((run.config.get("blur") or {}).get("schedules")) for run in sweep.runs if run.config}
    return len(trained) > 1 and len(schedules_of(sweep)) > 1 and reference_of(sweep) is not None


def blur_matrix(sweep: Sweep) -> Html | None:
    """Trained as against tested on, where runs were tested on several blurs and trained on different ones."""
    if not trained_on_several(sweep):
        return None
    gains = figures.blur_gains(sweep)
    caption = (
        "PSNR in dB gained over the blurred image, mean and standard deviation over seeds; negative is a loss. "
        "Bold: the best of the column; a star where it differs from the runner-up."
    )
    return html.section(
        "Blurs",
        html.table(matrix_table(sweep)),
        html.table(matrix_table(sweep, "ssim")),
        html.figure(html.image(gains, "gain by blur"), caption),
    )


def curves(sweep: Sweep) -> Html | None:
    """Curves overlaid by variant."""
    plots = [(metric, figures.curves(sweep, metric)) for metric in CURVES]
    shown = [html.figure(html.image(source, figures.TITLES[metric])) for metric, source in plots if source]
    lead = "Lines are means over seeds, bands reach from the lowest seed to the highest."
    return html.section("Curves", html.columns(*shown), lead=lead) if shown else None


def faces(sweep: Sweep) -> Html | None:
    """Two variants, or the blurred or sharp image, behind one divider; all variants below for the same face."""
    found = read_faces(sweep)
    if not found:
        return None
    names = ["blurred", *found[0].restored, "sharp"]
    pictures = [{"blurred": face.blurred, "sharp": face.sharp, **face.restored} for face in found]
    best = next((run.name for v in ranking(sweep) for run in sweep.of(v) if run.name in names), names[1])
    choose = html.element(
        "p",
        *("left ", _select("left", names, "blurred"), " right ", _select("right", names, best)),
        class_="choose",
    )
    sliders = [
        html.slider(face["blurred"], face[best], ("blurred", best), f"validation face {i + 1}")
        for i, face in enumerate(pictures)
        if best in face
    ]
    strips = [
        html.element(
            "div",
            *(html.figure(html.image(face[name], f"face {i + 1}: {name}"), name) for name in names if name in face),
            class_="strip",
        )
        for i, face in enumerate(pictures)
    ]
    return html.section(
        "Faces",
        choose,
        html.columns(*sliders, narrow=True),
        html.details("Every variant, face by face", *strips),
        _data("faces", pictures),
        lead="The fixed validation faces, strongest blur first. Drag the divider; choose what lies on its two sides.",
    )


def differences(sweep: Sweep) -> Html | None:
    """What varies in the sweep, and how any two runs' configurations differ."""
    runs = [run for run in sweep.runs if run.config]
    if not runs:
        return None
    keys = varied(sweep)
    by_variant = [variant for variant in sweep.variants if any(variant in by for by in keys.values())]
    columns = (Column("key", numeric=False), *(Column(variant, numeric=False) for variant in by_variant))
    rows = tuple((label(key), *(label(_shown(by.get(v))) for v in by_variant)) for key, by in keys.items())
    names = [run.name for run in runs]
    two = html.element(
        "p",
        *(_select("first", names, names[0]), " against ", _select("second", names, names[-1])),
        class_="choose",
    )
    configs = {run.name: {key: _shown(value) for key, value in flat(run.config).items()} for run in runs}
    return html.section(
        "Configurations",
        html.table(Table(columns, rows, "What differs between variants")) if rows else None,
        html.subheading("Any two runs"),
        two,
        html.element("div", id="difference"),
        _data("configs", configs),
    )


def cost(sweep: Sweep) -> Html | None:
    """Wall time, speed and memory."""
    return html.section("Cost", html.table(cost_table(sweep))) if any(run.cost for run in sweep.runs) else None


def failures(sweep: Sweep) -> Html | None:
    """Why runs did not end well, with traceback and the end of the log."""
    bad = [run for run in sweep.runs if run.state in ("failed", "dead", "interrupted")]
    return html.section("Failures", *map(_failure, bad)) if bad else None


def _failure(run: Run) -> Html:
    why = run.reason or ("its process is gone" if run.state == "dead" else "no reason was written down")
    return html.join(
        (
            html.callout(html.join((html.element("b", run.name), f", {run.state}: {why}")), "failure"),
            html.details("Traceback", html.code(run.traceback), open=True) if run.traceback else None,
            html.details("End of its job.log", html.code(run.log)) if run.log else None,
        )
    )


def _select(name: str, options: list[str], chosen: str) -> Html:
    written = (html.element("option", option, selected=option == chosen) for option in options)
    return html.element("select", *written, id=f"choose-{name}", aria_label=name)


def _shown(value: object) -> str:
    return json.dumps(value)


def _data(name: str, value: object) -> Html:
    """JSON for the page's script; `<` is escaped, so that no text ends the element."""
    return html.element(
        "script", Html(json.dumps(value).replace("<", "\\u003c")), type="application/json", id=f"data-{name}"
    )
