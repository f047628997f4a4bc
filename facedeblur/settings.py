"""Settings: frozen dataclasses from plain dictionaries, and the checks of their values.

What is impossible is refused before anything heavy is imported, in one line that names the full key.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping

from facedeblur.errors import UsageError


class SettingsError(UsageError, ValueError):
    """A key that does not exist or a value that cannot be; the message is one line."""


def build(cls: type, plain: object, path: str = ""):
    """An instance of the dataclass `cls` from a mapping, its fields converted by their annotations.

    Args:
        path: full name of the mapping with a trailing dot, for messages.

    Raises:
        SettingsError: an unknown key, a value of the wrong type, or one that the dataclass itself refuses.
    """
    if not isinstance(plain, Mapping):
        raise SettingsError(f"{path.rstrip('.')}: must hold keys, got {plain!r}")
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]
    for key in plain:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1)
            hint = f"; did you mean {path}{near[0]}?" if near else f"; known here: {', '.join(names)}"
            raise SettingsError(f"{path}{key}: no such key{hint}")
    values = {key: _convert(hints[key], value, f"{path}{key}") for key, value in plain.items()}
    try:
        return cls(**values)
    except SettingsError:
        raise
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{path}{error}") from error


def _convert(kind: object, value: object, path: str):
    """Checks `value` against an annotation: dataclasses, tuples, unions and plain numbers; ints serve as floats."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return build(kind, value, f"{path}.")
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise SettingsError(f"{path}: must be a list, got {value!r}")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_convert(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(value))
        if len(arguments) != len(value):
            raise SettingsError(f"{path}: must be a list of {len(arguments)}, got {value!r}")
        return tuple(
            _convert(a, item, f"{path}[{i}]") for i, (a, item) in enumerate(zip(arguments, value, strict=True))
        )
    if origin in (types.UnionType, typing.Union):
        for option in arguments:
            try:
                return _convert(option, value, path)
            except SettingsError:
                continue
        wanted = " or ".join("null" if a is types.NoneType else getattr(a, "__name__", str(a)) for a in arguments)
        raise SettingsError(f"{path}: must be {wanted}, got {value!r}")
    if origin is not None and isinstance(value, Mapping):  # a mapping of names to numbers
        return {str(key): _convert(arguments[1], item, f"{path}.{key}") for key, item in value.items()}
    if kind is types.NoneType and value is None:
        return None
    if kind is object:  # options of a plug-in: whatever its own code takes
        return value
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    wanted = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}.get(kind, str(kind))
    raise SettingsError(f"{path}: must be {wanted}, got {value!r}")


ADDED = {"added": True}  # metadata of a field that came later: see `hashed`


def hashed(value: object) -> object:
    """Settings as `dataclasses.asdict` has them, for hashing: fields marked as `ADDED` are left out at their default.

    So the keys under which results were cached stay what they were before there was such a field.
    """
    if dataclasses.is_dataclass(value):
        added = added_defaults(type(value))
        values = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: hashed(item) for name, item in values.items() if name not in added or item != added[name]}
    if isinstance(value, Mapping):
        return {key: hashed(item) for key, item in value.items()}
    return [hashed(item) for item in value] if isinstance(value, (list, tuple)) else value


def added_defaults(cls: type) -> dict[str, object]:
    """The fields of a dataclass that came later, and what each says where nothing was said."""
    missing = dataclasses.MISSING
    return {
        field.name: field.default if field.default_factory is missing else field.default_factory()
        for field in dataclasses.fields(cls)
        if field.metadata.get("added", False)
    }


def check(valid: bool, name: str, wanted: str, value: object) -> None:
    """Raise ValueError "<name>: must be <wanted>, got <value>" unless `valid`."""
    if not valid:
        raise ValueError(f"{name}: must be {wanted}, got {value!r}")


def check_range(settings: object, low: float, high: float, *names: str) -> None:
    """Raise ValueError unless each of the named fields is a number in [low, high]."""
    for name in names:
        value = getattr(settings, name)
        check(low <= value <= high, name, f"a number in [{low:g}, {high:g}]", value)


def is_count(value: object, least: int = 1) -> bool:
    """Whether this is a whole number of at least `least`; True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_positive(value: object) -> bool:
    """Whether this is a finite number above 0; True is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def check_count(name: str, value: object, least: int = 1, *others: object) -> None:
    """Raise ValueError unless `value` is a whole number of at least `least`, or one of `others`: "auto", None."""
    wanted = [*("null" if other is None else str(other) for other in others), f"a whole number of at least {least}"]
    check(is_count(value, least) or value in others, name, " or ".join(wanted), value)
