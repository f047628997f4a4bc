from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facedeblur.errors import UsageError
from facedeblur.report.rows import common_protocol, read_rows


def test_all_shards_are_read_with_missing_values_as_nan_or_empty(make_evaluation, tmp_path):
    rows = read_rows([make_evaluation(tmp_path / "e", landmarks=False, images=False)])
    assert len(rows) == 3 * 2 * 5 * 4
    assert rows.distinct("method") == ["blurred", "final", "oracle"]
    assert np.isnan(rows["landmark_error"]).all()
    assert set(rows["image"].tolist()) == {""} and rows.image_path(0) is None
    assert rows.vectors("landmarks")[:2] == [None, None]
    assert rows.sources[0].state == "done" and rows.sources[0].protocol["image_size"] == 64


def test_vectors_and_images_are_those_of_the_row_after_selecting(evaluation):
    rows = read_rows([evaluation])
    one = rows.where(method="final", blur="vla", video="p3_v0", frame=20)
    assert len(one) == 1 and one["identity"][0] == "p3"
    points, truth = one.vectors("landmarks")[0], one.vectors("truth")[0]
    assert points.shape == (68, 2)
    error = np.linalg.norm(points - truth, axis=1).mean() / np.hypot(*np.ptp(truth, axis=0))
    assert error == pytest.approx(one["landmark_error"][0], rel=1e-4)
    assert one.vectors("embedding")[0][4] == 1, "the direction of p3"
    assert one.image_path(0).is_file() and "vla/demo/p3_v0/000020/final.png" in str(one.image_path(0))


def test_missed_faces_stay_as_infinite_errors(evaluation):
    missed = read_rows([evaluation]).where(flags="no_face")
    assert missed["method"].tolist() == ["weak", "weak"]
    assert np.isinf(missed["landmark_error"]).all() and missed.vectors("landmarks") == [None, None]


def test_people_are_the_groups_where_known_else_videos(make_evaluation, tmp_path):
    rows = read_rows([make_evaluation(tmp_path / "e", images=False)])
    assert set(rows.groups().tolist()) == {f"demo/p{i}" for i in range(5)}
    rows.columns["identity"][0] = ""
    assert set(rows.groups().tolist()) == {f"demo/p{i}_v0" for i in range(5)}


def test_folders_of_the_same_images_are_joined_and_what_they_share_kept_once(make_evaluation, tmp_path):
    first = make_evaluation(tmp_path / "a", {"final": 0.6}, images=False)
    second = make_evaluation(tmp_path / "b", {"other": 0.2}, images=False)
    rows = read_rows([first, second])
    assert sorted(rows.distinct("method")) == ["blurred", "final", "oracle", "other"]
    assert [len(rows.where(method=method)) for method in rows.distinct("method")] == [40] * 4
    assert rows.remarks == ()
    assert rows.where(method="other").vectors("landmarks")[0].shape == (68, 2)


def test_methods_of_one_name_and_other_scores_are_told_apart(make_evaluation, tmp_path):
    first = make_evaluation(tmp_path / "s0", {"final": 0.6}, images=False)
    second = make_evaluation(tmp_path / "s1", {"final": 0.5}, images=False)
    assert sorted(read_rows([first, second]).distinct("method")) == ["blurred", "final (s0)", "final (s1)", "oracle"]


def test_folders_that_disagree_on_the_input_say_so(make_evaluation, tmp_path):
    first = make_evaluation(tmp_path / "a", images=False)
    second = make_evaluation(tmp_path / "b", {"other": 0.2}, images=False, seed=1, protocol={"image_size": 256})
    rows = read_rows([first, second])
    assert any("disagree on the scores of blurred" in remark for remark in rows.remarks)
    same, differing = common_protocol(rows.sources)
    assert set(differing) == {"image_size", "methods"} and same["judges"] == {"localizer": "dlib"}


def test_bad_folders_are_named_with_the_remedy(make_evaluation, tmp_path):
    with pytest.raises(UsageError, match="no evaluation .*facedeblur evaluate"):
        read_rows([tmp_path])
    (tmp_path / "rows").mkdir()
    with pytest.raises(UsageError, match="no score rows yet"):
        read_rows([tmp_path])
    shard = tmp_path / "rows" / "00000.parquet"
    shard.write_bytes(b"PAR1 cut off")
    with pytest.raises(UsageError, match="00000.parquet: not a Parquet file"):
        read_rows([tmp_path])
    pq.write_table(pa.table({"method": ["a"]}), shard)
    with pytest.raises(UsageError, match="no column L, blur"):
        read_rows([tmp_path])
