"""One Weights & Biases run per job: named, grouped and identified by what it trains, always finished with its state."""

from __future__ import annotations

import hashlib
import netrc
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

import numpy as np
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from facedeblur.training.loggers.csv_log import MetricsCsv

STEP = "generator_step"
# which value of a metric its summary keeps
SUMMARIES = {
    "val/psnr": "max",
    "val/ssim": "max",
    "train/g_content_image": "min",
    "train/g_reconstruction": "min",
}
SCORES = ("psnr", "ssim")
KEPT_CHECKPOINTS = ("best", "last")


def logged_in() -> bool:
    """Whether wandb finds a key without asking: WANDB_API_KEY, or an entry in the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return any("wandb" in host for host in netrc.netrc().hosts)
    except (OSError, netrc.NetrcParseError):
        return False


def wandb_mode(asked: str) -> str:
    """`auto` is online when logged in, else offline; WANDB_MODE has the last word, as with wandb itself."""
    if asked == "auto":
        return os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")
    return asked


def identity(config: Mapping, folder: Path) -> dict:
    """What distinguishes the run from others, for `wandb.init`: id, name, group, job_type and tags.

    Of a sweep: group is the sweep, and the name reads `final-s0`. The id is that of the run folder, which is the
    sweep's folder with variant and seed: a resumed job goes on in its run, and the same sweep in another folder is
    another. A first stage is shared by variants: it is named by its stacks, and tagged with the key of its folder.
    """
    sweep, seed = config.get("sweep") or {}, config["seed"]
    first_stage = config["stage"] == "hourglass"
    if first_stage:
        variant = f"hourglass-stacks{config['model']['hourglass_stacks']}"
    else:
        variant = sweep.get("variant") or config["experiment"]
    group = sweep.get("name") or config["experiment"]
    name = f"{variant}-s{seed}" if sweep or first_stage else f"{variant}-{config['name']}-s{seed}"
    tags = [variant, f"seed{seed}", config["scale"], config["data"]["name"], config["blur"]["name"]]
    return {
        "id": hashlib.sha256(str(Path(folder).resolve()).encode()).hexdigest()[:16],
        "name": name,
        "group": group,
        "job_type": "hourglass" if first_stage else "train",
        "tags": [*tags, folder.name] if first_stage else tags,
    }


def score_tables(rows: Sequence[Mapping], methods: Sequence[str]) -> dict[str, tuple[list[str], list[list]]]:
    """(columns, rows) of two tables: `scores` by method and blur, `videos` by method and video; means over windows."""
    tables = {}
    for name, key in (("scores", "schedule"), ("videos", "video")):
        groups: dict[tuple[str, str], list[Mapping]] = {}
        for row in rows:
            label = "/".join(PurePath(row[key]).parts[-2:]) if key == "video" else row[key]
            for method in methods:
                groups.setdefault((method, label), []).append(row)
                if key == "schedule":
                    groups.setdefault((method, "all"), []).append(row)
        tables[name] = (
            ["method", key, "windows", "psnr", "ssim"],
            [
                [
                    method,
                    label,
                    len(own),
                    *(float(np.mean([r[f"{method}_{s}"] for r in own])) for s in ("psnr", "ssim")),
                ]
                for (method, label), own in sorted(groups.items())
            ],
        )
    return tables


class WandbLog(Logger):
    """One wandb run, written offline unless logged in. Made at the first thing that is logged.

    Online a resumed run goes on at the server. Offline its file begins with the scores of the attempts before, so that
    the newest file is the whole run, and `wandb sync` of that file is enough.

    Args:
        config: the resolved configuration as a plain dictionary.
        folder: the run folder; wandb's files go to its `wandb/`.
        mode: online or offline.
    """

    def __init__(self, project: str, config: dict, folder: Path, mode: str):
        super().__init__()
        self.project, self.config, self.folder, self.mode = project, config, Path(folder), mode
        self.identity = identity(config, self.folder)
        self._run = None
        self._earlier = self._logged_before() if mode == "offline" else []

    def _logged_before(self) -> list[dict[str, str]]:
        """The rows of metrics.csv up to where the run goes on: what earlier attempts have logged."""
        path = self.folder / "metrics.csv"
        return MetricsCsv(path).rows() if path.is_file() else []

    name = property(lambda self: self.project)
    version = property(lambda self: self.identity["name"])

    @property
    def run(self):
        if self._run is None:
            import wandb

            if self.mode == "offline":
                self._set_aside()
            # tables are staged in the run folder, so that an offline run is whole by itself
            os.environ.setdefault("WANDB_DATA_DIR", str(self.folder / "wandb"))
            self._run = wandb.init(
                project=self.project,
                **self.identity,
                config=self.config,
                dir=str(self.folder),
                mode=self.mode,
                resume="allow",
                reinit="finish_previous",  # the first stage's run may be open in this process
                settings=wandb.Settings(console="off", silent=True),
            )
            self._run.define_metric(STEP, hidden=True)
            self._run.define_metric("*", step_metric=STEP)
            for metric, summary in SUMMARIES.items():
                self._run.define_metric(metric, summary=summary, step_metric=STEP)
            for row in self._earlier:
                values = {name: float(value) for name, value in row.items() if value and name != "step"}
                self._run.log({**values, STEP: int(row["step"])})
        return self._run

    def _set_aside(self) -> None:
        """Moves what earlier attempts wrote to `wandb/earlier/`: this one's file holds their scores too.

        Two files of one id would overwrite each other's summary on the server, or double its history.
        """
        wandb_folder = self.folder / "wandb"
        for segment in wandb_folder.glob(f"offline-run-*-{self.identity['id']}"):
            (wandb_folder / "earlier").mkdir(exist_ok=True)
            segment.rename(wandb_folder / "earlier" / segment.name)

    @rank_zero_only
    def log_hyperparams(self, params, *args, **kwargs) -> None:
        """The configuration is given when the run is made."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.run.log({**metrics, STEP: step})

    @rank_zero_only
    def log_faces(self, grid: np.ndarray, step: int) -> None:
        """The fixed grid of validation faces, an (H, W, 3) uint8 picture."""
        import wandb

        self.run.log({"faces": wandb.Image(grid), STEP: step})

    @rank_zero_only
    def log_scores(self, rows: Sequence[Mapping], methods: Sequence[str], step: int) -> None:
        """The closing tables, from validation rows."""
        import wandb

        tables = {name: wandb.Table(columns, data) for name, (columns, data) in score_tables(rows, methods).items()}
        self.run.log({**tables, STEP: step})

    def finalize(self, status: str) -> None:
        """Lightning calls this after every fit and validation; the run goes on until `finish`."""

    @rank_zero_only
    def finish(self, succeeded: bool) -> None:
        """Closes the run with the job's exit state; online, its best and last checkpoints become artifacts first."""
        if self._run is None:
            return
        if self.mode == "online" and succeeded:
            self._log_checkpoints()
        place = Path(self._run.dir).parent
        self._run.finish(exit_code=0 if succeeded else 1)
        self._run = None
        if self.mode == "offline":
            print(f"wandb was offline; to send this run: wandb sync {shlex.quote(str(place))}", file=sys.stderr)

    def _log_checkpoints(self) -> None:
        import wandb

        for alias in KEPT_CHECKPOINTS:
            path = self.folder / "checkpoints" / f"{alias}.ckpt"
            if path.is_file():
                artifact = wandb.Artifact(f"{self.identity['name']}-{self.identity['id']}", type="checkpoint")
                artifact.add_file(str(path))
                self._run.log_artifact(artifact, aliases=[alias])
