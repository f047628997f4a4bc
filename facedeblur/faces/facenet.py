"""A FaceNet as identity embedder, from the weight file that its user has: none can be shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from facedeblur.errors import UsageError
from facedeblur.faces.crop import crop, crop_box, resize
from facedeblur.models.checkpoint import fill
from facedeblur.models.facenet import FACE_SIZE, InceptionResnetV1

# The face's square / longer side of the tight box of its 68 points, which ends at the eyebrows: the detectors of these
# networks' training images draw their boxes from the forehead to below the chin.
MARGIN = 1.3


class FaceNetEmbedder:
    """512 numbers of unit length per face; the cosine of two compares them.

    weights: a state dict of `InceptionResnetV1` as .pt, .pth or .safetensors; a classifier in it is ignored. Raises
    UsageError for a file that is missing, unreadable or of another architecture, naming the first difference.
    """

    def __init__(self, weights: str | Path) -> None:
        self.network = InceptionResnetV1()
        state = {name: value for name, value in _read(Path(weights)).items() if not name.startswith("logits.")}
        fill(self.network.state_dict(), state, weights)
        self.network.requires_grad_(False).eval()

    def embed(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See `Embedder`: RGB uint8 (H, W, 3), landmarks (68, 2) -> (512,) float32."""
        face = resize(np.ascontiguousarray(crop(image, crop_box(landmarks, MARGIN))), FACE_SIZE)
        batch = torch.from_numpy(face).permute(2, 0, 1)[None].float().sub_(127.5).div_(128)
        with torch.inference_mode():
            return self.network(batch)[0].numpy()


def _read(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise UsageError(f"judge.embedder: {path}: no such file of weights")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickles fail in many ways
        raise UsageError(f"judge.embedder: {path}: no readable file of weights ({type(error).__name__})") from error
    if not isinstance(state, dict):
        raise UsageError(f"judge.embedder: {path}: no state dict but a {type(state).__name__}")
    return state.get("state_dict", state)
