"""What a target is, where a configuration may hold one, and whether it is there: looked at as text, not imported."""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from facedeblur.errors import UsageError

TARGET = "_target_"
GROUP = "facedeblur.plugins"
# where a configuration may hold plug-ins
STAGE_PLACES = (
    "blur.plugins.*",
    "blur.windows.*",
    "data.augmentation",
    "trainer.callbacks.*",
    "trainer.metrics.*",
    "trainer.optimizer",
)
PLACES = (
    *(f"{stage}{place}" for stage in ("", "hourglass.") for place in (*STAGE_PLACES, "trainer.schedule")),
    *("model.plugins.*", "loss.terms.*", "logger.loggers.*", "metrics.*", "schedule.plugins.*", "schedule.windows.*"),
)


class PluginError(UsageError, ValueError):
    """A plug-in that is not there, does not import, or is not what was asked for; the message is one line."""


def is_plugin(value: object) -> bool:
    """Whether a value of a configuration stands for a plug-in: a mapping with `_target_`."""
    return isinstance(value, Mapping) and TARGET in value


def is_target(text: str) -> bool:
    """Whether a text is a target that names a file or a module; names of entry points are `registered`.

    >>> is_target("mine.py:Net"), is_target("torch.optim.AdamW"), is_target("table3")
    (True, True, False)
    """
    file, _, name = text.rpartition(":")
    if file.endswith(".py"):
        return name.isidentifier()
    parts = text.split(".")
    return len(parts) > 1 and all(part.isidentifier() for part in parts)


@cache
def registered() -> dict[str, str]:
    """Name -> `module.Name` of what installed packages announce. Raises PluginError for two of one name."""
    found: dict[str, str] = {}
    for point in entry_points(group=GROUP):
        target = point.value.replace(":", ".")
        if found.setdefault(point.name, target) != target:
            raise PluginError(f"{point.name}: two installed packages have a plug-in of this name: "
                              f"{found[point.name]} and {target}; name one of them in full")  # fmt: skip
    return found


def as_plugins(
    given: Mapping[str, Any], key: str = "", allowed: Sequence[str] = (), refused: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Named plug-ins of a configuration, those that are null left out; a bare text is a target without options.

    Args:
        allowed: the names there are; () for any.
        refused: names that something else has.

    Raises:
        PluginError: another name, or something that is no plug-in.
    """
    plugins = {}
    for name, value in given.items():
        where = f"{key}.{name}" if key else str(name)
        if allowed and name not in allowed:
            raise PluginError(f"{where}: no such plug-in; there are {', '.join(allowed)}")
        if name in refused:
            raise PluginError(f"{where}: the name is taken; choose another")
        if value is None:
            continue
        plugin = {TARGET: value} if isinstance(value, str) else value
        if not is_plugin(plugin):
            raise PluginError(f"{where}: must be <file>.py:<Name> or {{{TARGET}: ..., options}}, got {value!r}")
        plugins[name] = dict(plugin)
    return plugins


def check_target(target: object, key: str) -> None:
    """Looks for a target without importing it. Raises PluginError: one line with the key and the remedy."""
    if not isinstance(target, str):
        raise PluginError(f"{key}: {TARGET} must be text, <file>.py:<Name> or <module>.<Name>, got {target!r}")
    name, file = locate(target, key)
    if file is None:  # not Python source: the import will tell
        return
    try:
        names = _top_names(ast.parse(file.read_text(encoding="utf-8"), str(file)))
    except SyntaxError as error:
        raise PluginError(f"{key}: {file}:{error.lineno}: {error.msg}") from error
    except (OSError, ValueError) as error:
        raise PluginError(f"{key}: {file}: not readable as Python ({error})") from error
    if name not in names and "*" not in names and "__getattr__" not in names:
        near = difflib.get_close_matches(name, names, n=1)
        own = ", ".join(sorted({n for n in names if not n.startswith("_")})) or "nothing"
        raise PluginError(f"{key}: {file} has no {name}; " + (f"did you mean {near[0]}?" if near else f"it has {own}"))


def normalised(plain: dict[str, Any]) -> dict[str, Any]:
    """A composed configuration in which every plug-in is a mapping: a bare text at its place is a target."""
    for place in PLACES:
        *parents, last = place.split(".")
        node: Any = plain
        for parent in parents:
            node = node.get(parent) if isinstance(node, Mapping) else None
        if not isinstance(node, dict):
            continue
        for name in list(node) if last == "*" else [last]:
            value = node.get(name)
            if isinstance(value, str) and (is_target(value) or value in registered()):
                node[name] = {TARGET: value}
    return plain


def targets(plain: object, key: str = "") -> dict[str, Any]:
    """Key -> target of every plug-in of a configuration, corpora by their `kind` among them."""
    found: dict[str, Any] = {}
    if isinstance(plain, Mapping):
        if TARGET in plain:
            found[key] = plain[TARGET]
        for name, value in plain.items():
            where = f"{key}.{name}" if key else str(name)
            if name == "kind" and isinstance(value, str) and is_target(value):
                found[where] = value
            found |= targets(value, where)
    elif isinstance(plain, (list, tuple)):
        for place, value in enumerate(plain):
            found |= targets(value, f"{key}[{place}]")
    return found


def check_plugins(plain: object) -> None:
    """`check_target` for every plug-in of a configuration."""
    for key, target in targets(plain).items():
        check_target(target, key)


def locate(target: str, key: str) -> tuple[str, Path | None]:
    """The name that a target asks for, and the source file it should be in, None where there is no source."""
    target = registered().get(target, target)
    if not is_target(target):
        known = ", ".join(sorted(registered())) or "none is installed"
        raise PluginError(f"{key}: {target} is no <file>.py:<Name>, no <module>.<Name> and no entry point ({known})")
    if ".py:" in target:
        file, _, name = target.rpartition(":")
        path = Path(file).expanduser().resolve()
        if not path.is_file():
            raise PluginError(f"{key}: {path}: no such file")
        return name, path
    module, _, name = target.rpartition(".")
    return name, _source_of_module(module, key)


def _source_of_module(module: str, key: str) -> Path | None:
    """The source of a module, found without importing it or its packages."""
    places: Sequence[str] | None = [*dict.fromkeys(["", *sys.path])]
    spec = None
    for depth, part in enumerate(module.split(".")):
        if depth == 0 and part in sys.builtin_module_names:
            return None
        spec = PathFinder.find_spec(part if depth == 0 else ".".join(module.split(".")[: depth + 1]), places)
        if spec is None:
            where = "no such module on the path (PYTHONPATH names further folders)"
            raise PluginError(f"{key}: {module}: {where}; a file of your own is written <file>.py:<Name>")
        places = spec.submodule_search_locations
    origin = spec.origin if spec is not None else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _top_names(tree: ast.Module) -> list[str]:
    """Names that a module defines at its top, also inside of `if` and `try`; "*" for a star import."""
    names: list[str] = []
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            names.append(node.name)
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names += [(alias.asname or alias.name).split(".")[0] for alias in node.names]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)]
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            waiting += list(ast.iter_child_nodes(node))
        elif isinstance(node, ast.ExceptHandler):
            waiting += node.body
    return names
