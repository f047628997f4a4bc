"""`facedeblur export`: a run's network as weights to ship, or in a format that other runtimes read."""

from __future__ import annotations

import argparse
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.models.registry import SUFFIX, sha256

DESCRIPTION = """\
Write the network that deblurs (the hourglass, where there is one, and the generator G_bl; nothing that only training
needs) to one file.

  weights      safetensors in half precision; settings and provenance inside. What fine-tuning needs beside it
               (discriminator, identity stream) goes to <name>.training.safetensors. The checkpoint is the one that
               validation chose (best.ckpt), or the file you name.
"""

EXAMPLES = """\
examples:
  facedeblur export outputs/final/clips-s0 -o mine-small-v1.safetensors
  facedeblur export outputs/final/clips-s0/checkpoints/last.ckpt -o last.safetensors
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
    parser.add_argument("run", type=Path, help="run folder, or a checkpoint in one")
    parser.add_argument("--format", choices=("weights",), default="weights", help="what to write (default: weights)")
    parser.add_argument("-o", "--output", type=Path, help=f"file to write, <name>{SUFFIX}")
    parser.add_argument(
        "--register", metavar="NAME", help="for maintainers: write into this checkout as NAME, hash in its registry"
    )
    arguments = parser.parse_args(argv)
    if (arguments.output is None) == (arguments.register is None):
        raise UsageError("export: give the file to write, -o <file> (or --register <name>)")
    return _weights(arguments)


def _weights(arguments: argparse.Namespace) -> int:
    from facedeblur.export.weights import halving_error, register_run, write_run

    if arguments.register:
        written = register_run(arguments.run, arguments.register)
    else:
        written = write_run(arguments.run, arguments.output)
    for path in written:
        print(f"{path}  {path.stat().st_size / 1e6:.2f} MB  sha256 {sha256(path)}")
    change = halving_error(arguments.run, written[0])
    print(f"half precision changes the restored image by at most {255 * change:.2f} of 255 grey levels")
    return 0
