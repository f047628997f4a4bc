from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facedeblur.errors import UsageError
from facedeblur.faces import judges
from facedeblur.faces.facenet import FaceNetEmbedder
from facedeblur.metrics.identity import cosine
from facedeblur.models.facenet import InceptionResnetV1

POINTS = np.random.default_rng(0).random((68, 2)) * 60 + [70, 40]


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return {**InceptionResnetV1().state_dict(), "logits.weight": torch.zeros(9, 512), "logits.bias": torch.zeros(9)}


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "vggface2.pt"
    torch.save(state, file)
    return file


def face(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), np.uint8)
    return cv2.resize(noise, (240, 200), interpolation=cv2.INTER_CUBIC)


def test_a_face_is_what_lies_around_its_landmarks(weights):
    embedder = judges.embedder(str(weights))  # by its file, as judge.embedder says
    embedding = embedder.embed(face(0), POINTS)
    assert embedding.shape == (512,) and embedding.dtype == np.float32
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    elsewhere = face(0)
    elsewhere[:, 180:] = 0  # outside the face's square
    np.testing.assert_allclose(embedder.embed(elsewhere, POINTS), embedding, atol=1e-6)
    moved = np.roll(face(0), (10, 10), (0, 1))
    np.testing.assert_allclose(embedder.embed(moved, POINTS + 10), embedding, atol=1e-5)
    assert cosine(embedder.embed(face(1), POINTS), embedding) < 1 - 1e-5  # random weights hardly tell people apart


def test_safetensors_hold_the_same(weights, state, tmp_path):
    file = tmp_path / "weights.safetensors"
    save_file({name: value.clone() for name, value in state.items()}, file)
    a, b = (FaceNetEmbedder(path).embed(face(0), POINTS) for path in (weights, file))
    np.testing.assert_array_equal(a, b)


def test_other_files_are_named(state, tmp_path):
    with pytest.raises(UsageError, match="nowhere.pt: no such file of weights"):
        FaceNetEmbedder(tmp_path / "nowhere.pt")
    (tmp_path / "broken.pt").write_bytes(b"weights")
    with pytest.raises(UsageError, match="broken.pt: no readable file"):
        FaceNetEmbedder(tmp_path / "broken.pt")
    torch.save({name: value for name, value in state.items() if "block8" not in name}, tmp_path / "other.pt")
    with pytest.raises(UsageError, match="other.pt: of another architecture: it has no block8"):
        FaceNetEmbedder(tmp_path / "other.pt")
