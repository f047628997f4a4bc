"""`python -m benchmarks.pictures [--weights NAME] [--out docs]`: the README's before and after, made anew.

The photo is the astronaut Eileen Collins (NASA, public domain), which comes with scikit-image. It is blurred as a whole
by a shaking hand (a random trajectory) and in the head alone by its motion, and goes through the front door with its
default flags, as anybody's photo does. Of the first eight blurs of each kind the third strongest is shown, whatever
becomes of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw
from skimage import data

from facedeblur.blur.face_fields import displacement_fields
from facedeblur.blur.kernels import apply_kernel
from facedeblur.blur.photo_motion import MotionSettings, motion_blur, moving
from facedeblur.blur.trajectory import TrajectorySettings, trajectory_kernel_at
from facedeblur.faces.crop import crop, crop_box
from facedeblur.files import write_atomic
from facedeblur.inference.api import FaceDeblurrer
from facedeblur.inference.find import FaceFinder
from facedeblur.inference.load import load
from facedeblur.inference.video import VideoDeblurrer

SEEDS = range(8)
ROWS = slice(0, 384)  # of the photo that are shown
FRAMES, EXPOSURE, STEPS = 16, 1.5, 15  # of the clip; the shutter's time in frames; positions that are averaged
SIDE = 256  # of the clip's pictures


def blurred(photo: np.ndarray, points: np.ndarray) -> dict[str, np.ndarray]:
    """name -> the photo (H, W, 3) uint8, blurred in one of two ways."""
    moved = [motion_blur(photo, points, seed, MotionSettings(camera=0.0)) for seed in SEEDS]
    return {"camera shake": shaken(photo, points), "head motion": _strong(moved, photo, points)}


def shaken(photo: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The photo under the third strongest of some trajectories of a shaking hand."""
    side = crop_box(points).side
    pictures = [apply_kernel(photo, trajectory_kernel_at(seed, side, TrajectorySettings())) for seed in SEEDS]
    return _strong(pictures, photo, points)


def _strong(pictures: list[np.ndarray], photo: np.ndarray, points: np.ndarray) -> np.ndarray:
    third = sorted(pictures, key=lambda picture: psnr(picture, photo, points))[2]
    return np.rint(third).clip(0, 255).astype(np.uint8)


def clip(photo: np.ndarray, points: np.ndarray) -> Iterator[np.ndarray]:
    """A head that sways and nods, filmed with a long exposure: frames (H, W, 3) uint8, the last leads to the first."""
    fields = displacement_fields(photo.shape[:2], points, False)
    for frame in range(FRAMES):
        time = 2 * np.pi * (frame + EXPOSURE * np.linspace(-0.5, 0.5, STEPS)) / FRAMES
        none = np.zeros_like(time)
        amounts = [0.13 * np.sin(time), 0.05 * np.sin(2 * time), 0.05 * np.sin(time + 1)]
        amounts += [0.05 * np.sin(time + 0.5), none, 0.03 - 0.03 * np.cos(2 * time)]
        frames = list(moving(photo.astype(np.float32), np.stack(amounts, axis=1).astype(np.float32), fields))
        yield np.rint(np.mean(frames, axis=0)).astype(np.uint8)


def beside(before: np.ndarray, after: np.ndarray, title: str) -> np.ndarray:
    """Both pictures, a white line between them, and what they are in the corners."""
    both = np.hstack([before, np.full((before.shape[0], 4, 3), 255, np.uint8), after])
    image = Image.fromarray(both)
    draw = ImageDraw.Draw(image)
    for x, text in ((8, title), (before.shape[1] + 12, "deblurred")):
        draw.text((x, 6), text, fill="white", stroke_width=2, stroke_fill="black", font_size=18)
    return np.asarray(image)


def psnr(picture: np.ndarray, photo: np.ndarray, points: np.ndarray) -> float:
    """Of the face's crop, in dB."""
    error = crop(picture.astype(float) - photo, crop_box(points))
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def encoded(image: np.ndarray, quality: int) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
    return buffer.getvalue()


def draw(model: FaceDeblurrer, out: Path) -> Iterator[str]:
    """Writes the pictures; yields a line for each."""
    photo = np.ascontiguousarray(data.astronaut())
    points = FaceFinder.dlib().find(photo)[0]
    rows = []
    for name, picture in blurred(photo, points).items():
        after = model(picture)
        rows.append(beside(picture[ROWS], after[ROWS], name))
        before_db, after_db = psnr(picture, photo, points), psnr(after, photo, points)
        yield f"{name}: the face has {before_db:.2f} dB before and {after_db:.2f} dB after"
    rows.insert(1, np.full((4, rows[0].shape[1], 3), 255, np.uint8))
    write_atomic(out / "before-after.jpg", encoded(np.vstack(rows), 88))
    yield f"{out / 'before-after.jpg'}"
    frames = list(clip(photo, points))
    change = VideoDeblurrer(model.deblurrer, model.size, model.video_finder)
    x, y = (points.min(0) + points.max(0)) / 2
    left, top = int(np.clip(x - SIDE / 2, 0, 512 - SIDE)), int(np.clip(y - SIDE / 2, 0, 512 - SIDE))
    place = (slice(top, top + SIDE), slice(left, left + SIDE))
    # the clip runs twice, and the second time is shown: the first has no frames before it
    shown = [beside(a[place], b[place], "blurred") for a, b in change(iter(frames * 2))][FRAMES:]
    buffer = BytesIO()
    images = [Image.fromarray(frame) for frame in shown]
    images[0].save(buffer, "WEBP", save_all=True, append_images=images[1:], duration=100, loop=0, quality=75, method=6)
    write_atomic(out / "before-after.webp", buffer.getvalue())
    yield f"{out / 'before-after.webp'}"


if __name__ == "__main__":
    cv2.setNumThreads(1)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("--weights", help="a name or a file (default: what ships)")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder (default: docs)")
    arguments = parser.parse_args()
    for text in draw(load(arguments.weights), arguments.out):
        print(text, flush=True)
