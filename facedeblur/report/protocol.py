"""What `protocol.json` of an evaluation says, in words: for captions, and in full for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 400


def protocol_sentence(protocol: Mapping[str, Any]) -> str:
    """The protocol as a caption states it: corpus, size, truth, judges and measures; what is not known is left out."""
    corpus, judges = _mapping(protocol, "corpus"), _mapping(protocol, "judges")
    metrics = _mapping(protocol, "metrics")
    parts = []
    if corpus:
        count = f"{corpus['clips']} clips of {corpus['identities']} people" if "clips" in corpus else ""
        parts.append(", ".join(filter(None, [f"Corpus {corpus.get('name', '')}", count])))
    if "image_size" in protocol:
        parts.append(f"images of {protocol['image_size']} px")
    if corpus.get("truth"):
        parts.append(f"truth: {corpus['truth']}")
    if "localizer" in judges:
        given = judges.get("box") == "truth"
        box = "given the true box" if given else "which has to find the face (a miss is a failure)"
        limit = metrics.get("failure_threshold", 0.08)
        parts.append(f"judge: {judges['localizer']}, {box}")
        parts.append(f"error normalised by the diagonal of the true box, AUC and failures at {limit:g}")
    if judges.get("embedder") not in (None, "none"):
        parts.append(f"identity: {judges['embedder']}")
    if "ssim" in metrics:
        parts.append("SSIM of the luminance (Wang 2004) on 8-bit crops")
    return "; ".join(parts) + "."


def is_nested(value: Any) -> bool:
    """Whether a value needs more than a line."""
    return isinstance(value, Mapping)


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """("judges.localizer", "dlib") for every leaf of nested values."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{name}.")
        else:
            yield name, value_text(value)


def value_text(value: Any) -> str:
    """A leaf in one line, cut where it is very long."""
    if isinstance(value, (list, tuple)):
        text = ", ".join(value_text(item) for item in value)
    elif isinstance(value, float):
        text = f"{value:g}"
    else:
        text = "–" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _mapping(protocol: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = protocol.get(key)
    return value if isinstance(value, Mapping) else {}
