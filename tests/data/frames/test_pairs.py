from __future__ import annotations

import numpy as np
import pytest

from facedeblur.blur.response import Response, identity
from facedeblur.data.frames.items import ItemMaker
from facedeblur.data.frames.pairs import Window, read_window
from facedeblur.data.frames.view import apply_map, view_matrix
from facedeblur.data.pairs.augment import AugmentSettings
from facedeblur.data.pairs.pair import describe, read_pair
from facedeblur.faces.crop import crop_box

SIZE = 16


def test_any_start_and_length(stored, store):
    """At one tile pixel for one of the image nothing is interpolated: the mean of the tiles, brought to one place."""
    index, side = store.index, store.settings.side
    for row, length in ((0, 1), (3, 4), (10, 21), (7, 38)):
        target = row + length // 2
        truth = np.zeros((24, 24, 3))
        for i in range(row, row + length):
            x, y = index.offsets[target] - index.offsets[i]
            rows, columns = (np.clip(np.arange(d + 12, d + 36), 0, side - 1) for d in (y, x))
            truth += store.tiles[i][rows[:, None], columns]
        blurry, sharp = read_window(store, Window(row, length), view_matrix((12, 12, 24), 24), 24)
        assert np.abs(blurry - truth / length).max() <= 0.501
        np.testing.assert_array_equal(sharp, store.tiles[target][12:36, 12:36])
    assert len(np.unique(index.offsets[:45], axis=0)) > 1, "the tiles of the longest window lie in several places"


def test_light_is_averaged_under_a_response_curve(store):
    flat = view_matrix((12, 12, 24), 24)
    plain, _ = read_window(store, Window(0, 9), flat, 24, identity)
    bright, _ = read_window(store, Window(0, 9), flat, 24, Response(2.2))
    assert (bright >= plain.astype(int) - 1).all() and bright.mean() > plain.mean()  # Jensen


@pytest.mark.parametrize("length", [1, 5, 9])
def test_pairs_are_those_of_the_stream(stored, store, length):
    """Within half a grey level on average, decoded and resized in another order; and exactly the same meta data."""
    maker = ItemMaker(stored.plan, store, SIZE, {})
    rows = np.flatnonzero(stored.plan.column("length") == length)
    differences = []
    for row in rows:
        found = maker.pair(maker.item(int(row), 0))
        truth = read_pair(describe(stored.plan[int(row)], int(row), SIZE, {}))
        differences += [np.abs(found.blurry.astype(int) - truth.blurry), np.abs(found.sharp.astype(int) - truth.sharp)]
        same = [{**vars(pair.meta), "landmarks": None} for pair in (found, truth)]
        assert same[0] == same[1]
        np.testing.assert_allclose(found.meta.landmarks, truth.meta.landmarks, atol=1e-3)
    assert np.mean(differences) <= 0.5


def test_augmentation_moves_images_and_landmarks_together(stored, store):
    """The picture at a landmark stays the picture at that landmark."""
    smooth = AugmentSettings(flip=1.0, zoom=0.1, shift=0.05, turn=10.0)
    plain = ItemMaker(stored.plan, store, 64, {})
    moved = ItemMaker(stored.plan, store, 64, {}, smooth)
    differences, chance = [], []
    for row in range(0, len(stored.plan), 5):
        a, b = plain.pair(plain.item(row, 0)), moved.pair(moved.item(row, 0))
        from facedeblur.faces.mirror import MIRRORED_POINT

        p, q = a.meta.landmarks, b.meta.landmarks[MIRRORED_POINT]  # undoes the renumbering
        inside = ((np.minimum(p, q) > 2) & (np.maximum(p, q) < 61)).all(1)
        pick = lambda image, at: image[np.rint(at[:, 1]).astype(int), np.rint(at[:, 0]).astype(int)].astype(int)  # noqa: E731
        differences.append(np.abs(pick(a.sharp, p[inside]) - pick(b.sharp, q[inside])).mean())
        chance.append(np.abs(pick(a.sharp, p[inside]) - pick(b.sharp, p[inside])).mean())
    assert np.mean(differences) < 0.35 * np.mean(chance)


def test_crops_drift_towards_the_face_of_another_frame(stored, store):
    """Their centres lie on the way from the middle frame's face to another's of the window, and only there."""
    index, row = store.index, int(np.flatnonzero(stored.plan.column("length") == 9)[2])

    def centres(drift: float) -> tuple[np.ndarray, np.ndarray]:
        maker = ItemMaker(stored.plan, store, SIZE, {}, AugmentSettings(flip=0.0, drift=drift))
        items = [maker.item(row, epoch) for epoch in range(60)]
        return np.stack([apply_map(i.matrix, np.full(2, (SIZE - 1) / 2)) for i in items]), items[0].window

    found, window = centres(1.0)
    rows = np.arange(window.row, window.row + window.length)
    scale = index.run_scale[0]  # one run
    faces = (index.boxes[rows, :2] + index.boxes[rows, 2:] / 2) * scale - 0.5 - index.offsets[window.target]
    middle, others = faces[4], np.delete(faces, 4, axis=0)
    moved = found - middle
    ways = others - middle
    along = (moved @ ways.T) / np.maximum((ways**2).sum(1), 1e-9)
    beside = np.linalg.norm(moved[:, None] - np.clip(along, 0, 1)[..., None] * ways, axis=2).min(1)
    assert beside.max() < 1e-6
    assert 0.2 < np.linalg.norm(moved, axis=1).max() / np.linalg.norm(ways, axis=1).max() <= 1 + 1e-9
    np.testing.assert_allclose(centres(0.0)[0], np.broadcast_to(middle, (60, 2)), atol=1e-9)
    np.testing.assert_allclose(centres(0.5)[0] - middle, moved / 2, atol=1e-9)
    single = int(np.flatnonzero(stored.plan.column("length") == 1)[0])  # one frame: the detector sees that face
    maker = ItemMaker(stored.plan, store, SIZE, {}, AugmentSettings(flip=0.0, drift=1.0))
    plain = ItemMaker(stored.plan, store, SIZE, {}, AugmentSettings(flip=0.0))
    np.testing.assert_array_equal(maker.item(single, 3).matrix, plain.item(single, 3).matrix)


def test_an_item_is_a_function_of_seed_epoch_and_row(stored, store):
    maker = ItemMaker(stored.plan, store, SIZE, {}, AugmentSettings(zoom=0.1, photometric=0.5), redraw=True, seed=4)
    again = ItemMaker(stored.plan, store, SIZE, {}, AugmentSettings(zoom=0.1, photometric=0.5), redraw=True, seed=4)
    for row in (0, 9, 30):
        a, b, later = maker.pair(maker.item(row, 2)), again.pair(again.item(row, 2)), maker.pair(maker.item(row, 3))
        np.testing.assert_array_equal(a.blurry, b.blurry)
        assert not np.array_equal(a.blurry, later.blurry)


def test_redrawn_windows_begin_elsewhere_in_their_run_and_kernels_differ(stored, store):
    maker = ItemMaker(stored.plan, store, SIZE, {}, redraw=True)
    long = int(np.flatnonzero(stored.plan.column("length") == 9)[2])
    metas = [maker.meta(maker.item(long, epoch)) for epoch in range(40)]
    starts = {meta.start for meta in metas}
    planned = int(stored.plan.column("start")[long])
    assert starts <= set(range(planned - 4, planned + 5)) and len(starts) >= 7
    for meta in metas:  # the crop is that of the new middle frame
        points = stored.runs[0].landmarks[meta.start + 4]
        assert meta.crop == tuple(crop_box(points))
    single = int(np.flatnonzero(stored.plan.column("length") == 1)[0])
    assert len({maker.item(single, epoch).kernel_seed for epoch in range(20)}) == 20
