"""A truly blurred video (section 5.6): only one chosen frame of it is sharp, so only identity is scored.

The rows have neither PSNR, SSIM nor landmark error, and the flag no_truth; `identity_cosine` is that between the
restored face and the face of the chosen sharp frame. Faces are cut out and aligned by the landmarks followed in the
blurry video, the same for every method.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facedeblur.errors import UsageError
from facedeblur.evaluation.names import check_file_names, file_name
from facedeblur.evaluation.restoring import Restorer
from facedeblur.evaluation.rows import FOLDER, ScoreRow, flat, joined, write_rows
from facedeblur.faces import judges
from facedeblur.faces.crop import CropBox, crop, crop_box, points_to_crop, resize
from facedeblur.faces.follow_all import FacesFollower
from facedeblur.files import write_json
from facedeblur.images import write_png
from facedeblur.inference.find import VIDEO_SIDE, FaceFinder
from facedeblur.inference.sharpness import blur_of
from facedeblur.inference.tracks import track_faces
from facedeblur.methods import Method
from facedeblur.metrics.identity import cosine
from facedeblur.versions import versions
from facedeblur.video.fingerprint import fingerprint
from facedeblur.video.open import open_source

BLUR, CORPUS = "real", "real_world"
JUDGE_SIZE = 256  # crops are resized to it for the embedder


@dataclass(frozen=True, eq=False)
class MeasuredFace:
    """The most prominent face of a frame: RGB uint8 (S, S, 3) and its landmarks (68, 2) in pixels of it."""

    frame: int
    image: np.ndarray
    landmarks: np.ndarray


def faces_of(video: Path, size: int) -> Iterator[MeasuredFace]:
    """The face of each frame in which there is one, cut by the crop rule and resized to `size`.

    Raises:
        VideoError: a file that cannot be read.
    """
    finder = FaceFinder.dlib(VIDEO_SIDE)
    follower = FacesFollower(finder.detector, finder.localizer, largest=True)
    with open_source(video) as source:
        for index, (frame, faces) in enumerate(track_faces(source.frames(), follower)):
            if faces:
                yield _cut(index, frame, faces[0].landmarks, size)


def face_in(picture: np.ndarray, name: str, size: int) -> MeasuredFace:
    """The largest face in a photo. Raises UsageError where none is found."""
    found = FaceFinder.dlib().find(picture)
    if not found:
        raise UsageError(f"{name}: no face found; choose another sharp frame")
    return _cut(0, picture, found[0], size)


def face_at(faces: Sequence[MeasuredFace], frame: int, video: Path) -> MeasuredFace:
    """The face of one frame of the video. Raises UsageError where none was found in it, and names the nearest."""
    nearest = min(faces, key=lambda face: abs(face.frame - frame))
    if nearest.frame != frame:
        raise UsageError(f"--sharp {frame}: no face in that frame of {video}; the nearest with one is {nearest.frame}")
    return nearest


def sharpest(faces: Sequence[MeasuredFace]) -> MeasuredFace:
    """The least blurred of some faces, by the perceptual blur metric."""
    return min(faces, key=lambda face: blur_of(face.image.astype(np.float32) / 255))


def score_video(
    video: Path,
    faces: Sequence[MeasuredFace],
    sharp: MeasuredFace,
    chosen: str,
    methods: Sequence[Method],
    folder: Path,
    embedder: str = "dlib",
    device: str = "cpu",
    batch: int = 16,
    progress: Callable[[int, int, str], None] | None = None,
) -> None:
    """Writes the rows, images and protocol of every method on every face into `folder`.

    Rows that are there are kept where they are of the same video, sharp frame, judge and method; all others go.

    Args:
        faces: of the blurry video, all of one size; `sharp` the face that is compared with, `chosen` says which it is.
        methods: all but the oracle, since there is no sharp frame.

    Raises:
        UsageError: there is no embedder, or where methods would share their files.
    """
    model = judges.embedder(embedder)
    if model is None:
        raise UsageError("judge.embedder: none: identity is all that can be scored without a sharp video")
    reference = _embedded(model, sharp.image, sharp)
    methods = [method for method in methods if not method.sharp]
    check_file_names(methods)
    shards = [folder / FOLDER / f"{_key(video, faces, sharp, method, embedder)}.parquet" for method in methods]
    for stale in set((folder / FOLDER).glob("**/*.parquet")) - set(shards):
        stale.unlink()
    for number, (method, shard) in enumerate(zip(methods, shards, strict=True)):
        if shard.exists():
            continue
        restored = Restorer(method, device, batch)([face.image for face in faces])
        rows = []
        for face, result in zip(faces, restored, strict=True):
            embedding = _embedded(model, result.image, face) if result.usable else None
            image = Path("images", BLUR, file_name(video.stem), f"{face.frame:06}", f"{file_name(method.name)}.png")
            write_png(folder / image, result.image)
            rows.append(
                ScoreRow(
                    method=method.name,
                    corpus=CORPUS,
                    blur=BLUR,
                    video=video.name,
                    frame=face.frame,
                    L=1,
                    identity_cosine=None if embedding is None else float(cosine(embedding, reference)),
                    seconds=result.seconds,
                    flags=joined({*result.flags, "no_truth"}),
                    embedding=flat(embedding),
                    image=image.as_posix(),
                )
            )
            if progress:
                progress(number * len(faces) + len(rows), len(methods) * len(faces), method.name)
        write_rows(shard, rows)
    write_png(folder / "images" / "chosen.png", sharp.image)
    size = sharp.image.shape[0]
    write_json(
        folder / "protocol.json",
        {
            "image_size": size,
            "corpus": {"name": CORPUS, "video": video.name, "faces": len(faces), "chosen": chosen},
            "judges": {"embedder": embedder, "align": "landmarks followed in the blurry video", "size": JUDGE_SIZE},
            "methods": {method.name: dict(method.source) for method in methods},
            "versions": versions(),
        },
    )
    write_json(folder / "status.json", {"state": "done"})


def _key(video: Path, faces: Sequence[MeasuredFace], sharp: MeasuredFace, method: Method, embedder: str) -> str:
    """Name of a method's rows, which changes with everything that they depend on."""
    parts = (fingerprint(video), len(faces), sharp.image.tobytes(), method.source.get("fingerprint"), embedder)
    return f"{file_name(method.name)}@{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"


def _cut(index: int, frame: np.ndarray, landmarks: np.ndarray, size: int) -> MeasuredFace:
    box = crop_box(landmarks)
    return MeasuredFace(index, resize(crop(frame, box), size), points_to_crop(landmarks, box, size))


def _embedded(model, image: np.ndarray, face: MeasuredFace) -> np.ndarray:
    whole = CropBox(0, 0, image.shape[0])
    return model.embed(resize(image, JUDGE_SIZE), points_to_crop(face.landmarks, whole, JUDGE_SIZE))
