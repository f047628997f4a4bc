"""Score rows as an evaluation writes them, made up: errors grow with the blur, and every method removes its share."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("method", "corpus", "category", "identity", "blur", "video")]
    + [("frame", pa.int64()), ("L", pa.int64())]
    + [(name, pa.float64()) for name in ("psnr", "ssim", "landmark_error", "identity_cosine", "seconds")]
    + [("flags", pa.string())]
    + [(name, pa.list_(pa.float32())) for name in ("landmarks", "truth", "embedding")]
    + [("image", pa.string())]
)
SIDE = 64


def face_points(x: float) -> np.ndarray:
    """68 points within the crop, shifted by `x` pixels."""
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    return np.stack([SIDE / 2 + x + 18 * np.cos(angles), SIDE / 2 + 22 * np.sin(angles)], axis=1).astype(np.float32)


def face(x: float, blur: float) -> np.ndarray:
    """A drawn face of SIDE pixels, blurred along x."""
    image = np.full((SIDE, SIDE, 3), (90, 120, 160), np.uint8)
    cv2.ellipse(image, (int(SIDE / 2 + x), SIDE // 2), (18, 22), 0, 0, 360, (150, 190, 230), -1, cv2.LINE_AA)
    for dx in (-8, 8):
        cv2.circle(image, (int(SIDE / 2 + x + dx), SIDE // 2 - 6), 3, (30, 30, 30), -1, cv2.LINE_AA)
    return cv2.blur(image, (max(1, round(blur)), 1)) if blur > 1 else image


@pytest.fixture(scope="session")
def make_evaluation():
    """`make_evaluation(folder, removed={"final": 0.6}, ...)` writes rows, images, protocol and status; returns the
    folder.

    `removed` says for each method which share of the blur it takes away; blurred (0) and oracle (1) come with it.
    """

    def made(
        folder,
        removed=None,
        blurs=("pravg7", "vla"),
        people=5,
        frames=4,
        corpus="demo",
        landmarks=True,
        images=True,
        misses=(),
        seed=0,
        state="done",
        protocol=None,
    ):
        removed = {"blurred": 0.0, **({"final": 0.6} if removed is None else removed), "oracle": 1.0}
        records = []
        for b, blur in enumerate(blurs):
            for person in range(people):
                for frame in range(frames):
                    # one generator an image, so that methods of different folders see the same blur
                    generator = np.random.default_rng([seed, b, person, frame])
                    strength = generator.uniform(2, 9) * (1 + 0.3 * b)
                    length = int(blur[5:]) if blur[5:].isdigit() else int(2 * generator.integers(4, 10) + 1)
                    x = float(generator.uniform(-4, 4))
                    noise = float(generator.uniform(-0.5, 0.5))
                    for method, share in removed.items():
                        left = strength * (1 - share) + (abs(noise) if 0 < share < 1 else 0)
                        missed = (method, person, frame) in misses
                        shift = 0.3 + 0.35 * left
                        truth, found = face_points(x), face_points(x + shift)
                        error = shift / float(np.hypot(*np.ptp(truth, axis=0)))
                        image = f"images/{blur}/{corpus}/p{person}_v0/{frame * 10:06d}/{method}.png"
                        if method in ("blurred", "oracle"):
                            image = image.replace("oracle", "sharp")
                        if images:
                            path = folder / image
                            path.parent.mkdir(parents=True, exist_ok=True)
                            cv2.imwrite(str(path), face(x, left))
                        vector = np.eye(128)[1 + person] + 0.05 * left * np.eye(128)[0]
                        records.append(
                            {
                                "method": method,
                                "corpus": corpus,
                                "category": f"category{1 + person % 2}",
                                "identity": f"p{person}",
                                "blur": blur,
                                "video": f"p{person}_v0",
                                "frame": frame * 10,
                                "L": length,
                                "psnr": 60.0 if share == 1 else 40.0 - 2 * left,
                                "ssim": 1.0 if share == 1 else 1 - 0.03 * left,
                                "landmark_error": (np.inf if missed else error) if landmarks else None,
                                "identity_cosine": float(vector[1 + person] / np.linalg.norm(vector)),
                                "seconds": 0.0 if share in (0, 1) else 0.012,
                                "flags": "no_face" if missed else "" if landmarks else "no_truth",
                                "landmarks": found.ravel().tolist() if landmarks and not missed else None,
                                "truth": truth.ravel().tolist() if landmarks else None,
                                "embedding": vector.tolist(),
                                "image": image if images else None,
                            }
                        )
        (folder / "rows").mkdir(parents=True, exist_ok=True)
        half = len(records) // 2
        for number, part in enumerate((records[:half], records[half:])):
            table = pa.Table.from_pylist(part, schema=SCHEMA)
            pq.write_table(table, folder / "rows" / f"{number:05d}.parquet")
        told = {"corpora": [corpus], "blurs": list(blurs), "judges": {"localizer": "dlib"}, "image_size": SIDE}
        told["methods"] = {
            name: {
                "kind": "run",
                "experiment": name.split("-s")[0],
                "model": {"generator": "table3", "global_residual": False},
            }
            for name in removed
        }
        (folder / "protocol.json").write_text(json.dumps({**told, **(protocol or {})}))
        (folder / "status.json").write_text(json.dumps({"state": state, "lost_windows": 0 if state == "done" else 3}))
        return folder

    return made


@pytest.fixture(scope="session")
def evaluation(make_evaluation, tmp_path_factory):
    """Two methods, two blurs, five people, one face missed by `weak`."""
    folder = tmp_path_factory.mktemp("outputs") / "evaluation" / "mine"
    return make_evaluation(folder, {"weak": 0.3, "final": 0.6}, misses={("weak", 1, 2)})
