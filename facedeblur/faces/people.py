"""Who is who: pieces of tracks joined into people, by their faces' embeddings and by where they continue."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from facedeblur.faces.dlib_models import landmark_box
from facedeblur.faces.follow import SAME_FACE, Piece, iou
from facedeblur.faces.protocols import Embedder

SAME_PERSON = 0.55  # largest distance of two pieces' embeddings; dlib's own limit for single images is 0.6
CONTINUED = 0.65  # the same where one piece takes up where the other left off
PAUSE = 25  # frames that may lie between the two


def join_people(pieces: Sequence[Piece], embedder: Callable[[], Embedder] | None) -> list[list[Piece]]:
    """The pieces of each person, the most prominent person first: the largest sum of face areas over frames.

    Nobody is in two places at once, so pieces that share frames are of different people. Without an embedder, only a
    piece that takes up in the same shot and place where another left off is of the same person.

    Args:
        embedder: makes the embedder; called only when there is a question to answer.
    """
    if len(pieces) < 2:
        return [[piece] for piece in pieces]
    embed = embedder() if embedder else None
    known = {id(piece): _embedding(piece, embed) for piece in pieces} if embed else {}
    people: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: (-piece.weight, piece.start)):
        best, nearest = None, np.inf
        for person in people:
            if any(other.start < piece.stop and piece.start < other.stop for other in person):
                continue
            continued = any(_continues(piece, other) for other in person)
            if embed is None:
                distance, limit = 0.0 if continued else np.inf, 0.0
            else:
                distance = min(float(np.linalg.norm(known[id(piece)] - known[id(other)])) for other in person)
                limit = CONTINUED if continued else SAME_PERSON
            if distance <= limit and distance < nearest:
                best, nearest = person, distance
        if best is None:
            people.append([piece])
        else:
            best.append(piece)
    return sorted(people, key=lambda person: -sum(piece.weight for piece in person))


def _embedding(piece: Piece, embedder: Embedder) -> np.ndarray:
    """Mean over the piece's samples, (128,)."""
    return np.mean([embedder.embed(image, points) for _, image, points in piece.samples], axis=0)


def _continues(a: Piece, b: Piece) -> bool:
    first, second = (a, b) if a.start < b.start else (b, a)
    near = a.shot == b.shot and second.start - first.stop <= PAUSE
    return near and iou(landmark_box(first.landmarks[-1]), landmark_box(second.landmarks[0])) >= SAME_FACE
