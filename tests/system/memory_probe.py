"""How much more memory a long video takes than a short one, all of the way but dlib.

`memory_probe.py SHORT LONG`, in frames, prints it in megabytes.
The videos show two faces, discs on a moving ground, that change their size from frame to frame once they have been at
their largest; the ground changes at once now and then, as at a cut.
"""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO

import cv2
import numpy as np

from facedeblur.cli import main
from facedeblur.inference.api import FaceDeblurrer
from facedeblur.inference.find import FaceFinder
from facedeblur.video.write import write_video

HEIGHT, WIDTH = 360, 640
STEADY = 160  # frames at the beginning in which the faces are at their largest; the encoder fills its own buffers
SHOT = 90  # frames between cuts
RADII = 60.0, 110.0  # crops of 190 to 350 pixels, which overlap


def frames(count: int) -> Iterator[np.ndarray]:
    """RGB uint8 frames (360, 640, 3)."""
    random = np.random.default_rng(0)
    grounds = [cv2.resize(random.integers(0, 90, (9, 32, 3), np.uint8), (2 * WIDTH, HEIGHT)) for _ in range(2)]
    for i in range(count):
        frame = grounds[i // SHOT % 2][:, i % WIDTH :][:, :WIDTH].copy()
        for centre, pace in ((170, 0.37), (470, 0.53)):
            share = 0.5 + 0.5 * np.cos(0.05 * pace * max(i - STEADY, 0))
            radius = RADII[0] + share * (RADII[1] - RADII[0])
            cv2.circle(frame, (centre, 180), round(radius), (200, 190, 180), -1)
        yield cv2.blur(frame, (13, 13))


class Discs:
    """Detector and localiser of the discs."""

    def detect(self, frame: np.ndarray) -> list[tuple[float, float, float, float, float]]:
        bright = (frame[::2, ::2, 1] > 140).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(bright)
        return [(2 * x, 2 * y, 2 * (x + w), 2 * (y + h), 1.0) for x, y, w, h, area in stats[1:].tolist() if area > 400]

    def localize(self, frame: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
        found = self.detect(frame)
        left, top, right, bottom, _ = min(found, key=lambda other: abs(other[0] + other[2] - box[0] - box[2]))
        angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
        x = (left + right) / 2 + (right - left) / 2 * np.cos(angles)
        y = (top + bottom) / 2 + (bottom - top) / 2 * np.sin(angles)
        return np.stack([x, y], axis=1).astype(np.float32)


def peak_of(file: str, count: int) -> float:
    """Peak of this process in MB after it has deblurred `file`; both faces have to be found in every frame."""
    said = StringIO()
    with redirect_stderr(said):
        assert main(["deblur", file, "-o", "out/", "--weights", "discs"]) == 0, said.getvalue()
    faces, seen, total = map(int, re.search(r"(\d+) faces at once in (\d+) of (\d+) frames", said.getvalue()).groups())
    assert seen == total == count and faces == 2, said.getvalue()
    assert "sharp" not in said.getvalue()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    import facedeblur.inference.load as loading

    model = FaceDeblurrer(lambda images: images.square(), 128, finder=FaceFinder(Discs(), Discs()))
    loading.load = lambda weights, device: model
    peaks = []
    for name, count in (("short.mp4", int(sys.argv[1])), ("long.mp4", int(sys.argv[2]))):
        write_video(name, frames(count), preset="ultrafast", crf=20)
        peaks.append(peak_of(name, count))
    print(peaks[1] - peaks[0])
