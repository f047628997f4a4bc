"""Importing what a target names, and calling it; whatever goes wrong in it is one line that names the key."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from facedeblur.plugins.target import TARGET, PluginError, check_target, registered


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
    except (Exception, SystemExit) as error:  # whatever the user's code may do when it is imported
        raise PluginError(
            f"{key}: {target} cannot be imported: {type(error).__name__}: {_first_line(error)}"
        ) from error


def make(plugin: Mapping[str, Any], key: str, *arguments: Any, **named: Any) -> Any:
    """Calls a plug-in's target with `arguments`, `named` and the plug-in's own options.

    Raises:
        PluginError: naming the key, also for whatever the call throws.
    """
    options = {name: value for name, value in plugin.items() if name != TARGET}
    target = _callable(plugin[TARGET], key, lambda signature: signature.bind(*arguments, **named, **options))
    return _Guarded(target, key, plugin[TARGET])(*arguments, **named, **options)


def require_type(made: object, key: str, wanted: type, name: str) -> Any:
    """`made`. Raises PluginError unless it is a `wanted`, which users call by `name`."""
    if not isinstance(made, wanted):
        raise PluginError(f"{key}: must be a {name}, got {type(made).__name__}")
    return made


def function_of(plugin: Mapping[str, Any], key: str, ignored: Sequence[str] = ()) -> Callable[..., Any]:
    """What a plug-in computes: a class is made once with its options, a function gets them at every call.

    Whatever it throws when it is called becomes a PluginError, too.

    Args:
        ignored: options that are not for the plug-in itself.

    Raises:
        PluginError: as `make`, and for an option that the function does not have.
    """
    options = {name: value for name, value in plugin.items() if name not in (TARGET, *ignored)}
    if isinstance(load_target(plugin[TARGET], key), type):
        made = make({TARGET: plugin[TARGET], **options}, key)
        require(made, key, "callable", ("__call__",))
        return _Guarded(made, key, plugin[TARGET])
    target = _callable(plugin[TARGET], key, lambda signature: signature.bind_partial(**options))
    return _Guarded(partial(target, **options), key, plugin[TARGET])


def _callable(name: str, key: str, bind: Callable[[inspect.Signature], object]) -> Callable[..., Any]:
    """The class or function of a target. Raises PluginError where it is neither, or its signature does not fit."""
    target = load_target(name, key)
    if not callable(target):
        raise PluginError(f"{key}: {name} must be a class or a function, got {type(target).__name__}")
    try:
        bind(inspect.signature(target))
    except TypeError as error:
        known = "" if inspect.isbuiltin(target) else f"; it is {_name(target)}{inspect.signature(target)}"
        raise PluginError(f"{key}: {name}: {error}{known}") from error
    except ValueError:  # no signature to be had, as of some classes of C
        pass
    return target


class _Guarded:
    """Code of the user's own, whose errors are one line that names it."""

    def __init__(self, function: Callable[..., Any], key: str, target: str) -> None:
        self.function, self.key, self.target = function, key, target

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        try:
            return self.function(*arguments, **named)
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            raise thrown(error, self.key, self.target) from error


def thrown(error: BaseException, key: str, target: str) -> PluginError:
    """What code of the user's own threw, as one line: where it was in its file, and why."""
    file = target.rpartition(":")[0]
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if file and f.filename.endswith(file)]
    where = f" (line {lines[-1]})" if lines else ""
    return PluginError(f"{key}: {target}{where}: {type(error).__name__}: {_first_line(error)}")


def require(value: object, key: str, what: str, methods: Sequence[str]) -> None:
    """Raises PluginError unless `value` has `methods`, each of them callable; `what` says what they would make it."""
    missing = [name for name in methods if not callable(getattr(value, name, None))]
    if missing:
        raise PluginError(f"{key}: {type(value).__name__} must be {what}; it has no {', '.join(missing)}()")


def _module_of(file: Path) -> Any:
    """The module of a file, imported once a process, under a name that no other file's has."""
    name = f"facedeblur_plugin_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, file)
        module = module_from_spec(spec)
        sys.modules[name] = module
        try:
            with _imports_beside(file.parent):
                spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


_BESIDE: dict[str, Path] = {}  # modules that lie beside a plug-in -> the folder


@contextmanager
def _imports_beside(folder: Path) -> Iterator[None]:
    """Within it, modules of `folder` come first, as for a script that lies there; what another plug-in imported from
    its own folder under the same name is out of the way. Afterwards the folder comes last, for imports in functions.
    """
    away = {name: sys.modules.pop(name) for name, home in _BESIDE.items() if home != folder and name in sys.modules}
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and folder in Path(file).parents:
                _BESIDE[name] = folder
        sys.modules.update(away)


def _name(target: object) -> str:
    return getattr(target, "__name__", type(target).__name__)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
