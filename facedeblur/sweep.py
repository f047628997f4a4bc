"""`facedeblur sweep <name>`: a ready multirun of conf/sweep, one job per device, and the page about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.overrides import compose_config, conf_dir, quoted

HELP = """\
facedeblur sweep: train every variant with every seed, one job per device, and compare them on one page

usage: facedeblur sweep <name> [key=value ...]

sweeps (each is a small file in {conf}):
{sweeps}

keys people change most:
  seed=0,1                        other values for what the sweep varies; experiment=final,no_identity likewise
  trainer=smoke                   seconds a job, to try the machinery
  hydra.launcher.gpus=[0,2]       these GPUs (default: all; without any, ids are slots on the CPU; [] is one slot)
  hydra.launcher.jobs_per_gpu=2   jobs side by side on one
  hydra/launcher=slurm|ray        on a cluster, see docs/sweeps.md
  output=<folder>                 runs go to <output>/<sweep>/<variant>/s<seed>

The same command again skips what is done and resumes what is not. Exit status: 0 all jobs done, 1 one failed,
2 nothing was started, 130 stopped.
"""


def main(argv: Sequence[str]) -> int:
    """Runs the sweep, then writes its page; returns the exit status.

    Raises:
        UsageError: the sweep does not exist or cannot be composed.
    """
    files = {path.stem: path for path in sorted((conf_dir() / "sweep").glob("*.yaml")) if path.stem != "base"}
    if not argv or argv[0] in ("-h", "--help"):
        sweeps = "\n".join(f"  {name:<16}{_summary(path)}" for name, path in files.items())
        print(HELP.format(conf=conf_dir() / "sweep", sweeps=sweeps), end="")
        return 0
    name, overrides = argv[0], [quoted(override) for override in argv[1:]]
    if name not in files:
        raise UsageError(f"sweep {name}: there is none in {conf_dir() / 'sweep'}; there are {', '.join(files)}")
    places = [o for o in overrides if o.partition("=")[0] in ("output", "sweep.name", "hydra.sweep.dir")]
    cfg = compose_config([f"sweep={name}", *places])
    status = _run(["-m", f"sweep={name}", *overrides])
    folder = Path(cfg.hydra.sweep.dir)
    if status != 2 and any(folder.glob("*/*/job.json")):  # none: it did not compose, which was said
        from facedeblur.report.sweep.command import write_report

        try:
            write_report(folder)
        except OSError as error:
            where = error.filename or folder / "report"
            print(f"{where}: the page is not written ({error.strerror}): facedeblur report {folder}", file=sys.stderr)
    return status


def _run(arguments: list[str]) -> int:
    from facedeblur.hydra_commands import run_command

    try:
        run_command("train", "train", arguments)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except KeyboardInterrupt:
        print("facedeblur: interrupted", file=sys.stderr)
        return 130
    return 0


def _summary(path: Path) -> str:
    comments = [line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("# ")]
    return next((line for line in comments if not line.startswith("@")), "")
