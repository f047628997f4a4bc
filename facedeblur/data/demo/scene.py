"""One head before one background: turns a shot of a trajectory into a picture and its true landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facedeblur.data.demo.appearance import build_texture
from facedeblur.data.demo.background import draw_background
from facedeblur.data.demo.head import MODES, Head, Pose, turn_rigidly
from facedeblur.data.demo.identity import Identity
from facedeblur.data.demo.motion import Shot
from facedeblur.data.demo.portrait import ORIGIN, SCALE
from facedeblur.data.demo.warp import invert

CLOSENESS = 1.2 / 256  # frame pixels per native pixel, over the frame's width: hardly more than the photograph holds
_CENTRE = np.array([225.0, 128.0])  # native point that rests in the middle of the frame
_LASHES = 0.75  # how far closed lids darken what is left between them
_NODE = 2  # frame pixels between the points where the lookup is solved


class Person:
    """Texture and head geometry of one identity, shared by all of their clips."""

    def __init__(self, identity: Identity):
        self.identity = identity
        self.texture = build_texture(identity)
        self.head = Head(self.texture.landmarks)


@dataclass(frozen=True)
class _Opening:
    """Where lips or lids part: the rows and columns and colour channels of the frame around it, its first pixel (x, y),
    and the part (h, w) of each pixel, in [0, 1], that shows what is behind."""

    window: tuple[slice, slice, slice]
    origin: tuple[int, int]
    weight: np.ndarray


class Scene:
    """`person` before the background of `corpus` drawn from `seed`, in frames of `size` x `size` pixels."""

    def __init__(self, person: Person, corpus: str, size: int, seed: tuple[int, ...]):
        self.person = person
        self.size = size
        self.plate = draw_background(corpus, size, seed)
        x, y = np.meshgrid(*(np.arange(0, size, _NODE, dtype=np.float32) + (_NODE - 1) / 2,) * 2)
        self.nodes = np.stack([x, y], -1)

    def draw(self, shot: Shot) -> tuple[np.ndarray, np.ndarray]:
        """The picture (size, size, 3) RGB uint8, and its landmarks (68, 2) float32 in its pixels."""
        camera = self._camera(shot)
        displacement = self.person.head.displacement(shot.pose)
        landmarks = _apply(camera, self.person.head.points(displacement))
        coarse = invert(displacement, _apply(_inverse(camera), self.nodes))
        lookup = cv2.resize(coarse, (self.size, self.size), interpolation=cv2.INTER_LINEAR)
        rgba = cv2.remap(self.person.texture.rgba, lookup, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        self._open_mouth(rgba, self._opening(lookup, landmarks[48:68]), camera, shot.pose)
        lids = self._opening(lookup, landmarks[36:48])
        shade = 1 - _LASHES * shot.pose.modes[MODES.index("blink")] * lids.weight[..., None]
        rgba[lids.window] = np.round(rgba[lids.window] * shade)
        return _over(rgba, self._background(shot)), landmarks.astype(np.float32)

    def _camera(self, shot: Shot) -> np.ndarray:
        """(2, 3) similarity from native to frame pixels."""
        scale = CLOSENESS * self.size * shot.zoom
        linear = scale * _rotation(shot.tilt)
        place = (self.size - 1) / 2 + self.size * (np.array(shot.shift) + shot.camera)
        return np.concatenate([linear, (place - linear @ _CENTRE)[:, None]], 1).astype(np.float32)

    def _background(self, shot: Shot) -> np.ndarray:
        """The plate, which follows the camera fully, the person's shift and zoom in part: it is far away."""
        linear = shot.zoom**0.35 * _rotation(shot.tilt)
        place = (self.size - 1) / 2 + self.size * (0.6 * np.array(shot.shift) + shot.camera)
        middle = np.full(2, (self.plate.shape[0] - 1) / 2)
        matrix = np.concatenate([linear, (place - linear @ middle)[:, None]], 1)
        return cv2.warpAffine(self.plate, matrix, (self.size, self.size), borderMode=cv2.BORDER_REFLECT)

    def _opening(self, lookup: np.ndarray, landmarks: np.ndarray) -> _Opening:
        left, top = np.clip(np.floor(landmarks.min(0)).astype(int) - 2, 0, self.size - 1)
        right, bottom = np.clip(np.ceil(landmarks.max(0)).astype(int) + 3, 1, self.size)
        local = np.ascontiguousarray(lookup[top:bottom, left:right])
        weight = cv2.remap(self.person.texture.openings, local, None, cv2.INTER_LINEAR) / np.float32(255)
        return _Opening((slice(top, bottom), slice(left, right), slice(3)), (left, top), weight)

    def _open_mouth(self, rgba: np.ndarray, opening: _Opening, camera: np.ndarray, pose: Pose) -> None:
        """Show teeth and cavity, which stay with the skull, where the lips part."""
        texture = self.person.texture
        to_native = np.array([[1 / SCALE, 0, ORIGIN[0]], [0, 1 / SCALE, ORIGIN[1]]])
        to_native[:, 2] += (np.array(texture.inner_origin) + 0.5) / SCALE - 0.5
        matrix = _compose(camera, _compose(turn_rigidly(pose, self.person.head.teeth), to_native))
        matrix[:, 2] -= opening.origin
        inner = cv2.warpAffine(texture.inner, matrix, opening.weight.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        weight = opening.weight[..., None]
        rgba[opening.window] = np.round(rgba[opening.window] * (1 - weight) + inner * weight)


def _over(rgba: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Premultiplied colours over an opaque background, in integers."""
    clear = 255 - rgba[..., 3:].astype(np.uint16)
    behind = (background * clear + 127) // 255
    return np.minimum(rgba[..., :3] + behind, 255).astype(np.uint8)


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def _compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    linear = outer[:, :2] @ inner[:, :2]
    return np.concatenate([linear, (outer[:, :2] @ inner[:, 2] + outer[:, 2])[:, None]], 1)


def _inverse(matrix: np.ndarray) -> np.ndarray:
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, (-linear @ matrix[:, 2])[:, None]], 1)
