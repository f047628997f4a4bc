"""What `facedeblur <command> --help` prints for the commands that take Hydra overrides."""

from __future__ import annotations

from facedeblur.baselines.names import CLASSICAL, LEARNED
from facedeblur.overrides import conf_dir

SUMMARIES = {
    "train": "train the experiment, its hourglass stage first",
    "evaluate": "score methods on a test set (data) under blurs; one row per image, `blurred` and `oracle` always",
    "prepare": "index, track and plan the videos; training then starts at once",
}

HELP = """\
facedeblur {command}: {what}

usage: facedeblur {command} [group=option ...] [key=value ...]

groups (an option is a small file in {conf}):
{groups}

keys people change most:
  data.root=<folder>        videos, one sub-folder per identity (with data=clips); data.val_root=<folder> to validate on
  data.export=<folder>      prepare: write all pairs there, for any program to read
  data.cache_pairs=png      keep finished pairs (or jpeg: smaller) for corpora that are read many times
  name=<text> seed=<n>      the run's folder: <output>/<experiment>/<name>-s<seed>
  resume=auto|<run folder>  continue optimizer, schedule, random states and stream position
  init=<weights|run folder> go on from shipped weights (a name or a .safetensors file), to fine-tune them, or from a run
  trainer.minutes=<n>       stop after so long; trainer.epochs=<n> plans the length
  trainer.devices=<n>       processes (default auto: every GPU)
  model.global_residual=true, loss.projection=0, blur.stride=3, ...: any key of the tree

  --config-dir <folder>     options of your own, such as <folder>/experiment/mine.yaml: experiment=mine; docs/extend.md
  --cfg job                 print the composed configuration and stop
  -m                        multirun: every combination of comma-separated values
"""

EVALUATE_HELP = """\
facedeblur evaluate: {what}

usage: facedeblur evaluate [method=...] [data=...] [blur=...] [key=value ...]

  method=<a>,<b>   each of them a run folder of `facedeblur train`, the name of shipped weights, a .safetensors or .onnx
                   file, <file>.py:<Class>, or a compared method (docs/methods.md):
                   {classical},
                   {learned}; all: those without <file>
                   <label>=<any but all> names its row
  data=<corpus>    {data}; data.root=<folder> where it lies
  blur=<a>,<b>     of pravg7, pravg9, pravg11, pravg15, pravg21, vla, trajectory (default: all of these), camera_shake

keys people change most:
  name=<text>               rows, images and protocol go to <output>/evaluation/<name>; a later call adds to them,
                            and one that was interrupted goes on
  images=<n>                at most so many windows per blur, spread over people and blur strengths
  split=train|val|test|all  of the corpus; size=<pixels> of the images; save=false keeps no images
  judge.localizer=dlib|<run folder>|<file>.py:<Class>    finds landmarks in restored faces; judge.truth in sharp ones
  judge.box=detect|truth    a face the judge does not find is a failure, or it is given the true box
  judge.embedder=dlib|none|<weight file of a FaceNet>    embeds faces for the identity score
  jobs=<n>                  judging processes (default: one per core)
  plugins=[my_net.py:Net]   networks of your own that a run was trained with

examples:
  facedeblur evaluate method=outputs/final/demo-s0,outputs/no_identity/demo-s0
  facedeblur evaluate method=ours=outputs/final/demo-s0 data=stills data.root=~/photos blur=trajectory
  facedeblur evaluate data=vw300 data.root=~/300VW method=mine.py:Deblurrer blur=pravg7,vla
  facedeblur evaluate method=all,nah17:model-1000.pt data=clips data.root=~/videos images=40
  facedeblur report outputs/evaluation/demo                then tables, plots, galleries and one page

  --cfg job                 print the composed configuration and stop
"""


def command_help(command: str) -> str:
    """What `facedeblur <command> --help` prints: the groups as they lie on disk, and the keys people change most."""
    if command == "evaluate":
        # one corpus at a time, not the mixtures of them that training draws from
        single = {path.stem for path in (conf_dir() / "data").glob("*.yaml")} - {"mixture", "paper"}
        data = ", ".join(sorted(single))
        classical, learned = ", ".join(CLASSICAL), ", ".join(f"{name}:<file>" for name in LEARNED)
        return EVALUATE_HELP.format(what=SUMMARIES[command], data=data, classical=classical, learned=learned)
    groups = []
    for folder in sorted(path for path in conf_dir().iterdir() if path.is_dir()):
        options = sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "base")
        if options:
            groups.append(f"  {folder.name:<12}{', '.join(options)}")
    return HELP.format(command=command, what=SUMMARIES[command], conf=conf_dir(), groups="\n".join(groups))
