"""`facedeblur export`: a run's network as weights to ship, or in a format that other runtimes read."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.export import SUFFIXES
from facedeblur.files import check_place
from facedeblur.models.registry import SUFFIX, sha256

DESCRIPTION = """\
Write the network that deblurs (the hourglass, where there is one, and the generator G_bl; nothing that only training
needs) to one file.

  weights      safetensors in half precision; settings and provenance inside. What fine-tuning needs beside it
               (discriminator, identity stream) goes to <name>.training.safetensors. The checkpoint is the one that
               validation chose (best.ckpt), or the file you name.
  onnx         for ONNX Runtime and others (extra `export`); images in [0, 1] in and out, RGB, any batch, sides that are
               multiples of 128. Written only if its images equal the network's within 1e-4.
  torchscript  the same for LibTorch, without Python.
  card         the Markdown that ships beside weights: from their metadata, rows of an evaluation on people they never
               saw (--rows), and what you know of the footage and its terms (--notes).
"""

EXAMPLES = """\
examples:
  facedeblur export outputs/final/clips-s0 -o mine-small-v1.safetensors
  facedeblur export outputs/final/clips-s0/checkpoints/last.ckpt -o last.safetensors
  facedeblur export outputs/final/sharper-s0 --average final-small-v1=0.5 -o between.safetensors
  facedeblur export mine-small-v1.safetensors --format onnx -o mine.onnx
  facedeblur deblur photo.jpg -o out/ --weights mine.onnx
  facedeblur export mine-small-v1.safetensors --format card --rows outputs/evaluation/val --notes data.md -o mine.md
  facedeblur train init=mine-small-v1.safetensors data=clips data.root=~/videos      goes on from it
"""


def main(argv: list[str]) -> int:
    """Runs the command; see `facedeblur export --help`."""
    parser = argparse.ArgumentParser(
        prog="facedeblur export",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", help="run folder, or a checkpoint in one; for onnx and torchscript also weights")
    parser.add_argument(
        "--format", choices=("weights", *SUFFIXES, "card"), default="weights", help="what to write (default: weights)"
    )
    parser.add_argument("-o", "--output", type=Path, help=f"file to write: <name>{SUFFIX}, .onnx, .pt or .md")
    parser.add_argument(
        "--average",
        metavar="WEIGHTS=SHARE",
        type=_share,
        help="weights: go by this share (0 to 1) of the way back to the weights that the run began from, say",
    )
    parser.add_argument("--rows", nargs="+", metavar="FOLDER", help="card: evaluations of these weights")
    parser.add_argument("--notes", type=Path, metavar="FILE", help="card: Markdown on the footage and its terms")
    parser.add_argument("--method", help="card: what the rows call these weights, where there are several methods")
    parser.add_argument(
        "--register", metavar="NAME", help="for maintainers: write into this checkout as NAME, hash in its registry"
    )
    arguments = parser.parse_args(argv)
    if (arguments.output is None) == (arguments.register is None):
        raise UsageError("export: give the file to write, -o <file> (or --register <name>)")
    if arguments.register is not None and arguments.format != "weights":
        raise UsageError("export: --register takes weights, not other formats")
    if arguments.average is not None and arguments.format != "weights":
        raise UsageError("export: --average is for weights, not other formats")
    if arguments.output is not None:
        check_place(arguments.output, "export: -o")
    if arguments.format == "card":
        return _card(arguments)
    return _weights(arguments) if arguments.format == "weights" else _runtime(arguments)


def _share(text: str) -> tuple[str, float]:
    weights, _, share = text.rpartition("=")
    try:
        value = float(share)
    except ValueError:
        value = math.nan
    if not weights or not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be <weights>=<share between 0 and 1>, got {text}")
    return weights, value


def _weights(arguments: argparse.Namespace) -> int:
    from facedeblur.export.weights import halving_error, register_run, write_run

    if arguments.register:
        written = register_run(Path(arguments.source), arguments.register, arguments.average)
    else:
        written = write_run(Path(arguments.source), arguments.output, arguments.average)
    for path in written:
        print(f"{path}  {path.stat().st_size / 1e6:.2f} MB  sha256 {sha256(path)}")
    if arguments.average is not None:  # no run has this network in full precision
        return 0
    change = halving_error(Path(arguments.source), written[0])
    print(f"half precision changes the restored image by at most {255 * change:.2f} of 255 grey levels")
    return 0


def _runtime(arguments: argparse.Namespace) -> int:
    from facedeblur.export.runtime import TOLERANCE, write_runtime

    difference = write_runtime(arguments.source, arguments.format, arguments.output)
    size = arguments.output.stat().st_size / 1e6
    print(
        f"{arguments.output}  {size:.2f} MB  differs from the network by at most {difference:.1e} (limit {TOLERANCE})"
    )
    return 0


def _card(arguments: argparse.Namespace) -> int:
    from facedeblur.files import write_atomic
    from facedeblur.report.card import model_card
    from facedeblur.report.rows import read_rows

    if not arguments.rows or arguments.notes is None:
        raise UsageError("export: a card needs --rows <evaluation folder> and --notes <file>")
    try:
        notes = arguments.notes.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--notes {arguments.notes}: cannot be read ({error.strerror})") from None
    card = model_card(arguments.source, read_rows(arguments.rows), notes, arguments.method)
    write_atomic(arguments.output, card)
    print(arguments.output)
    return 0
