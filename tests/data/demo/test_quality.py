"""What the corpus promises: blur of 25 dB, faces a localiser finds where they are, people an embedder tells apart."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from facedeblur.data.demo import DemoSettings
from facedeblur.data.demo.identity import draw_identities
from facedeblur.data.demo.motion import STYLES, draw_trajectory
from facedeblur.data.demo.scene import Person, Scene

DEFAULT = DemoSettings()
LENGTHS = (7, 9, 11, 15, 21)


@pytest.fixture(scope="module")
def people():
    """Every fourth person of the default corpus, those of the validation set included."""
    return [
        Person(identity) for identity in draw_identities(DEFAULT.identities + DEFAULT.val_identities, DEFAULT.seed)[::4]
    ]


def clip(person, number, frames):
    corpus, seed = "AB"[number], (DEFAULT.seed, int(person.identity.name[2:]), number)
    scene = Scene(person, corpus, DEFAULT.size, (*seed, 1))
    shots = draw_trajectory(STYLES[corpus], DEFAULT.frames, DEFAULT.fps, (*seed, 0), DEFAULT.motion)
    images, landmarks = zip(*(scene.draw(shots[index]) for index in frames), strict=True)
    return np.stack(images), np.stack(landmarks)


def square_crop(image, landmarks):
    """Written apart from the package's own crop, so that an error in one shows."""
    low, high = landmarks.min(0), landmarks.max(0)
    side = 1.6 * (high - low).max()
    left, top = (low + high) / 2 - side / 2
    index = np.arange(round(float(side)))
    rows = np.clip(round(float(top)) + index, 0, image.shape[0] - 1)
    columns = np.clip(round(float(left)) + index, 0, image.shape[1] - 1)
    return image[rows][:, columns]


def blur_psnr(images, landmarks):
    middle = landmarks[len(images) // 2]
    crops = [square_crop(image, middle).astype(np.float32) for image in images]
    sharp, blurry = (
        np.rint(cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA))
        for image in (crops[len(crops) // 2], np.mean(crops, axis=0))
    )
    return min(60.0, 10 * np.log10(255**2 / np.mean((sharp - blurry) ** 2)))


@pytest.mark.slow
def test_validation_windows_have_25_dB():  # noqa: N802
    """Every length tiles every clip, as the plan cuts the held-out people's clips."""
    identities = draw_identities(DEFAULT.identities + DEFAULT.val_identities, DEFAULT.seed)[DEFAULT.identities :]
    values = []
    for identity in identities[::2]:
        person = Person(identity)
        for number in (0, 1):
            images, landmarks = clip(person, number, range(DEFAULT.frames))
            for length in LENGTHS:
                windows = [slice(start, start + length) for start in range(0, len(images) - length + 1, length)]
                values += [blur_psnr(images[window], landmarks[window]) for window in windows]
    assert abs(np.mean(values) - 25) < 1
    assert np.percentile(values, 5) < 21 and np.percentile(values, 95) > 29


@pytest.fixture(scope="module")
def judges():
    dlib = pytest.importorskip("dlib", reason="dlib is not installed (extra faces)")
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None:
        pytest.skip("face_recognition_models is not installed (extra faces)")
    models = Path(spec.submodule_search_locations[0]) / "models"
    return (
        dlib.get_frontal_face_detector(),
        dlib.shape_predictor(str(models / "shape_predictor_68_face_landmarks.dat")),
        dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat")),
    )


@pytest.mark.slow
def test_judges_find_the_face_and_its_landmarks_and_tell_people_apart(people, judges):
    detect, localise, embed = judges
    found, errors, embeddings, who = [], [], [], []
    for index, person in enumerate(people):
        for number in (0, 1):
            for image, truth in zip(*clip(person, number, range(4, DEFAULT.frames, 20)), strict=True):
                centre = truth.mean(0)
                boxes = [box for box in detect(image, 1) if box.contains(*map(int, centre))]
                found.append(bool(boxes))
                if boxes:
                    shape = localise(image, boxes[0])
                    marks = np.array([(point.x, point.y) for point in shape.parts()])
                    scale = np.linalg.norm(truth[36] - truth[45])
                    errors.append(np.linalg.norm(marks - truth, axis=1).mean() / scale)
                    embeddings.append(np.array(embed.compute_face_descriptor(image, shape)))
                    who.append((index, number))
    assert np.mean(found) >= 0.95
    assert np.mean(errors) < 0.06

    who = np.array(who)
    first, second = np.triu_indices(len(who), 1)
    same = who[first, 0] == who[second, 0]
    used = ~same | (who[first, 1] != who[second, 1])  # pairs of one person: from different clips
    distance = np.linalg.norm(np.array(embeddings)[first] - np.array(embeddings)[second], axis=1)[used]
    assert _verification_accuracy(distance, same[used]) >= 0.80


def _verification_accuracy(distance, same, folds=10):
    """Mean accuracy over folds, each with the best threshold of the others; as many pairs of either kind."""
    rng = np.random.default_rng(0)
    count = min(same.sum(), (~same).sum())
    chosen = np.concatenate([rng.permutation(np.flatnonzero(kind))[:count] for kind in (same, ~same)])
    chosen = rng.permutation(chosen)
    distance, same, fold = distance[chosen], same[chosen], np.arange(2 * count) % folds
    thresholds = np.linspace(0.1, 0.9, 161)

    def accuracy(threshold, part):
        return np.mean((distance[part] < threshold) == same[part])

    best = [max(thresholds, key=lambda threshold, k=k: accuracy(threshold, fold != k)) for k in range(folds)]
    return np.mean([accuracy(threshold, fold == k) for k, threshold in enumerate(best)])
