"""From the words of a command line to a composed configuration: quoting, composition, and what a resumed run adds.

Only the standard library is imported at the top, so that `facedeblur --help` answers at once.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.plugins import normalised, targets, trusted
from facedeblur.settings import added_defaults
from facedeblur.status import trained_on

# last parts of keys whose value is a path
PATH_KEYS = ("root", "val_root", "cache", "output", "resume", "checkpoint", "init")
HIDDEN = ("base",)  # options that others are made from
LIST_KEYS = ("method", "blur")  # of an evaluation
HOME_INSIDE = re.compile(r"(?<=[:,\[\s])~[^,\[\]{}'\"]*")  # a path below `~` inside a mapping or list
AUTHORS_SUFFIXES = (".pt", ".pth", ".mat")  # of the compared networks' files, which say nothing of settings


def conf_dir() -> Path:
    """The Hydra tree: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    return next((c for c in (package / "conf", package.parent / "conf") if (c / "train.yaml").is_file()), package)


def quoted(override: str) -> str:
    """A path as the value of an override: `~` expanded, and quoted, so that blanks, commas and equal signs survive.

    Paths are the values of PATH_KEYS, and whatever begins with `~`, also inside a mapping or list.
    """
    key, equals, value = override.partition("=")
    if not equals or not value or value in ("null", "auto") or value[0] in "'\"$":
        return override
    if value[0] in "[{":
        return f"{key}={HOME_INSIDE.sub(lambda found: _as_text(found[0].rstrip()), value)}"
    path = key.lstrip("+").rsplit(".", 1)[-1] in PATH_KEYS or value[0] == "~"
    return f"{key}={_as_text(value)}" if path else override


def _as_text(path: str) -> str:
    """A path with `~` expanded, as a quoted text of Hydra's grammar, which knows no `~` outside of quotes."""
    escaped = os.path.expanduser(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def listed(override: str) -> str:
    """`method=a,b` and `blur=a,b` of an evaluation as the lists they stand for: `methods=["a","b"]`, `blurs=[...]`."""
    key, equals, value = override.partition("=")
    if not equals or key not in LIST_KEYS or not value:
        return quoted(override)
    if value[0] not in "[$":
        value = f"[{','.join(_as_text(word.strip()) for word in value.split(','))}]"
    return f"{key}s={value}"


def compose_run(overrides: list[str]):
    """The configuration of a run; on resumption the overrides it was started with count, under those of this command.

    Raises:
        UsageError: the folder holds no run, or this command asks for another network or experiment.
    """
    cfg = asked = compose_config(overrides)
    if not cfg.resume:
        return cfg
    folder = Path(cfg.hydra.run.dir if cfg.resume == "auto" else cfg.resume)
    saved_path = folder / "overrides.json"
    if not saved_path.is_file():
        if cfg.resume == "auto":
            return cfg
        raise UsageError(f"resume: {folder} is no run folder (it has no overrides.json)")
    saved = json.loads(saved_path.read_text())
    by_key = {override.partition("=")[0].lstrip("+"): override for override in [*saved["overrides"], *overrides]}
    by_key["hydra.run.dir"] = f'hydra.run.dir="{folder}"'
    cfg = compose_config(list(by_key.values()))
    plain = as_plain(cfg)
    unnamed = set(targets(plain).values()) - set(targets(as_plain(asked)).values()) - trusted()
    if unnamed:
        remedy = "name it again, by its key or --config-dir: code is not imported because a run folder says so"
        raise UsageError(f"resume: {folder} was begun with the plug-in {sorted(unnamed)[0]}; {remedy}")
    for key, value in saved["identity"].items():
        if _without_additions(plain[key]) != _without_additions(value):
            raise UsageError(f"resume: {folder} was trained with {key}={value}, not {plain[key]}")
    now = trained_on(plain)
    for key, value in saved.get("trained_on", {}).items():
        if now.get(key, value) != value:
            remedy = "a run that learns from something else is another one: choose another name=..."
            raise UsageError(f"resume: {folder} was trained with {key}={value}, not {now[key]}; {remedy}")
    return cfg


def _without_additions(model: object) -> object:
    """Settings of a model without the keys that runs of earlier versions lack, where these say nothing."""
    from facedeblur.models.settings import ModelSettings

    if not isinstance(model, dict):
        return model
    plugins = {role: plugin for role, plugin in (model.get("plugins") or {}).items() if plugin}
    model, added = model | {"plugins": plugins}, added_defaults(ModelSettings)
    return {key: value for key, value in model.items() if key not in added or value != added[key]}


def with_init(overrides: list[str]) -> list[str]:
    """Where a run starts from trained weights (`init=`), or has such as its first step (`hourglass.checkpoint=`):
    `overrides` after the model settings that it takes over.

    Those of this command still count; training refuses the ones that do not fit. Raises UsageError for unknown weights.
    """
    from facedeblur.baselines.names import trained_network
    from facedeblur.models.registry import (
        SUFFIX,
        inherited_settings,
        is_run,
        locate,
        read_metadata,
        run_compared,
        run_model,
        weight_names,
    )

    asked = {key: value.strip("'\"") for key, _, value in (override.partition("=") for override in overrides)}
    taken, compared = {}, {}
    name = asked.get("init", "null")
    if name not in ("", "null"):
        try:
            if is_run(name) and trained_network(name):
                compared = run_compared(name)
            elif Path(name).suffix not in AUTHORS_SUFFIXES:
                taken = run_model(name) if is_run(name) else inherited_settings(locate(name))
                taken.pop("plugins", None)  # a run names its code itself: none is imported because a file says so
        except UsageError as error:
            if asked.get("resume", "null") in ("", "null"):  # a resumed run has its settings and its networks
                raise UsageError(f"init: {error}") from error
    first = asked.get("hourglass.checkpoint", "")
    if first in weight_names() or first.endswith(SUFFIX):  # a network of half the size, however it was trained
        try:
            taken["half_size"] = read_metadata(locate(first).file)["model"]
        except UsageError as error:
            raise UsageError(f"hourglass.checkpoint: {error}") from error
    return [*_model_overrides(taken), *_model_overrides(compared, "compared."), *overrides]


def _model_overrides(model: dict, prefix: str = "model.") -> list[str]:
    """Model settings as overrides. Hydra knows no quoted keys: a group in them becomes one override for each key."""
    words = []
    for key, value in model.items():
        if key == "half_size" and value:
            words += _model_overrides(value, f"++{prefix.lstrip('+')}half_size.")
        else:
            words.append(f"{prefix}{key}={json.dumps(value)}")
    return words


def as_plain(cfg) -> dict:
    """The configuration without Hydra's own part, as plain dictionaries, lists and numbers."""
    from omegaconf import OmegaConf

    own = OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])
    plain = OmegaConf.to_container(own, resolve=True)
    plain = normalised(plain)
    return plain | {"scale": plain["scale"]["name"]} if "scale" in plain else plain


def with_config_dir(words: list[str]) -> list[str]:
    """`--config-dir <folder>`, which holds options of the user's own, as the override that it stands for.

    Raises:
        UsageError: a folder that is not there.
    """
    kept, folders, waiting = [], [], iter(words)
    for word in waiting:
        flag, equals, value = word.partition("=")
        if flag not in ("--config-dir", "-cd"):
            kept.append(word)
            continue
        folder = Path(value if equals else next(waiting, "")).expanduser()
        if not str(folder) or not folder.is_dir():
            raise UsageError(f"{flag}: {folder} is not a folder; it holds options of yours, as experiment/mine.yaml")
        folders.append(f'"file://{folder.resolve()}"')
    return [*kept, f"hydra.searchpath=[{','.join(folders)}]"] if folders else kept


def compose_config(overrides: list[str], name: str = "train", resolve: bool = True):
    """The configuration of `conf/<name>.yaml` under `overrides`; with `resolve` its interpolations are tried, too.

    Raises:
        UsageError: naming the key or group.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            cfg = compose(name, overrides, return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        if resolve:
            OmegaConf.resolve(OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]))
        return cfg
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(one_line(error, name)) from error


def constant(overrides: list[str]) -> list[str]:
    """Those of a multirun's `overrides` that all its jobs have. Raises UsageError for one that cannot be read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except OverrideParseException as error:
        raise UsageError(f"{error.override}: {str(error).splitlines()[0]}") from error
    return [word for word, override in zip(overrides, parsed, strict=True) if not override.is_sweep_override()]


def one_line(error: Exception, name: str) -> str:
    """Hydra's message without its follow-up lines, with the nearest key that exists."""
    from hydra.errors import OverrideParseException

    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, OverrideParseException) and "=" in error.override:
        remedy = "a value that holds ( ) = : or a comma goes into quotes of its own, as 'name=\"a, b\"'"
        return f"{error.override}: cannot be read; {remedy}"
    keep = []
    for line in lines:
        if line.startswith("Config search path"):
            break
        if line in HIDDEN:
            continue
        if not line.startswith(("full_key", "object_type", "reference_type", "To append", "Set the env")):
            keep.append(line)
    if lines and "_target_'" in lines[0]:
        remedy = "code of your own has places of its own, as model.plugins.generator; docs/extend.md"
        return f"{lines[0].rstrip('.')}: {remedy}"
    near = _nearest_key(lines[0], name) if lines else None
    remedy = f"did you mean {near}?" if near else f"`facedeblur {name} --help` lists groups and keys"
    return f"{' '.join(keep).rstrip('.')}: {remedy}"


def _nearest_key(message: str, name: str) -> str | None:
    """The existing key most like the one that could not be overridden."""
    import difflib
    import re

    from omegaconf import OmegaConf

    found = re.search(r"Could not override '([^']+)'", message)
    if not found:
        return None
    tree = OmegaConf.to_container(compose_config([], name), resolve=False)
    tree.pop("hydra")
    last = found[1].rpartition(".")[2]
    for near in difflib.get_close_matches(found[1], list(_key_names(tree)), n=5):
        # keys of one section are alike for its name alone
        if difflib.SequenceMatcher(None, last, near.rpartition(".")[2]).ratio() >= 0.6:
            return near
    return None


def _key_names(tree: dict, prefix: str = ""):
    for key, value in tree.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _key_names(value, f"{prefix}{key}.")
