"""Who is in front of the camera: the traits that tell one demo identity from another, drawn from a seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from facedeblur.data.demo.portrait import LANDMARKS

# name -> (lowest, highest); factors around 1, or native pixels around 0 (y grows downwards), tilt in radians
SHAPE_RANGES = {
    "face_width": (0.88, 1.13),
    "jaw_width": (0.84, 1.12),
    "chin": (-5.0, 5.5),
    "eye_gap": (-2.2, 2.8),
    "eye_size": (0.88, 1.18),
    "eye_tilt": (-0.13, 0.13),
    "eye_height": (-2.5, 2.5),
    "brow_height": (-3.5, 1.5),
    "nose_length": (-2.5, 3.5),
    "nose_width": (0.82, 1.4),
    "mouth_width": (0.86, 1.14),
    "mouth_height": (-1.5, 2.0),
    "lip_fullness": (0.7, 1.8),
    "smile": (-1.0, 5.0),
    "hair_volume": (0.9, 1.13),
}
# CIE L*a*b* of the mean skin and hair
SKIN_TONES = [(71, 9, 13), (66, 13, 18), (60, 13, 21), (53, 14, 22), (45, 13, 19), (37, 11, 14), (68, 15, 13)]
HAIR_COLOURS = [(14, 1, 2), (24, 6, 9), (36, 8, 17), (46, 7, 24), (58, 5, 28), (36, 22, 27), (54, 0, 3), (66, 0, 4)]
SUIT_COLOURS = [(48, 55, 50), (35, 5, -38), (42, -28, 18), (60, 2, 4), (34, 40, 18), (66, 4, 44), (30, 2, -4)]
GLASSES = ["none", "none", "none", "none", "round", "square", "half"]
_CANDIDATES = 8  # people drawn for each place in the list
_OUTER_LIP = (49, 50, 51, 52, 53, 55, 56, 57, 58, 59)  # and the points of the inner lip they lie against
_INNER_LIP = (61, 61, 62, 63, 63, 65, 65, 66, 67, 67)


@dataclass(frozen=True)
class Identity:
    """One person. `shape` follows `SHAPE_RANGES`; colours are L*a*b*; strengths lie in [0, 1]; `light` is the
    direction (degrees clockwise from straight above) and contrast of the key light; `texture_seed` fixes what
    is random on the skin (grain, freckles, stubble)."""

    name: str
    shape: dict[str, float]
    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    suit: tuple[int, int, int]
    glasses: str
    light: tuple[float, float]
    brows: float
    beard: float
    freckles: float
    wrinkles: float
    lips: float
    texture_seed: int

    def attributes(self) -> dict:
        """Plain values for the JSON sidecar."""
        return asdict(self)


def draw_identities(count: int, seed: int) -> list[Identity]:
    """`count` people, each the most unlike its predecessors of a handful of candidates. The first n of a longer
    list are the list of n."""
    people: list[Identity] = []
    signatures: list[np.ndarray] = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        drawn = [_draw(rng, f"id{index:03d}") for _ in range(_CANDIDATES)]
        traits = [_signature(person) for person in drawn]
        gaps = [min((np.linalg.norm(trait - other) for other in signatures), default=0.0) for trait in traits]
        best = int(np.argmax(gaps))
        people.append(drawn[best])
        signatures.append(traits[best])
    return people


def shape_landmarks(shape: dict[str, float]) -> np.ndarray:
    """The 68 points (68, 2) float32, native pixels, of the neutral face with this shape."""
    points = LANDMARKS.astype(np.float64).copy()
    middle = points[27:31, 0].mean()
    jaw, nose, mouth = slice(0, 17), slice(27, 36), slice(48, 68)

    points[jaw, 0] = middle + (points[jaw, 0] - middle) * shape["face_width"]
    lower = np.clip((points[jaw, 1] - 120) / 45, 0, 1)
    points[jaw, 0] = middle + (points[jaw, 0] - middle) * (1 + (shape["jaw_width"] - 1) * lower)
    points[jaw, 1] += shape["chin"] * lower**1.5

    spread = (1 + shape["face_width"]) / 2
    for eye, brow, side in ((slice(36, 42), slice(17, 22), -1), (slice(42, 48), slice(22, 27), 1)):
        centre = points[eye].mean(0)
        cosine, sine = np.cos(side * shape["eye_tilt"]), -np.sin(side * shape["eye_tilt"])
        turned = (points[eye] - centre) @ np.array([[cosine, sine], [-sine, cosine]]).T
        shift = np.array([(centre[0] - middle) * (spread - 1) + side * shape["eye_gap"], shape["eye_height"]])
        points[eye] = centre + turned * shape["eye_size"] + shift
        points[brow] += shift + (0, shape["brow_height"])

    down = np.clip((points[nose, 1] - points[27, 1]) / 30, 0, 1)
    points[nose, 1] += shape["nose_length"] * down + shape["eye_height"] * (1 - down)
    points[31:36, 0] = middle + (points[31:36, 0] - middle) * shape["nose_width"]

    centre = points[mouth].mean(0)
    points[mouth, 0] = centre[0] + (points[mouth, 0] - centre[0]) * shape["mouth_width"]
    for outer, inner in zip(_OUTER_LIP, _INNER_LIP, strict=True):
        points[outer, 1] = points[inner, 1] + (points[outer, 1] - points[inner, 1]) * shape["lip_fullness"]
    corners = (np.abs(points[mouth, 0] - centre[0]) / np.ptp(points[mouth, 0]) * 2) ** 2
    points[mouth, 1] += shape["smile"] * (corners - 0.5) + shape["mouth_height"] + 0.7 * shape["nose_length"]
    return points.astype(np.float32)


def _draw(rng: np.random.Generator, name: str) -> Identity:
    def pick(options: list):
        return options[rng.integers(len(options))]

    beard = round(float(max(0.0, rng.uniform(-1.0, 1.0))), 3)
    return Identity(
        name=name,
        shape={key: round(float(rng.uniform(*span)), 4) for key, span in SHAPE_RANGES.items()},
        skin=pick(SKIN_TONES),
        hair=pick(HAIR_COLOURS),
        suit=pick(SUIT_COLOURS),
        glasses=pick(GLASSES),
        light=(round(float(rng.uniform(-100, 100)), 2), round(float(rng.uniform(0.15, 0.6)), 3)),
        brows=round(float(rng.uniform(0, 1)), 3),
        beard=beard,
        freckles=round(float(max(0.0, rng.uniform(-1.0, 1.0))), 3),
        wrinkles=round(float(max(0.0, rng.uniform(-0.6, 1.0))), 3),
        lips=round(float(rng.uniform(0, 0.25 if beard else 1)), 3),
        texture_seed=int(rng.integers(2**31)),
    )


def _signature(person: Identity) -> np.ndarray:
    """Traits on comparable scales, for the distance between two people."""
    shape = [(person.shape[key] - low) / (high - low) for key, (low, high) in SHAPE_RANGES.items()]
    glasses = [0.5 * (person.glasses == kind) for kind in ("round", "square", "half")]
    colours = np.divide([*person.skin, *person.hair], [15, 10, 10, 25, 12, 15])
    return np.concatenate([shape, colours, glasses, [person.beard, person.brows, person.light[0] / 100]])
