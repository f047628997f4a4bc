"""What a method gives is said in one line where it is nothing that counts as images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facedeblur.models.outputs import check_images, of_another_range, values_of


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (None, "gave NoneType; must be a torch.Tensor"),
        (np.zeros((2, 3, 8, 8), np.float32), "gave numpy.ndarray of float32; must be a torch.Tensor"),
        (torch.full((2, 3, 8, 8), 200, dtype=torch.uint8), "gave torch.uint8 with values from 200 to 200"),
        (torch.zeros(2, 1, 8, 8), r"gave \(2, 1, 8, 8\) for images \(2, 3, 8, 8\)"),
        (torch.zeros(1, 3, 8, 8), r"gave \(1, 3, 8, 8\) for images"),
        (torch.zeros(2, 3, 0, 8), r"gave \(2, 3, 0, 8\) for images"),
    ],
)
def test_what_is_no_batch_of_images_is_named(output, message):
    check_images(torch.zeros(2, 3, 4, 4), (2, 3, 8, 8))  # of any height and width
    with pytest.raises(ValueError, match=message):
        check_images(output, (2, 3, 8, 8))


def test_images_of_another_range_are_told_apart():
    images = torch.stack(
        [torch.linspace(low, high, 12).view(3, 2, 2) for low, high in ((0, 1), (-1, 1), (0, 255), (-0.2, 1.2))]
    )
    assert of_another_range(images).tolist() == [False, True, True, False]
    assert values_of(images[1]) == "gave torch.float32 images with values from -1 to 1"
