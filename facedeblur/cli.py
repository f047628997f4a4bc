"""The console script: `facedeblur train | prepare | doctor`. Hydra's objects stop here.

Only the standard library is imported at the top: `facedeblur --help` answers at once, and a wrong key or value stops
the command before torch is loaded.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

HELP = """\
facedeblur: train, compare and use face motion-deblurring networks

usage: facedeblur <command> [key=value ...]

  train      train a deblurrer: corpus, hourglass stage, adversarial stage, table, preview.png
  prepare    index, track and plan the videos without training; prints counts, writes plots
  doctor     versions, devices, codecs and one training step on every device
  --version  print the version; FACEDEBLUR_TRACEBACK=1 shows where an error comes from
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


PATH_KEYS = ("root", "val_root", "cache", "output", "resume", "checkpoint")  # last parts of keys whose value is a path


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
    from hydra.types import RunMode

    flags = [argument for argument in arguments if argument.startswith("-")]
    overrides = [_quoted(argument) for argument in arguments if not argument.startswith("-")]
    if not flags:
        overrides = _with_saved(overrides)
        _checked(_compose(overrides))

    original = sys.argv
    outcome: list[BaseException] = []

    def task(cfg) -> None:
        sys.argv = original  # a DDP child is started with the command line as the user typed it
        try:
            plain = _checked(cfg)
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                _refuse_ddp(plain)
            composed_of = list(HydraConfig.get().overrides.task)  # in a multirun, those of this job
            _work(command, plain, Path(HydraConfig.get().runtime.output_dir), composed_of)
        except UsageError as error:
            outcome.append(error)  # Hydra would print its own stack around it
        except KeyboardInterrupt as error:
            if flags:  # ends a multirun, not only this job
                raise
            outcome.append(error)

    task.command = command  # for launchers that start it as a process of its own
    sys.argv = [original[0], *(map(_quoted, arguments) if flags else overrides)]  # a flag's value stays behind it
    try:
        hydra.main(config_path=str(conf_dir()), config_name="train", version_base="1.3")(task)()
    finally:
        sys.argv = original
    if outcome:
        raise outcome[0]


def _quoted(override: str) -> str:
    """A path as the value of an override: `~` expanded, and quoted, so that blanks, commas and equal signs survive."""
    key, equals, value = override.partition("=")
    plain = value and value not in ("null", "auto") and value[0] not in "'\"[{$"
    if not equals or not plain or key.lstrip("+").rsplit(".", 1)[-1] not in PATH_KEYS:
        return override
    escaped = os.path.expanduser(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'{key}="{escaped}"'


def _with_saved(overrides: list[str]) -> list[str]:
    """On resumption: the overrides the run was started with, under those of this command; else `overrides` as given.

    Raises UsageError where the folder holds no run, or this command asks for another network or experiment.
    """
    import json

    cfg = _compose(overrides)
    wanted = _plain(cfg)
    if not wanted["resume"]:
        return overrides
    folder = Path(cfg.hydra.run.dir if wanted["resume"] == "auto" else wanted["resume"])
    saved_path = folder / "overrides.json"
    if not saved_path.is_file():
        if wanted["resume"] == "auto":
            return overrides
        raise UsageError(f"resume: {folder} is no run folder (it has no overrides.json)")
    saved = json.loads(saved_path.read_text())
    by_key = {override.partition("=")[0].lstrip("+"): override for override in [*saved["overrides"], *overrides]}
    by_key["hydra.run.dir"] = f'hydra.run.dir="{folder}"'
    merged = list(by_key.values())
    plain = _plain(_compose(merged))
    for key, value in saved["identity"].items():
        if plain[key] != value:
            raise UsageError(f"resume: {folder} was trained with {key}={value}, not {plain[key]}")
    return merged


def _plain(cfg) -> dict:
    """The configuration without Hydra's own part, as plain dictionaries, lists and numbers."""
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]), resolve=True)
    return plain | {"scale": plain["scale"]["name"]}


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


def _checked(cfg) -> dict:
    """The configuration as plain numbers, after every check that needs neither torch nor a video."""
    from facedeblur.training.from_plain import SettingsError
    from facedeblur.training.settings import run_settings

    plain = _plain(cfg)
    try:
        settings = run_settings(plain)
    except SettingsError as error:
        raise UsageError(error) from error
    _check_files(settings)
    return plain


def check_pool_job(cfg) -> None:
    """For launchers that give each job one device: raises UsageError where the job would stop, or want several.

    `cfg` is the job's whole composed configuration, which must be the one that HydraConfig holds.
    """
    _refuse_ddp(_checked(cfg), visible=1)


def _refuse_ddp(plain: dict, visible: int | None = None) -> None:
    """Raises UsageError where a job of a multirun would be several processes: each would start the sweep anew.

    Args:
        visible: the devices that `auto` stands for; None asks torch.
    """
    for prefix, trainer in (("trainer", plain["trainer"]), ("hourglass.trainer", plain["hourglass"]["trainer"])):
        devices = trainer["devices"]
        if devices == "auto" and visible is None:
            from facedeblur.training import hardware

            devices = hardware.device_count(hardware.accelerator_name("auto"), devices)
        processes = int(visible if devices == "auto" else devices) * int(trainer["nodes"])
        if processes > 1:
            raise UsageError(
                f"{prefix}.devices: a job of -m runs in one process, not in {processes} by DDP; set {prefix}.devices=1 "
                f"and {prefix}.nodes=1, or leave the devices to hydra/launcher=gpu_pool, one job on each"
            )


def _check_files(settings) -> None:
    """Folders, files and packages the run will need. Raises UsageError naming the key."""
    from importlib.util import find_spec

    for prefix, data in (("data", settings.data), ("hourglass.data", settings.hourglass.data)):
        for key in ("root", "val_root"):
            folder = getattr(data, key)
            if folder and not Path(folder).is_dir():
                raise UsageError(f"{prefix}.{key}: {folder} is not a folder")
    checkpoint = settings.hourglass.checkpoint
    if checkpoint and not settings.resume and not Path(checkpoint).exists():
        raise UsageError(f"hourglass.checkpoint: {checkpoint} does not exist")
    if settings.logger.tensorboard and find_spec("tensorboard") is None:
        raise UsageError('logger.tensorboard: needs `pip install "facedeblur[tensorboard]"`')


def _work(command: str, plain: dict, folder: Path, overrides: list[str]) -> None:
    """The command itself, under one-line errors for everything that the user can mend."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # no version check over the network
    from facedeblur.training.run_folder import RunFolder, RunFolderError, is_main_process

    try:
        if command == "prepare":
            _run(lambda stages: stages.prepare(plain))
            return
        # an existing run stops the command before torch is loaded
        run = RunFolder(folder, resume=bool(plain["resume"]), owner=is_main_process())
        _run(lambda stages: stages.train(plain, run, overrides))
    except (RunFolderError, ValueError) as error:
        if os.environ.get("FACEDEBLUR_TRACEBACK"):
            raise
        raise UsageError(error) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise UsageError(
            f"{error.filename or folder}: no space left on the disk; the last checkpoint is intact"
        ) from error


def _run(work: Callable) -> None:
    from facedeblur.data.prepare import PrepareError
    from facedeblur.faces.dlib_models import FacesExtraError
    from facedeblur.training import stages
    from facedeblur.training.checkpoint import CheckpointError
    from facedeblur.training.guards import NanLossError

    try:
        work(stages)
    except (PrepareError, FacesExtraError, CheckpointError, NanLossError) as error:
        raise UsageError(error) from error
