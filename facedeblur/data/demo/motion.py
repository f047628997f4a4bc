"""How heads and cameras move in a demo clip: smooth random paths with slow and fast phases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facedeblur.data.demo.head import MODES, Pose

_BLINK = np.array([(0.0, 0.0), (0.08, 0.9), (0.14, 1.0), (0.2, 0.85), (0.32, 0.15), (0.4, 0.0)])  # seconds, weight


@dataclass(frozen=True)
class Style:
    """Ranges of motion. Rotations in radians, shifts in frame widths, zoom as a logarithm, `pace` in turning points of
    the path per second; `surge` is the spread (of the logarithm) between slow and fast phases."""

    yaw: float
    pitch: float
    roll: float
    shift: float
    zoom: float
    pace: float
    surge: float
    shake: float
    talk: float


# A, the studio: the whole head roams in front of a backdrop. B, the talking head: speech, and a camera held by hand.
STYLES = {
    "A": Style(yaw=0.25, pitch=0.15, roll=0.15, shift=0.11, zoom=0.13, pace=1.04, surge=0.7, shake=0.0, talk=0.25),
    "B": Style(yaw=0.16, pitch=0.11, roll=0.1, shift=0.06, zoom=0.05, pace=0.72, surge=0.7, shake=0.015, talk=1.0),
}


@dataclass(frozen=True)
class Shot:
    """One frame of a trajectory: the head's `pose`; `shift` (x, y) of the person and `camera` (x, y) in frame widths;
    `tilt` of the camera in radians; `zoom` factor."""

    pose: Pose
    shift: tuple[float, float]
    camera: tuple[float, float]
    tilt: float
    zoom: float


def draw_trajectory(style: Style, frames: int, fps: float, seed: tuple[int, ...], scale: float = 1.0) -> list[Shot]:
    """`frames` consecutive shots. All parts of the head share one clock that runs slow and fast by turns, so that
    rotation, shift and zoom are strong together; `scale` multiplies every amplitude but speech and blinking."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / fps
    speed = np.exp(style.surge * wander(rng, time / 1.1))
    clock = style.pace * time[-1] * np.concatenate([[0.0], np.cumsum(speed[:-1]) / speed[:-1].sum()])

    def path(amplitude: float, at: np.ndarray = clock) -> np.ndarray:
        return scale * amplitude * np.tanh(0.9 * wander(rng, at))

    yaw, pitch, roll = path(style.yaw), path(style.pitch), path(style.roll)
    x, y = path(1.2 * style.shift), path(0.8 * style.shift)
    zoom = np.exp(path(style.zoom))
    tremble = np.exp(0.7 * wander(rng, time / 0.9))
    camera = [tremble * path(style.shake, time * 4.5) for _ in range(2)]
    tilt = tremble * path(0.8 * style.shake, time * 3.5)
    modes = _expressions(rng, style, time)
    return [
        Shot(
            Pose(float(yaw[i]), float(pitch[i]), float(roll[i]), tuple(float(value) for value in modes[i])),
            (float(x[i]), float(y[i])),
            (float(camera[0][i]), float(camera[1][i])),
            float(tilt[i]),
            float(zoom[i]),
        )
        for i in range(frames)
    ]


def wander(rng: np.random.Generator, at: np.ndarray) -> np.ndarray:
    """A smooth random function with one knot per unit, evaluated at increasing `at` >= 0. The knots' mean is 0 and
    their variance 1 exactly, so that no clip is by chance much calmer than another."""
    from scipy.interpolate import CubicSpline

    count = int(np.ceil(at[-1])) + 4
    knots = rng.standard_normal(count)
    return CubicSpline(np.arange(-1, count - 1), (knots - knots.mean()) / knots.std())(at)


def _expressions(rng: np.random.Generator, style: Style, time: np.ndarray) -> np.ndarray:
    """Weights (F, len(MODES)) of the facial movements."""
    weights = dict.fromkeys(MODES, np.zeros(len(time)))
    weights["blink"] = _blinks(rng, time)
    speaking = style.talk / (1 + np.exp(-4 * (wander(rng, time / 1.2) + 0.5)))
    syllables = wander(rng, time * 6.5)
    rest = rng.uniform(-0.9, 0.1) + 0.3 * wander(rng, time / 1.5)
    mouth = np.clip(speaking * (0.15 + 0.65 * syllables) + (1 - speaking) * rest, -1, 1.3)
    weights["jaw"], weights["close"] = np.maximum(mouth, 0), np.maximum(-mouth, 0)
    weights["round"] = np.clip(0.25 * wander(rng, time) + 0.7 * speaking * wander(rng, time * 4), -0.6, 1.1)
    weights["brows"] = np.clip(0.3 + 0.5 * wander(rng, time * 0.8), -0.2, 1.1)
    return np.stack([weights[mode] for mode in MODES], -1)


def _blinks(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    closed = np.zeros(len(time))
    start = rng.uniform(0.2, 2.0)
    while start < time[-1]:
        closed = np.maximum(closed, np.interp(time - start, _BLINK[:, 0], _BLINK[:, 1]))
        start += 0.6 + rng.exponential(2.2)
    return closed
