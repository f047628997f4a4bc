"""What the judges say: with dlib on a rendered face, and the rules whatever the judge."""

from __future__ import annotations

import numpy as np
import pytest

from facedeblur.errors import UsageError
from facedeblur.evaluation.judging import EvalItem, JudgePool, judge
from facedeblur.evaluation.settings import JudgeSettings, evaluation_settings
from facedeblur.evaluation.testset import make_test_set
from facedeblur.faces.dlib_models import has_dlib
from facedeblur.faces.judges import embedder, localizer

dlib_only = pytest.mark.skipif(not has_dlib(), reason="the extra `faces` is not installed")


@pytest.fixture
def pair(plain):
    settings = evaluation_settings(plain())
    tests = make_test_set(settings.data, settings.schedules(), 1)
    return next(tests.pairs(tests.blurs[0], range(1), 128))


@dlib_only
def test_dlib_finds_the_sharp_face_and_loses_a_flat_one(pair):
    flat = np.full_like(pair.sharp, 128)
    sharp, lost, nothing = judge(EvalItem(pair.sharp, pair.truth, [pair.sharp, flat, None]), JudgeSettings())
    assert sharp.error < 0.05 and sharp.landmarks.shape == (68, 2) and sharp.embedding.shape == (128,)
    assert sharp.cosine == pytest.approx(1)
    assert abs(sharp.landmarks - pair.truth).mean() < 5
    assert lost.landmarks is None and lost.error == np.inf  # a failure, not a missing row
    assert lost.cosine < 0.9  # cut by the true landmarks, whether found or not
    assert nothing.error == np.inf and nothing.cosine is None and nothing.embedding is None


@dlib_only
def test_the_true_box_always_gives_landmarks_and_the_judges_alignment_only_where_found(pair):
    flat = np.full_like(pair.sharp, 128)
    question = EvalItem(pair.sharp, pair.truth, [flat])
    assert np.isfinite(judge(question, JudgeSettings(box="truth"))[0].error)
    aligned = judge(question, JudgeSettings(align="judge"))[0]
    assert aligned.embedding is None and aligned.cosine is None


def test_without_truth_there_is_no_error_and_no_reference(judges_file):
    settings = JudgeSettings(f"{judges_file}:Localizer", "dlib", f"{judges_file}:Embedder", box="truth")
    image = np.full((64, 64, 3), 9, np.uint8)
    found = judge(EvalItem(image, None, [image]), settings)[0]
    assert found.landmarks is None and found.error is None and found.cosine is None


def test_an_embedder_of_none_embeds_nothing(pair, judges_file):
    settings = JudgeSettings(f"{judges_file}:Localizer", "dlib", "none", box="truth")
    found = judge(EvalItem(pair.sharp, pair.truth, [pair.blurry]), settings)[0]
    assert found.landmarks is not None and found.embedding is None and found.cosine is None


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (localizer, "mine", "localiser mine: must be dlib"),
        (localizer, "nowhere.py:Mine", "nowhere.py: no such file"),
        (embedder, "facenet", "judge.embedder: facenet: must be dlib, none"),
    ],
)
def test_an_unknown_judge_is_named(make, name, message):
    with pytest.raises(UsageError, match=message):
        make(name)


def test_a_judge_of_the_users_is_checked(judges_file, tmp_path):
    with pytest.raises(UsageError, match="has no Nobody"):
        localizer(f"{judges_file}:Nobody")
    with pytest.raises(UsageError, match="Localizer must be an evaluator of faces; it has no embed"):
        embedder(f"{judges_file}:Localizer")
    with pytest.raises(UsageError, match="no such file"):
        JudgePool(JudgeSettings(f"{tmp_path}/x.py:X", box="truth"), jobs=0)
