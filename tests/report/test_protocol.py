from __future__ import annotations

from facedeblur.report.protocol import flattened, protocol_sentence, value_text


def test_a_caption_states_what_is_known_and_no_more():
    judges = {"localizer": "dlib", "embedder": "dlib", "box": "detect"}
    corpus = {"name": "helen", "clips": 330, "identities": 330, "truth": "annotated landmarks"}
    full = protocol_sentence({"corpus": corpus, "image_size": 128, "judges": judges, "metrics": {"ssim": "..."}})
    assert full.startswith(
        "Corpus helen, 330 clips of 330 people; images of 128 px; truth: annotated landmarks; judge: dlib"
    )
    assert "a miss is a failure" in full and "at 0.08; identity: dlib; SSIM" in full
    assert "given the true box" in protocol_sentence({"judges": judges | {"box": "truth"}})
    blurry = protocol_sentence({"corpus": {"name": "real_world"}, "judges": {"embedder": "dlib"}})
    assert blurry == "Corpus real_world; identity: dlib."


def test_nested_values_become_lines():
    values = {"a": {"b": 1, "c": [1, 2.5]}, "d": None, "e": {}}
    assert list(flattened(values)) == [("a.b", "1"), ("a.c", "1, 2.5"), ("d", "–"), ("e", "{}")]
    assert len(value_text("x" * 1000)) < 450
