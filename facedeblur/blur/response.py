"""The camera's response curve psi of Eq. 7 and 8: how light becomes stored intensity.

The paper calls its approximation learned and does not say how. The default averages stored intensities as they are; a
gamma curve averages light instead: decode, average, encode.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facedeblur.settings import check


@dataclass(frozen=True)
class Response:
    """Stored intensity v in [0, 255] against light (psi of Eq. 7): light = 255 (v / 255) ** exponent.

    Args:
        exponent: in [1, 4]; 1 is the identity.

    >>> curve = Response(2.2)
    >>> curve.name, round(float(curve.decode(np.array([128], np.uint8))[0]))
    ('gamma2.2', 56)
    """

    exponent: float = 1.0

    def __post_init__(self) -> None:
        check(1 <= self.exponent <= 4, "response", "a gamma curve of an exponent in [1, 4]", self.exponent)

    @property
    def name(self) -> str:
        """ "identity" or, for example, "gamma2.2"; `response(name)` gives the curve back."""
        return "identity" if self.exponent == 1.0 else f"gamma{self.exponent:g}"

    def decode(self, image: np.ndarray) -> np.ndarray:
        """Stored uint8 intensities of any shape to light, float32 in [0, 255]."""
        if self.exponent == 1.0:
            return image.astype(np.float32)
        return self._table()[image]

    def encode(self, light: np.ndarray) -> np.ndarray:
        """Light in [0, 255] back to intensities, float32 in [0, 255]."""
        if self.exponent == 1.0:
            return np.asarray(light, np.float32)
        scaled = np.clip(np.asarray(light, np.float32) / 255.0, 0.0, 1.0)
        return 255.0 * scaled ** np.float32(1.0 / self.exponent)

    def _table(self) -> np.ndarray:
        return (255.0 * (np.arange(256) / 255.0) ** self.exponent).astype(np.float32)


identity = Response()


def response(name: str) -> Response:
    """The curve called `name`; raises ValueError naming the choices for any other string."""
    if name == "identity":
        return identity
    try:
        exponent = float(name.removeprefix("gamma")) if name.startswith("gamma") else None
    except ValueError:
        exponent = None
    if exponent is None:
        raise ValueError(f'response: "identity" or "gamma<exponent>" such as "gamma2.2", got {name!r}')
    return Response(exponent)
