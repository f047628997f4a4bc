"""The console script: what `facedeblur <command>` does, and how its errors end.

Only the standard library is imported at the top: `facedeblur --help` answers at once, and a wrong key or value stops
the command before torch is loaded.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module

from facedeblur.errors import UsageError
from facedeblur.extras import explained, need

HELP = """\
facedeblur: train, compare and use face motion-deblurring networks

usage: facedeblur <command> [key=value ...]

  deblur     deblur the faces in photos and videos: facedeblur deblur photo.jpg -o photo.png
  train      train a deblurrer: corpus, hourglass stage, adversarial stage, table, preview.png
  sweep      train every variant of a ready sweep with every seed, one job per device, and compare them on one page
  prepare    index, track and plan the videos without training; one report as a page and tables
  evaluate   score methods on a test set under blurs: landmarks, identity, SSIM, time; one row per image
  score      the same metrics for two folders of images: facedeblur score RESTORED SHARP
  report     tables, plots and one HTML page from an evaluation's folder
  exemplars  sharp faces out of photos, for the compared method pan14_faces
  motion     how faces in videos move, to move those of photos by in training
  export     a run's network as weights to ship, or for other runtimes
  serve      a page on this machine to try it: drop a photo or a clip, compare, download
  doctor     versions, devices, codecs and one training step on every device
  new        a plug-in of your own, with its test: facedeblur new plugin network my_net.py
  --completion bash|zsh   tab completion: eval "$(facedeblur --completion bash)" in ~/.bashrc
  --version  print the version; FACEDEBLUR_TRACEBACK=1 shows where an error comes from
  --help     print this; `facedeblur train --help` lists groups, keys and examples

examples:
  facedeblur train                                         the demo: rendered faces, minutes on two cores
  facedeblur train data=clips data.root=~/videos           your videos, one sub-folder per identity
  facedeblur train experiment=no_identity seed=1           an ablation of the paper's table 4
  facedeblur evaluate method=outputs/final/demo-s0         its rows beside those of the blurry and the sharp images
  facedeblur train resume=auto                             continue where the last run was stopped
  facedeblur sweep ablations                               the whole table 4, three seeds each
  facedeblur train --config-dir my_conf experiment=mine    with code of your own: docs/extend.md
  facedeblur deblur photo.jpg -o out/ --weights outputs/mine/demo-s0 --plugin my_net.py:Net
"""

# commands that take Hydra overrides, with the tree in conf/ they compose; see hydra_commands.py
COMPOSED = {"train": "train", "prepare": "train", "evaluate": "evaluate"}
# commands that take flags: the module whose `main(argv)` runs them and returns the exit status
FLAGGED = {
    "deblur": "facedeblur.inference.command",
    "doctor": "facedeblur.training.doctor",
    "exemplars": "facedeblur.data.exemplars",
    "export": "facedeblur.export.command",
    "motion": "facedeblur.data.record_motion",
    "new": "facedeblur.scaffold",
    "report": "facedeblur.report.command",
    "score": "facedeblur.evaluation.score",
    "serve": "facedeblur.serve.command",
    "sweep": "facedeblur.sweep",
}
# what a command needs beyond the light core
NEEDED = dict.fromkeys((*COMPOSED, "sweep"), ("hydra", "omegaconf", "pytorch_lightning")) | {"report": ("matplotlib",)}


def without_plugins(words: list[str]) -> list[str]:
    """The words but for `--plugin <target>`, whose code may be imported from here on."""
    kept, named, waiting = [], [], iter(words)
    for word in waiting:
        flag, equals, value = word.partition("=")
        if flag == "--plugin":
            named.append(value if equals else next(waiting, ""))
        else:
            kept.append(word)
    if named:
        from facedeblur.plugins import check_target, trust

        for target in named:
            check_target(target, "--plugin")
        trust(named)
    return kept


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the process's exit status (2: the user can fix it, 1: it failed, 130: interrupted)."""
    try:
        status = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:  # who read our output, such as `head`, has seen enough; nothing is left for Python to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _run(argv: list[str]) -> int:
    # Threads that wait for one another sleep: beside other programs a spinning one keeps the very core from the thread
    # that it waits for. OpenMP reads this when torch loads, here and in the processes that we start.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not os.environ.get("FACEDEBLUR_TRACEBACK"):  # we name a strange picture ourselves
        warnings.filterwarnings("ignore", module=r"PIL\.")
    command, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    try:
        if not {"-h", "--help"} & set(rest):
            need(f"facedeblur {command}", *NEEDED.get(command, ()))
        if command in ("-h", "--help", "help"):
            print(HELP, end="")
        elif command == "--version":
            from facedeblur import __version__

            print(__version__)
        elif command == "--completion":
            from facedeblur.completion import script

            print(script(*(rest or [""])[:1]), end="")
        elif command == "--complete":
            from facedeblur.completion import answers

            print("\n".join(answers([*COMPOSED, *FLAGGED], COMPOSED)))
        elif command in COMPOSED and {"-sc", "--shell-completion"} & set(rest):  # as other Hydra programs have it
            from facedeblur.completion import script

            print(script(rest[-1].partition("=")[2]), end="")
        elif command in COMPOSED:
            if "-h" in rest or "--help" in rest:
                from facedeblur.command_help import command_help

                print(command_help(command), end="")
            else:
                from facedeblur.hydra_commands import run_command

                run_command(command, COMPOSED[command], rest)
        elif command in FLAGGED:
            return import_module(FLAGGED[command]).main(without_plugins(rest))
        else:
            raise UsageError(f"{command}: no such command; there are {', '.join([*COMPOSED, *FLAGGED])}")
    except UsageError as error:
        print(f"facedeblur: error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        message = explained(error, f"facedeblur {command}")
        if message is None:
            raise
        print(f"facedeblur: error: {message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("facedeblur: interrupted", file=sys.stderr)
        return 130
    return 0
