"""The columns of the score rows, as every evaluation folder has them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from facedeblur.errors import UsageError
from facedeblur.evaluation.rows import FOLDER, SCHEMA, ScoreRow, flat, joined, read_rows, write_rows

TEXT = ("method", "corpus", "category", "identity", "blur", "video", "flags", "image")
NUMBERS = ("psnr", "ssim", "landmark_error", "identity_cosine", "seconds")


def test_columns_are_those_of_all_folders_so_far():
    order = "method corpus category identity blur video frame L psnr ssim landmark_error identity_cosine seconds flags"
    assert SCHEMA.names == [*order.split(), "landmarks", "truth", "embedding", "image"]
    kinds = dict.fromkeys(TEXT, pa.string()) | dict.fromkeys(NUMBERS, pa.float64())
    kinds |= {"frame": pa.int64(), "L": pa.int64()}
    assert all(SCHEMA.field(name).type == kinds.get(name, pa.list_(pa.float32())) for name in SCHEMA.names)


def test_rows_come_back_in_the_order_of_their_files_with_nulls_for_what_is_unknown(tmp_path):
    points = np.arange(136, dtype=np.float32).reshape(68, 2)
    first = ScoreRow(method="ours", corpus="A", blur="vla", video="a.mp4", frame=3, L=7, psnr=30.5, truth=flat(points))
    second = ScoreRow(method="ours", corpus="A", blur="vla", video="b.mp4", flags=joined({"error", "nan"}))
    write_rows(tmp_path / FOLDER / "shard-10.parquet", [second])
    write_rows(tmp_path / FOLDER / "shard-9.parquet", [first], {"facedeblur": "{}"})
    found = read_rows(tmp_path).to_pylist()
    assert found == [first.columns(), second.columns()]
    assert found[1]["psnr"] is None and found[1]["flags"] == "nan,error"


def test_no_rows_are_one_line(tmp_path):
    with pytest.raises(UsageError, match="no score rows"):
        read_rows(tmp_path)
