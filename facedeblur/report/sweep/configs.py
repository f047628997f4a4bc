"""Configurations of runs as flat keys: what varies in a sweep, and how two runs differ."""

from __future__ import annotations

from facedeblur.report.sweep.read import Run, Sweep

# keys that say where a run lies or which one it is, not what it computes
NOT_COMPUTED = ("output", "name", "resume", "jobs", "seed", "sweep", "logger", "data.cache", "hourglass.data.cache")


def flat(tree: object, prefix: str = "") -> dict[str, object]:
    """{"a": {"b": 1}} -> {"a.b": 1}; lists stay values."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    found: dict[str, object] = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def computing(run: Run) -> dict[str, object]:
    """The flat keys that decide what the run computes, its seed apart."""
    return {
        key: value
        for key, value in flat(run.config).items()
        if not any(key == place or key.startswith(f"{place}.") for place in NOT_COMPUTED)
    }


def varied(sweep: Sweep) -> dict[str, dict[str, object]]:
    """Keys whose values differ between variants: key -> variant -> value."""
    configs = {}
    for run in sweep.runs:
        if run.config:
            configs.setdefault(run.variant, computing(run))
    keys = dict.fromkeys(key for config in configs.values() for key in config)
    values = {key: {variant: config.get(key) for variant, config in configs.items()} for key in keys}
    return {key: by for key, by in values.items() if len({repr(value) for value in by.values()}) > 1}


def varied_numbers(sweep: Sweep) -> dict[str, dict[str, float]]:
    """As `varied`, if only numbers vary (a grid); else empty."""
    found = varied(sweep)
    numeric = all(
        isinstance(value, (int, float)) and not isinstance(value, bool)
        for by in found.values()
        for value in by.values()
    )
    return found if numeric else {}  # type: ignore[return-value]
