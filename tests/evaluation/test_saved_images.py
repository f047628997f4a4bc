"""Where the images of an evaluation lie."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from facedeblur.evaluation.saved_images import SavedImages
from facedeblur.evaluation.testset import Case, TestPair
from facedeblur.methods import Method

CASE = Case("A", "", "ann", "vla", "ann/a b.mp4", 12, 9)


def test_every_image_has_a_path_of_its_own_and_the_sharp_one_is_written_once(tmp_path):
    blurry, sharp = np.full((2, 4, 4, 3), [[[[9, 8, 7]]], [[[200, 0, 0]]]], np.uint8)
    methods = [Method("oracle", lambda images: images, sharp=True), Method("our method", lambda images: images)]
    saved = SavedImages(tmp_path, methods, frozenset({"vla"}))
    pair = TestPair(CASE, blurry, sharp, np.zeros((68, 2), np.float32))
    first = saved.save(pair, {"oracle": sharp, "our method": blurry})
    other = saved.save(replace(pair, case=replace(CASE, L=7)), {"our method": blurry})
    assert set(first) == {"oracle", "our method"} and set(other) == {"our method"}
    assert first["oracle"].endswith("/000012-L9/sharp.png") and "/000012-L7/" in other["our method"]
    assert " " not in "".join(first.values())
    read = cv2.imread(str(tmp_path / first["oracle"]))
    assert read[0, 0].tolist() == [0, 0, 200]  # BGR
    assert cv2.imread(str(tmp_path / other["our method"]))[0, 0].tolist() == [7, 8, 9]
    assert (
        SavedImages(tmp_path, methods, frozenset()).save(pair, {"our method": blurry})["our method"].split("/")[-2]
        == "000012"
    )
