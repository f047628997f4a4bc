"""What the drivers in `experiments/` share: their flags, the trained runs they find, the evaluation, the report.

A driver names its blurs and methods, and makes its tables from the rows; everything else is here.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from facedeblur import cli
from facedeblur.errors import UsageError
from facedeblur.models.registry import weight_names
from facedeblur.overrides import LIST_KEYS, conf_dir
from facedeblur.report.bundle import Report
from facedeblur.report.protocol import protocol_sentence
from facedeblur.report.rows import Rows, common_protocol, read_rows

VARIANTS = ("identity_nohg_only2mf2", "identity_nohg", "no_identity", "final")  # table 4, weakest first
RUN = re.compile(r"((?P<name>.+)-)?s(?P<seed>\d+)")  # folders of runs: of `train` <name>-s<seed>, of a sweep s<seed>
# windows per blur on the demo corpus: an experiment then takes minutes on two cores
DEMO_IMAGES = 96


@dataclass(frozen=True)
class Options:
    """Flags of a driver: where runs are and results go, methods beside the trained runs, overrides for evaluate."""

    runs: Path
    output: Path
    name: str | None
    methods: tuple[str, ...]
    overrides: tuple[str, ...]
    extra: argparse.Namespace

    def override(self, key: str, default: str) -> str:
        """The value the user gave to a key of `facedeblur evaluate`, or `default`."""
        return next((o.split("=", 1)[1] for o in reversed(self.overrides) if o.split("=", 1)[0] == key), default)

    @property
    def corpus(self) -> str:
        """The name of the data, "demo" unless another is given."""
        return self.override("data", "demo")


def parse(doc: str, argv: Sequence[str] | None, add=lambda parser: None) -> Options:
    """Reads a driver's command line; `doc` is its docstring, `add` adds flags of its own."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--runs", type=Path, default=Path("outputs"), help="folder of trained runs, or of a sweep (default outputs)"
    )
    parser.add_argument("--name", help="of the runs, as in train name=...; default: the data's, else the newest")
    parser.add_argument(
        "--methods", nargs="+", default=[], metavar="METHOD", help="more rows, see `facedeblur evaluate`"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("outputs"), help="where rows and report go (default outputs)"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="for `facedeblur evaluate`: data=..., images=..."
    )
    add(parser)
    given = parser.parse_args(argv)
    for override in given.overrides:
        if "=" not in override:
            parser.error(f"{override}: no key=value; methods follow --methods")
    keys = _evaluation_keys()  # `--methods final data=clips`: argparse takes both for methods
    overrides = [*given.overrides, *(word for word in given.methods if _key(word) in keys)]
    methods = [word for word in given.methods if _key(word) not in keys]
    return Options(given.runs, given.output, given.name, tuple(methods), tuple(overrides), given)


def _key(word: str) -> str | None:
    """ "data" of "data.root=x", "ours" of "ours=run"; None where there is no equal sign."""
    key, equals, _ = word.partition("=")
    return key.lstrip("+~").split(".")[0] if equals else None


def _evaluation_keys() -> set[str]:
    """The first words of the keys that `facedeblur evaluate` knows."""
    conf = yaml.safe_load((conf_dir() / "evaluate.yaml").read_text())
    groups = (group for entry in conf["defaults"] if isinstance(entry, dict) for group in entry)
    return {*conf, *groups, *LIST_KEYS}


def trained_runs(options: Options, variants: Iterable[str]) -> dict[str, list[Path]]:
    """variant -> its run folders that have a checkpoint, one a seed, all of one name; variants without are named.

    `options.runs` is the folder of all runs, or that of one sweep.

    A missing variant is no error: its row is left out, and a line says how to train it, and what is shipped of it.
    """
    found: dict[str, list[Path]] = {}
    for variant in variants:
        runs = [path.parent for path in (options.runs / variant).glob("*s*/checkpoints") if any(path.glob("*.ckpt"))]
        runs = [run for run in runs if RUN.fullmatch(run.name)]
        names = {_name_and_seed(run)[0] for run in runs}
        wanted = options.name or (options.corpus if options.corpus in names else None)
        if wanted is None and runs:
            wanted = _name_and_seed(max(runs, key=lambda run: run.stat().st_mtime))[0]
        runs = sorted(run for run in runs if _name_and_seed(run)[0] == wanted)
        if runs:
            found[variant] = runs
        else:
            shipped = [name for name in weight_names() if name.startswith(f"{variant}-")]
            instead = f"; its shipped weights: --methods {' '.join(shipped)}" if shipped else ""
            print(f"{variant}: not trained, its row is left out (make train EXP={variant}){instead}", file=sys.stderr)
    return found


def _name_and_seed(run: Path) -> tuple[str, str]:
    """ "demo-s1" -> "demo", "1"; "s1" -> "", "1"."""
    found = RUN.fullmatch(run.name)
    return found["name"] or "", found["seed"]


def labelled(runs: dict[str, list[Path]]) -> list[str]:
    """`method=` values whose rows are called by variant, and by seed where there are several: "final-s1"."""
    values = []
    for variant, folders in runs.items():
        for folder in folders:
            seed = _name_and_seed(folder)[1]
            values.append(f"{variant}={folder}" if len(folders) == 1 else f"{variant}-s{seed}={folder}")
    return values


def evaluate(options: Options, experiment: str, blurs: Sequence[str], methods: Sequence[str]) -> Rows:
    """Runs `facedeblur evaluate` for an experiment, or what is missing of it, and reads its rows.

    Raises:
        UsageError: the command ends with one (it has printed it by then).
    """
    name = options.override("name", f"{experiment}-{options.corpus}")
    arguments = [f"output={options.output}", f"name={name}", f"blur={','.join(blurs)}"]
    if options.corpus == "demo":
        arguments.append(f"images={DEMO_IMAGES}")
    if methods:
        arguments.append(f"method={','.join(map(str, methods))}")
    status = cli.main(["evaluate", *arguments, *options.overrides])
    if status:
        raise SystemExit(status)
    return read_rows([options.output / "evaluation" / name])


def published_pairs(options: Options) -> list | None:
    """The pairs of `data=ytf` (data.splits=, else splits.txt in its root); None for other corpora."""
    if options.corpus != "ytf":
        return None
    from facedeblur.data.corpora.ytf import read_pairs

    root = Path(options.override("data.root", ".")).expanduser()
    return read_pairs(options.override("data.splits", str(root / "splits.txt")))


def demo_clip(options: Options) -> Path:
    """The first held-out clip of the rendered demo corpus, which is rendered where it is not there yet."""
    from facedeblur.data.find_clips import demo_folder
    from facedeblur.evaluation.settings import evaluation_settings
    from facedeblur.overrides import as_plain, compose_config, quoted

    overrides = [quoted(override) for override in (f"output={options.output}", *options.overrides)]
    data = evaluation_settings(as_plain(compose_config(overrides, "evaluate"))).data
    return sorted(demo_folder(data.cache, data.demo, jobs=2).glob("val/*/*.mp4"))[0]


def caption(rows: Rows) -> str:
    """The protocol in a sentence, for the captions of the tables."""
    return protocol_sentence(common_protocol(rows.sources)[0])


def finish(options: Options, experiment: str, report: Report, tables: Sequence[str]) -> int:
    """Prints the named tables and writes the report; returns the exit status."""
    print()
    for name in tables:
        print(report.text(name))
    page = report.write(options.output / "experiments" / f"{experiment}-{options.corpus}")
    print(f"{page}: the page; tables/ and plots/ beside it")
    return 0


def run(main) -> None:
    """Calls a driver's `main(argv)` as a script: an error that the user can mend is one line."""
    try:
        sys.exit(main(None))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)
