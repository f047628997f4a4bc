"""facedeblur: train, compare and use face motion-deblurring networks (Chrysos, Favaro, Zafeiriou)."""

from __future__ import annotations

__version__ = "0.1.0"
