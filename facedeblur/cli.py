"""The console script: `facedeblur train | prepare | doctor`. Hydra's objects stop here.

Only the standard library is imported at the top: `facedeblur --help` answers at once, and a wrong key or value stops
the command before torch is loaded.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HELP = """\
facedeblur: train, compare and use face motion-deblurring networks

usage: facedeblur <command> [key=value ...]

  train      train a deblurrer: corpus, hourglass stage, adversarial stage, table, preview.png
  prepare    index, track and plan the videos without training; prints counts, writes plots
  doctor     versions, devices, codecs and one training step on every device
  --version  print the version
  --help     print this; `facedeblur train --help` lists groups, keys and examples

examples:
  facedeblur train                                         the demo: rendered faces, minutes on two cores
  facedeblur train data=clips data.root=~/videos           your videos, one sub-folder per identity
  facedeblur train experiment=no_identity seed=1           an ablation of the paper's table 4
  facedeblur train resume=auto                             continue where the last run was stopped
"""

TRAIN_HELP = """\
facedeblur {command}: {what}

usage: facedeblur {command} [group=option ...] [key=value ...]

groups (an option is a small file in {conf}):
{groups}

keys people change most:
  data.root=<folder>        videos, one sub-folder per identity (with data=clips); data.val_root=<folder> to validate on
  name=<text> seed=<n>      the run's folder: <output>/<experiment>/<name>-s<seed>
  resume=auto|<run folder>  continue optimizer, schedule, random states and stream position
  trainer.minutes=<n>       stop after so long; trainer.epochs=<n> plans the length
  trainer.devices=<n>       processes (default auto: every GPU)
  model.global_residual=true, loss.projection=0, blur.stride=3, ...: any key of the tree

  --cfg job                 print the composed configuration and stop
  -m                        multirun: every combination of comma-separated values
"""

COMMANDS = {
    "train": "train the experiment, its hourglass stage first",
    "prepare": "index, track and plan the videos; training then starts at once",
}


class UsageError(Exception):
    """Something the user can mend; printed as one line."""


def conf_dir() -> Path:
    """The Hydra tree: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    return next((c for c in (package / "conf", package.parent / "conf") if (c / "train.yaml").is_file()), package)


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the process's exit status (2: the user can mend it, 1: it failed, 130: interrupted)."""
    argv = sys.argv[1:] if argv is None else argv
    command, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    try:
        if command in ("-h", "--help", "help"):
            print(HELP, end="")
        elif command == "--version":
            from facedeblur import __version__

            print(__version__)
        elif command in COMMANDS and ("-h" in rest or "--help" in rest):
            print(_train_help(command), end="")
        elif command in COMMANDS:
            _hydra_command(command, rest)
        elif command == "doctor":
            from facedeblur.training.doctor import doctor

            return doctor()
        else:
            raise UsageError(f"{command}: no such command; there are {', '.join([*COMMANDS, 'doctor'])}")
    except UsageError as error:
        print(f"facedeblur: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("facedeblur: interrupted", file=sys.stderr)
        return 130
    return 0


def _train_help(command: str) -> str:
    groups = []
    for folder in sorted(path for path in conf_dir().iterdir() if path.is_dir()):
        options = sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "base")
        if options:
            groups.append(f"  {folder.name:<12}{', '.join(options)}")
    return TRAIN_HELP.format(command=command, what=COMMANDS[command], conf=conf_dir(), groups="\n".join(groups))


def _hydra_command(command: str, arguments: list[str]) -> None:
    """Checks the configuration, then hands over to Hydra, which also serves multiruns and its own flags."""
    import hydra
    from hydra.core.hydra_config import HydraConfig

    overrides = [argument for argument in arguments if not argument.startswith("-")]
    asks_hydra = any(argument.startswith("-") for argument in arguments)
    if not asks_hydra:
        plain = _checked(_compose(overrides), overrides)
        if plain["resume"]:
            arguments = [*arguments, f"hydra.run.dir='{plain['run_folder']}'"]

    original = sys.argv
    outcome: list[BaseException] = []

    def task(cfg) -> None:
        sys.argv = original  # a DDP child is started with the command line as the user typed it
        try:
            plain = _checked(cfg, overrides)
            _work(command, plain | {"run_folder": HydraConfig.get().runtime.output_dir})
        except (UsageError, KeyboardInterrupt) as error:
            outcome.append(error)  # Hydra would print its own stack around it

    sys.argv = [original[0], *arguments]
    try:
        hydra.main(config_path=str(conf_dir()), config_name="train", version_base="1.3")(task)()
    finally:
        sys.argv = original
    if outcome:
        raise outcome[0]


def _compose(overrides: list[str]):
    """The configuration for `overrides`. Raises UsageError naming the key or group."""
    from hydra import compose, initialize_config_dir
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            cfg = compose("train", overrides, return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        OmegaConf.resolve(OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]))
        return cfg
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    """Hydra's message without its follow-up lines, with the nearest key that exists."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    keep = []
    for line in lines:
        if line.startswith("Config search path"):
            break
        if not line.startswith(("full_key", "object_type", "reference_type", "To append", "Set the env")):
            keep.append(line)
    near = _nearest_key(lines[0]) if lines else None
    remedy = f"did you mean {near}?" if near else "`facedeblur train --help` lists groups and keys"
    return f"{' '.join(keep).rstrip('.')}: {remedy}"


def _nearest_key(message: str) -> str | None:
    """The existing key most like the one that could not be overridden."""
    import difflib
    import re

    from omegaconf import OmegaConf

    found = re.search(r"Could not override '([^']+)'", message)
    if not found:
        return None
    tree = OmegaConf.to_container(_compose([]), resolve=False)
    tree.pop("hydra")
    near = difflib.get_close_matches(found[1], list(_key_names(tree)), n=1)
    return near[0] if near else None


def _key_names(tree: dict, prefix: str = ""):
    for key, value in tree.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _key_names(value, f"{prefix}{key}.")


def _checked(cfg, overrides: list[str]) -> dict:
    """The configuration as plain numbers, on resumption that of the run folder; checked, files included."""
    from omegaconf import OmegaConf

    from facedeblur.training.from_plain import SettingsError
    from facedeblur.training.settings import run_settings

    plain = OmegaConf.to_container(OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]), resolve=True)
    plain["scale"] = plain["scale"]["name"]
    folder = Path(plain["output"]) / plain["experiment"] / f"{plain['name']}-s{plain['seed']}"
    if plain["resume"]:
        folder = folder if plain["resume"] == "auto" else Path(plain["resume"])
        plain = _resumed(plain, folder, overrides)
    try:
        settings = run_settings(plain)
    except SettingsError as error:
        raise UsageError(error) from error
    _check_files(settings)
    return plain | {"run_folder": str(folder)}


def _resumed(plain: dict, folder: Path, overrides: list[str]) -> dict:
    """The saved configuration of `folder` under this command's plain key=value overrides."""
    from omegaconf import OmegaConf

    saved_path = folder / "config.yaml"
    if not saved_path.is_file():
        if plain["resume"] == "auto":
            return plain
        raise UsageError(f"resume: {folder} is no run folder (it has no config.yaml)")
    saved = OmegaConf.load(saved_path)
    for key in ("experiment", "scale", "data.name", "blur.name"):
        wanted = OmegaConf.select(OmegaConf.create(plain), key)
        if OmegaConf.select(saved, key) != wanted and any(o.startswith(f"{key.split('.')[0]}=") for o in overrides):
            raise UsageError(f"resume: {folder} was trained with {key}={OmegaConf.select(saved, key)}, not {wanted}")
    for override in overrides:
        key, _, _ = override.lstrip("+").partition("=")
        if "." in key or key in ("jobs", "output"):
            OmegaConf.update(saved, key, OmegaConf.select(OmegaConf.create(plain), key), force_add=True)
    merged = OmegaConf.to_container(saved)
    return merged | {"resume": plain["resume"], "output": plain["output"]}


def _check_files(settings) -> None:
    """Folders and files the run will need. Raises UsageError naming the key."""
    for prefix, data in (("data", settings.data), ("hourglass.data", settings.hourglass.data)):
        for key in ("root", "val_root"):
            folder = getattr(data, key)
            if folder and not Path(folder).expanduser().is_dir():
                raise UsageError(f"{prefix}.{key}: {folder} is not a folder")
    checkpoint = settings.hourglass.checkpoint
    if checkpoint and not Path(checkpoint).expanduser().exists():
        raise UsageError(f"hourglass.checkpoint: {checkpoint} does not exist")


def _work(command: str, plain: dict) -> None:
    """The command itself, under one-line errors for everything that the user can mend."""
    os.environ.setdefault("ALBUMENTATIONS_OFFLINE", "1")  # no version check over the network
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    from facedeblur.training.run_folder import RunFolder, RunFolderError

    try:
        folder = None
        if command == "train":  # an existing run stops the command before torch is loaded
            main_process = os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"
            folder = RunFolder(plain["run_folder"], resume=bool(plain["resume"]), owner=main_process)
        _run(command, plain, folder)
    except (RunFolderError, ValueError) as error:
        if os.environ.get("FACEDEBLUR_TRACEBACK"):
            raise
        raise UsageError(error) from error
    except OSError as error:
        if error.errno != 28:  # ENOSPC
            raise
        raise UsageError(f"{error.filename or 'disk'}: no space left; the last checkpoint is intact") from error


def _run(command: str, plain: dict, folder) -> None:
    from facedeblur.data.prepare import PrepareError
    from facedeblur.faces.dlib_models import FacesExtraError
    from facedeblur.training import stages
    from facedeblur.training.checkpoint import CheckpointError
    from facedeblur.training.guards import NanLossError

    try:
        if command == "train":
            stages.train(plain, folder)
        else:
            stages.prepare(plain)
    except (PrepareError, FacesExtraError, CheckpointError, NanLossError) as error:
        raise UsageError(error) from error
