"""Code of the user's own, named in a configuration or on the command line: where it is, what it must be, what it was.

A target is written as

    file.py:Name            a class or function in a file, relative to the folder the command runs in
    package.module.Name     one of an importable module
    name                    an entry point of the group `facedeblur.plugins` of an installed package

and in a configuration as `{_target_: <target>, <option>: <value>, ...}`. Before anything heavy loads only the file and
the name in it are looked at, as text (`check_target`); the import, and what it must be able to do, come after
(`load_target`, `make`). Code is imported because a configuration or a flag names it, never because a file of weights or
a checkpoint does.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from facedeblur.errors import UsageError

TARGET = "_target_"
GROUP = "facedeblur.plugins"
SOURCE = "_source_"  # of a plug-in as text: its file and that file's hash
# where a configuration may hold plug-ins
STAGE_PLACES = ("blur.plugins.*", "data.augmentation", "trainer.callbacks.*", "trainer.metrics.*", "trainer.optimizer")
PLACES = (
    *(f"{stage}{place}" for stage in ("", "hourglass.") for place in (*STAGE_PLACES, "trainer.schedule")),
    *("model.plugins.*", "loss.terms.*", "logger.loggers.*"),
)
TRUSTED = "FACEDEBLUR_PLUGINS"  # environment variable: targets that may be imported, one a line


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
    name, file = _place(target, key)
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


def load_target(target: str, key: str) -> Any:
    """Imports what a target names. Raises PluginError naming the key, the target and what its import threw."""
    check_target(target, key)
    target = registered().get(target, target)
    try:
        if ".py:" in target:
            file, _, name = target.rpartition(":")
            return getattr(_module_of(Path(file).expanduser().resolve()), name)
        module, _, name = target.rpartition(".")
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever the user's code may do when it is imported
        raise PluginError(
            f"{key}: {target} cannot be imported: {type(error).__name__}: {_first_line(error)}"
        ) from error


def make(plugin: Mapping[str, Any], key: str, *arguments: Any, **named: Any) -> Any:
    """Calls a plug-in's target with `arguments`, `named` and the plug-in's own options.

    Raises PluginError naming the key, also for whatever the call throws.
    """
    options = {name: value for name, value in plugin.items() if name != TARGET}
    target = load_target(plugin[TARGET], key)
    if not callable(target):
        raise PluginError(f"{key}: {plugin[TARGET]} must be a class or a function, got {type(target).__name__}")
    try:
        inspect.signature(target).bind(*arguments, **named, **options)
    except TypeError as error:
        known = "" if inspect.isbuiltin(target) else f"; it is {_name(target)}{inspect.signature(target)}"
        raise PluginError(f"{key}: {plugin[TARGET]}: {error}{known}") from error
    except ValueError:  # no signature to be had, as of some classes of C
        pass
    try:
        return target(*arguments, **named, **options)
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"{key}: {plugin[TARGET]}: {type(error).__name__}: {_first_line(error)}") from error


def function_of(plugin: Mapping[str, Any], key: str, ignored: Sequence[str] = ()) -> Callable[..., Any]:
    """What a plug-in computes: a class is made once with its options, a function gets them at every call.

    Args:
        ignored: options that are not for the plug-in itself.

    Raises:
        PluginError: as `make`.
    """
    options = {name: value for name, value in plugin.items() if name not in (TARGET, *ignored)}
    target = load_target(plugin[TARGET], key)
    if isinstance(target, type):
        made = make({TARGET: plugin[TARGET], **options}, key)
        require(made, key, "callable", ("__call__",))
        return made
    if not callable(target):
        raise PluginError(f"{key}: {plugin[TARGET]} must be a class or a function, got {type(target).__name__}")
    return partial(target, **options)


def as_text(plugin: Mapping[str, Any] | None, key: str) -> str:
    """A plug-in as text that changes with its options and its file, "" for none: for settings that are hashed."""
    if plugin is None:
        return ""
    return json.dumps({**plugin, SOURCE: source_of(plugin[TARGET], key)}, sort_keys=True)


def from_text(text: str) -> dict[str, Any]:
    """The plug-in of `as_text`."""
    return {name: value for name, value in json.loads(text).items() if name != SOURCE}


def require(value: object, key: str, what: str, methods: Sequence[str]) -> None:
    """Raises PluginError unless `value` has `methods`, each of them callable; `what` says what they would make it."""
    missing = [name for name in methods if not callable(getattr(value, name, None))]
    if missing:
        raise PluginError(f"{key}: {type(value).__name__} must be {what}; it has no {', '.join(missing)}()")


def trust(targets: Iterable[str]) -> None:
    """Targets that this process, and those it starts, may import for a run or a file of weights that names them."""
    known = trusted()
    known |= {_absolute(target) for target in targets}
    if known:
        os.environ[TRUSTED] = "\n".join(sorted(known))


def trusted() -> set[str]:
    """The targets that `trust` was told of, here or in the process that started this one."""
    return set(filter(None, os.environ.get(TRUSTED, "").split("\n")))


def trusted_target(target: str, key: str) -> str:
    """What may be imported for `target`: itself, or a file of the same name that lies elsewhere now.

    Raises PluginError where nobody but a file asks for its code.
    """
    known, wanted = trusted(), _absolute(target)
    if wanted in known:
        return wanted
    moved = [other for other in known if other.endswith("/" + wanted.rpartition("/")[2])]
    if moved:
        return sorted(moved)[0]
    told = "code is imported only when you name it: --plugin"
    raise PluginError(f"{key}: was trained with {target}; {told} {target} (evaluate: plugins=[{target}])")


def _absolute(target: str) -> str:
    file, colon, name = target.rpartition(":")
    return f"{Path(file).expanduser().resolve()}:{name}" if colon and file.endswith(".py") else target


def described(plain: object) -> dict[str, dict[str, str]]:
    """Key -> target, file and SHA-256 of every plug-in of a configuration: what a run writes down."""
    return {key: source_of(target, key) for key, target in targets(plain).items()}


def source_of(target: str, key: str) -> dict[str, str]:
    """A target, the file that holds it and the hash of that file. Raises PluginError where it is not there."""
    _, file = _place(target, key)
    if file is None:
        return {"target": target}
    return {"target": target, "file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def _place(target: str, key: str) -> tuple[str, Path | None]:
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


def _module_of(file: Path) -> Any:
    """The module of a file, imported once a process, under a name that no other file's has."""
    name = f"facedeblur_plugin_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, file)
        module = module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


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


def _name(target: object) -> str:
    return getattr(target, "__name__", type(target).__name__)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
