"""Galleries: the images on which a method helps most, does as much as usual, and harms most, with landmarks drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facedeblur.metrics.landmarks import LIMIT
from facedeblur.report import html
from facedeblur.report.images import data_uri, enlarged, read_rgb, with_landmarks
from facedeblur.report.rows import BLURRED, ORACLE, Rows
from facedeblur.report.summary import blur_title, common_images, ordered_methods
from facedeblur.report.table import number

KINDS = ("best", "median", "worst")
SIDE = 224


@dataclass(frozen=True)
class Case:
    """One image of the gallery: which kind it is, its key (see `rows.IMAGE_KEY`), and the gain that chose it."""

    kind: str
    key: tuple
    gain: float


def gains(rows: Rows, method: str, blur: str) -> tuple[Rows, np.ndarray, str]:
    """What `method` gained over the blurred input on every image that was kept, and what that is measured by.

    The landmark error's decrease (a failure counts as the limit, 0.08), where there are landmarks; else the cosine's
    increase; else SSIM's.
    """
    mine, blurred = common_images(rows, blur, method, BLURRED)
    kept = np.flatnonzero(mine["image"] != "")
    mine, blurred = mine.select(kept), blurred.select(kept)
    if np.isfinite(mine["landmark_error"]).any():
        before, after = (np.minimum(part["landmark_error"], LIMIT) for part in (blurred, mine))
        return mine, before - after, "landmark error"
    if np.isfinite(mine["identity_cosine"]).any():
        return mine, mine["identity_cosine"] - blurred["identity_cosine"], "cosine to the sharp face"
    return mine, mine["ssim"] - blurred["ssim"], "SSIM"


def choose_cases(rows: Rows, method: str, blur: str, count: int = 2) -> list[Case]:
    """The `count` images of largest gain, around the median, and of smallest gain; no video twice in a kind, if
    there are enough, and no image in two kinds."""
    mine, gain, _ = gains(rows, method, blur)
    kept = np.flatnonzero(~np.isnan(gain))
    order = kept[np.argsort(-gain[kept], kind="stable")]
    keys, videos = mine.image_keys(), mine["video"].tolist()
    middle = sorted(range(len(order)), key=lambda position: abs(position - (len(order) - 1) / 2))
    candidates = {"best": order, "worst": order[::-1], "median": order[middle]}
    chosen: dict[str, list[int]] = {}
    taken: set[int] = set()
    for kind, ordered in candidates.items():
        free = [int(i) for i in ordered if int(i) not in taken]
        fresh = list({videos[i]: i for i in reversed(free)}.values())[::-1]
        picks = sorted(fresh, key=free.index)[:count]
        picks += [i for i in free if i not in picks][: count - len(picks)]
        chosen[kind] = picks
        taken.update(picks)
    return [Case(kind, keys[i], float(gain[i])) for kind in KINDS for i in chosen[kind]]


def gallery(rows: Rows, method: str, blur: str, count: int = 2) -> html.Html | None:
    """The chosen cases as strips: blurred, every method, sharp; None where no images were kept."""
    cases = choose_cases(rows, method, blur, count)
    if not cases:
        return None
    under = rows.where(blur=blur)
    wanted = {case.key for case in cases}
    under = under.select(np.array([i for i, key in enumerate(under.image_keys()) if key in wanted], dtype=np.int64))
    found = dict(zip(zip(under["method"].tolist(), under.image_keys(), strict=True), range(len(under)), strict=True))
    landmarks, truth = under.vectors("landmarks"), under.vectors("truth")
    measured = gains(rows, method, blur)[2]
    blocks = []
    for kind in KINDS:
        strips = []
        for case in (case for case in cases if case.kind == kind):
            tiles = []
            for name in ordered_methods(rows):
                i = found.get((name, case.key))
                path = None if i is None else under.image_path(i)
                if path is None or not path.is_file():
                    continue
                drawn = with_landmarks(read_rgb(path), landmarks[i], truth[i], SIDE)
                tiles.append(
                    html.figure(html.image(data_uri(drawn), f"{name}, {case.key[2]}"), _tile_caption(under, i))
                )
            corpus, _, video, frame, length = case.key
            title = f"{corpus} · {video} · frame {frame}" + (f" · L = {length}" if length > 1 else "")
            strips.append(
                html.element(
                    "div",
                    html.paragraph(f"{title} · {_change(measured, case.gain)}", "title"),
                    html.element("div", *tiles, class_="strip"),
                    class_="case",
                )
            )
        if strips:
            blocks += [html.subheading(f"{kind.capitalize()} for {method}"), *strips]
    return html.join(blocks)


def best_sliders(rows: Rows, method: str, blurs: Sequence[str], count: int = 4) -> html.Html | None:
    """Before/after pairs of typical and of the best images of `method`, without landmarks; None without images."""
    each = max(1, count // (2 * len(blurs)))
    cases = [case for blur in blurs for case in choose_cases(rows, method, blur, each) if case.kind != "worst"]
    cases.sort(key=lambda case: (case.kind != "median", -case.gain))
    pairs = []
    for case in cases[:count]:
        images = {}
        for name in (BLURRED, method):
            one = rows.where(method=name, blur=case.key[1], video=case.key[2], frame=case.key[3])
            path = one.image_path(0) if len(one) else None
            if path is not None and path.is_file():
                images[name] = data_uri(enlarged(read_rgb(path), 320))
        if len(images) == 2:
            pair = html.slider(images[BLURRED], images[method], (BLURRED, method), case.key[2])
            pairs.append(
                html.figure(pair, f"{case.kind} · {blur_title(case.key[1])} · {case.key[2]} · frame {case.key[3]}")
            )
    return html.columns(*pairs, narrow=True) if pairs else None


def _change(measured: str, gain: float) -> str:
    """ "landmark error −0.0120 against blurred": an error that falls is a gain."""
    change = -gain if measured == "landmark error" else gain
    return f"{measured} {number(change, 4, signed=True).text} against blurred"


def _tile_caption(rows: Rows, i: int) -> html.Html:
    name, error = str(rows["method"][i]), rows["landmark_error"][i]
    parts = []
    if np.isinf(error):
        parts.append("no face found")
    elif not np.isnan(error):
        parts.append(f"error {error:.4f}" + (" (failure)" if error > LIMIT else ""))
    if name != ORACLE and not np.isnan(rows["ssim"][i]):
        parts.append(f"SSIM {rows['ssim'][i]:.3f}")
    if name != ORACLE and not np.isnan(rows["identity_cosine"][i]):
        parts.append(f"cosine {rows['identity_cosine'][i]:.3f}")
    title = "sharp (oracle)" if name == ORACLE else name
    return html.join((html.element("strong", title), html.element("br"), ", ".join(parts)))
