"""What runs can share, by keys of their configurations: plans of windows, a trained hourglass stage.

Neither torch nor a video is loaded here.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from facedeblur.blur.settings import BlurSettings
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.data.settings import DataSettings
from facedeblur.plugins import described
from facedeblur.settings import hashed
from facedeblur.status import ENDED, read_status
from facedeblur.training.compared_settings import COMPARED
from facedeblur.training.settings import RunSettings

KEY_FILE = "hourglass_key"  # in a finished hourglass run's folder: what `hourglass_key` said of it
NOT_DECISIVE_DATA = ("name", "cache", "workers", "val_windows", "export", "export_layout", "export_image")
NOT_DECISIVE = ("checkpoint_minutes", "validate_every", "log_every", "grid_faces", "threads", "callbacks", "metrics")


def hourglass_key(settings: RunSettings) -> str:
    """Hash of everything that decides the hourglass's weights."""
    own = settings.hourglass
    decisive = {
        "model": {k: v for k, v in hashed(settings.model).items() if k == "image_size" or k.startswith("hourglass_")},
        "data": {k: v for k, v in hashed(own.data).items() if k not in NOT_DECISIVE_DATA},
        "blur": hashed(own.blur),
        "trainer": {k: v for k, v in hashed(own.trainer).items() if k not in NOT_DECISIVE},
        "seed": settings.seed,
    }
    if settings.prepare.decisive() != PrepareSettings().decisive():  # other windows than those of the defaults
        decisive["prepare"] = settings.prepare.decisive()
    first_step = settings.model.plugins.get("first_step")
    plugins = {"first_step": first_step, "optimizer": own.trainer.optimizer, "schedule": own.trainer.schedule}
    code = described(plugins)
    if code:  # other code, another hourglass
        decisive["plugins"] = [{"options": dict(plugins[name]), **source} for name, source in code.items()]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()[:12]


def stages_data(settings: RunSettings) -> list[tuple[str, DataSettings, BlurSettings]]:
    """(title, data, blur) of every stage whose windows the run needs."""
    pairs = settings.stage == "adversarial" or settings.stage in COMPARED
    stages = [(f"{settings.stage} stage", settings.data, settings.blur)] if pairs else []
    if settings.stage == "hourglass" or (settings.stage == "adversarial" and settings.model.conditioned):
        stages.append(("hourglass stage", settings.hourglass.data, settings.hourglass.blur))
    return stages


def hourglass_home(settings: RunSettings) -> Path:
    """The folder of all shared hourglass stages."""
    return Path(settings.output) / "hourglass"


def needs_stage(settings: RunSettings) -> bool:
    """Whether the run trains or shares a first stage: it is conditioned on one and was given no weights of it."""
    given = settings.hourglass.checkpoint or settings.init
    return settings.stage == "adversarial" and settings.model.conditioned and not given


def finished_stage(home: Path, key: str) -> Path | None:
    """A run folder of the hourglass stage that is trained, or was stopped by the stage's own minutes, and has this key,
    whatever its name."""
    for file in sorted(home.glob(f"*/{KEY_FILE}")):
        status = read_status(file.parent)
        if file.read_text() == key and status and status["state"] in ENDED:
            return file.parent
    return None
