import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facedeblur.blur.windows import Window
from facedeblur.data.plans.plan import SCHEMA, Plan
from facedeblur.faces.crop import CropBox


def row(index, **values):
    return {
        "corpus": "A",
        "identity": f"person_{index % 2}",
        "split": "train",
        "video": f"clip_{index}.mp4",
        "backend": "pyav",
        "content": f"{index:024x}",
        "schedule": "pravg7",
        "response": "identity",
        "start": 7 * index,
        "length": 7,
        "reverse": index % 2 == 1,
        "kernel_seed": -1,
        "x": -3,
        "y": 5,
        "side": 100 + index,
        "psnr": 30.5,
        "ssim": 0.9,
        "shot": 0,
        "stop": "length",
        "landmarks": np.arange(136).reshape(68, 2) + index,
        **values,
    }


@pytest.fixture
def plan():
    return Plan.from_rows([row(i) for i in range(5)])


def test_a_row_becomes_a_planned_window(plan):
    planned = plan[3]
    assert planned.window == Window("clip_3.mp4", 21, 7, reverse=True)
    assert planned.window.target == 24 and planned.content == f"{3:024x}"
    assert planned.crop == CropBox(-3, 5, 103)
    assert planned.kernel_seed is None
    assert (planned.corpus, planned.identity, planned.split, planned.backend) == ("A", "person_1", "train", "pyav")
    assert (planned.schedule, planned.response, planned.stop, planned.shot) == ("pravg7", "identity", "length", 0)
    assert (planned.psnr, planned.ssim) == (30.5, pytest.approx(0.9))
    assert planned.landmarks.dtype == np.float32
    np.testing.assert_array_equal(planned.landmarks, np.arange(136).reshape(68, 2) + 3)


def test_a_kernel_window_has_its_seed():
    planned = Plan.from_rows([row(0, schedule="trajectory", length=1, kernel_seed=2**31 - 1, stop="kernel")])[0]
    assert planned.kernel_seed == 2**31 - 1
    assert planned.window.target == planned.window.start


def test_columns_are_arrays(plan):
    assert len(plan) == 5
    np.testing.assert_array_equal(plan.column("start"), [0, 7, 14, 21, 28])
    assert plan.column("identity").tolist() == ["person_0", "person_1"] * 2 + ["person_0"]
    assert plan.column("reverse").dtype == bool
    assert plan.column("landmarks").shape == (5, 68, 2)
    with pytest.raises(KeyError):
        plan.column("colour")


def test_write_and_read_give_the_same_plan(plan, tmp_path):
    path = tmp_path / "deep" / "plan.parquet"
    plan.write(path)
    assert Plan.read(path).table.equals(plan.table)
    assert pq.read_schema(path).names == SCHEMA.names
    assert [file.name for file in path.parent.iterdir()] == ["plan.parquet"], "no partial file stays behind"


def test_select_takes_indices_and_masks(plan):
    assert [plan.select([4, 0])[i].window.video for i in range(2)] == ["clip_4.mp4", "clip_0.mp4"]
    assert plan.select(plan.column("reverse")).column("start").tolist() == [7, 21]
    assert len(plan.select([])) == 0
    assert plan.select(np.array([3])).column("landmarks")[0, 0, 0] == 3


def test_concat_joins_plans_with_different_names(plan):
    other = Plan.from_rows([row(9, corpus="B", schedule="vla", stop="cap")])
    both = Plan.concat([plan, other, Plan.concat([])])
    assert len(both) == 6
    assert both[5].corpus == "B" and both[5].stop == "cap" and both[0].corpus == "A"
    assert both.select([5, 0]).column("schedule").tolist() == ["vla", "pravg7"]


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match="psnr"):
        Plan(pa.table({"corpus": ["A"]}))


def test_a_file_that_is_no_plan_is_named(tmp_path):
    path = tmp_path / "plan.parquet"
    path.write_bytes(b"not parquet")
    with pytest.raises(ValueError, match="plan.parquet: not a window plan"):
        Plan.read(path)
    with pytest.raises(FileNotFoundError):
        Plan.read(tmp_path / "none.parquet")
