from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facedeblur.report.preparation import folder_name, write_preparation_page

CLIP = {
    "path": "a.mp4", "corpus": "A", "identity": "ann", "split": "train", "backend": "decord", "frames": 100,
    "width": 64, "height": 48, "fps": 25.0, "shots": 1, "people": 1, "faces": 90, "blurred": 4, "windows": 3,
    "reason": "",
}  # fmt: skip
MEANS = {"windows": 3, "length": 9.0, "psnr": 30.0, "ssim": 0.9, "face": 80.0}
TABLES = {
    "clips": [CLIP, CLIP | {"path": "<b>.mp4", "identity": "bob", "windows": 0, "reason": "no face found"}],
    "identities": [{"corpus": "A", "identity": "ann", "split": "train", "clips": 1, **MEANS}],
    "schedules": [{"corpus": "A", "schedule": "vla", "reverse": False, "clips": 1, **MEANS}],
    "lengths": [{"schedule": "vla", "length": 7, "windows": 2}, {"schedule": "vla", "length": 13, "windows": 1}],
    "blur": [{"schedule": "vla", "ssim": 0.9, "windows": 3}],
    "faces": [{"face": 64, "windows": 3}],
    "stops": [{"schedule": "vla", "stop": "flow", "windows": 2}, {"schedule": "vla", "stop": "cap", "windows": 1}],
    "rejects": [{"schedule": "vla", "reason": "static", "candidates": 5}],
    "skipped": [{"path": "<b>.mp4", "reason": "no face found"}],
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tables").mkdir()
    for name, rows in TABLES.items():
        table = pa.Table.from_pylist([{"set": "stage one, train", **row} for row in rows])
        pq.write_table(table, tmp_path / "tables" / f"{name}.parquet")
    samples = tmp_path / "samples" / folder_name("stage one, train")
    samples.mkdir(parents=True)
    cv2.imwrite(str(samples / "000.jpg"), np.zeros((8, 16, 3), np.uint8))
    pair = {
        "file": "000.jpg",
        "identity": "ann",
        "schedule": "vla",
        "length": 9,
        "psnr": 30.0,
        "ssim": 0.9,
        "stop": "cap",
    }
    (samples / "pairs.json").write_text(json.dumps([pair]))
    return tmp_path


def test_the_page_holds_what_the_tables_hold(folder):
    text = write_preparation_page(folder, "Preparation of A", "made by a test").read_text()
    for words in ("Preparation of A", "stage one, train", "1 of 2", "66.7 %", "no face found", "&lt;b&gt;.mp4", "flow"):
        assert words in text, words
    assert "<b>" not in text and "made by a test" in text
    assert text.count("data:image/jpeg") == 1 and len(re.findall("<svg", text)) == 3
    assert "2 files, 2 identities, 200 frames" in text


def test_kernels_have_no_histogram_of_lengths(folder):
    rows = [{"set": "stage one, train", "schedule": "vla", "length": 1, "windows": 3}]
    pq.write_table(pa.Table.from_pylist(rows), folder / "tables" / "lengths.parquet")
    assert "windows by length" not in write_preparation_page(folder, "x").read_text()


def test_without_samples_and_skipped_files_there_is_a_page(folder):
    for file in (folder / "samples").rglob("*.*"):
        file.unlink()
    pq.write_table(pa.table({"set": pa.array([], pa.string())}), folder / "tables" / "skipped.parquet")
    text = write_preparation_page(folder, "x").read_text()
    assert "None were asked for." in text and "Every file gives windows." in text
