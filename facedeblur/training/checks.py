"""Checks of a run before it starts: what is missing on this machine, and what a job of a multirun may not ask for.

Neither torch nor a video is opened here, but for the number of GPUs and for what a compared network starts from.
"""

from __future__ import annotations

from pathlib import Path

from facedeblur.data.corpora import layout
from facedeblur.errors import UsageError
from facedeblur.extras import need
from facedeblur.models.registry import (
    inherited_settings,
    is_run,
    locate,
    read_metadata,
    run_checkpoint,
    run_compared,
    run_folder,
    run_model,
    run_networks,
    run_stage,
)
from facedeblur.models.settings import ModelSettings
from facedeblur.training.compared_settings import COMPARED, ComparedSettings
from facedeblur.training.settings import RunSettings


def refuse_ddp(plain: dict, visible: int | None = None) -> None:
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


def check_files(settings: RunSettings) -> None:
    """Folders, files and packages the run will need. Raises UsageError naming the key."""
    for prefix, data in (("data", settings.data), ("hourglass.data", settings.hourglass.data)):
        corpora = (
            {prefix: data} if data.kind != "mixture" else {f"{prefix}.corpora.{s.name}": s for s in data.sources()}
        )
        for where, corpus in corpora.items():
            for key in ("root", "val_root"):
                folder = getattr(corpus, key)
                if folder and not Path(folder).expanduser().is_dir():
                    wanted = "" if corpus.kind == "demo" else f"; {corpus.kind} expects {layout(corpus.kind)}"
                    raise UsageError(f"{where}.{key}: {folder} is not a folder{wanted}")
    checkpoint = settings.hourglass.checkpoint
    if settings.model.half_size and not settings.resume and settings.init is None:
        if not checkpoint:
            raise UsageError("hourglass.checkpoint: must name the weights that model.half_size describes, got null")
        locate(checkpoint).verify()
    elif checkpoint and not settings.resume:
        _check_first_step(checkpoint)
    if settings.init is not None and not settings.resume:
        if is_run(settings.init) and not run_checkpoint(settings.init).is_file():
            raise UsageError(f"init: {settings.init} has no checkpoint yet; {run_checkpoint(settings.init)} is missing")
        if settings.stage in COMPARED:
            _check_compared_init(settings.stage, settings.compared, settings.init)
        else:
            _check_init(settings.model, settings.init)
    if settings.logger.tensorboard:
        need("logger.tensorboard", "tensorboard")
    if settings.logger.wandb != "off":
        need("logger.wandb", "wandb")


def _check_first_step(checkpoint: str) -> None:
    """A run of the hourglass stage, or a checkpoint of one, which may lie by itself."""
    if not run_checkpoint(checkpoint).exists():
        missing = "does not exist" if not Path(checkpoint).exists() else "has no checkpoint yet"
        raise UsageError(f"hourglass.checkpoint: {checkpoint} {missing}")
    if not (run_folder(checkpoint) / "config.yaml").is_file():
        return
    if (stage := run_stage(checkpoint)) != "hourglass":
        raise UsageError(f"hourglass.checkpoint: {checkpoint} is a run of stage={stage}, not of an hourglass")


def _check_branch(model: ModelSettings, name: str) -> None:
    """A run that another goes on from has its networks, whatever else the two differ in."""
    if (stage := run_stage(name)) != "adversarial":
        raise UsageError(f"init: {name} is a run of stage={stage}, whose networks are others")
    trained = ModelSettings(**run_networks(name))
    for key in ("two_step", *run_model(name)):
        theirs, ours = getattr(trained, key), getattr(model, key)
        if theirs != ours:
            raise UsageError(f"model.{key}: {name} has {theirs}, not {ours}; {_remedy(key)}")


def _remedy(key: str) -> str:
    """What to do where a run and what it begins with differ in a model setting."""
    other = {"plugins": "name its code again, by the same keys", "two_step": "choose another experiment"}
    return other.get(key, "leave the key out, and it is taken over")


def _check_compared_init(stage: str, compared: ComparedSettings, name: str) -> None:
    """A compared network goes on from a run that trained the same one, or from its authors' file."""
    from facedeblur.baselines.names import trained_network

    if not is_run(name):
        from facedeblur.baselines.starting import generator_tensors

        try:
            generator_tensors(stage, name)
        except UsageError as error:
            raise UsageError(f"init: {error}") from error
        return
    if (trained := trained_network(name)) != stage:
        raise UsageError(f"init: {name} is no run of experiment={stage}, but of {trained or 'one of ours'}")
    for key, theirs in run_compared(name).items():
        if theirs != (ours := getattr(compared, key)):
            raise UsageError(
                f"compared.{key}: {name} has {theirs}, not {ours}; leave the key out, and it is taken over"
            )


def _check_init(model: ModelSettings, name: str) -> None:
    if is_run(name):
        _check_branch(model, name)
        return
    weights = locate(name)
    weights.verify()
    inherited = inherited_settings(weights)
    trained = ModelSettings(**read_metadata(weights.file)["model"])
    for key in ("two_step", *inherited):
        theirs, ours = getattr(trained, key), getattr(model, key)
        if theirs != ours:
            raise UsageError(f"model.{key}: {name} was trained with {theirs}, not {ours}; {_remedy(key)}")
