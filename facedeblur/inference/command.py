"""`facedeblur deblur INPUT... -o OUT`: see its help."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facedeblur.errors import UsageError
from facedeblur.faces.dlib_models import FacesExtraError
from facedeblur.files import check_place, shown
from facedeblur.inference.jobs import STDIN, FileJob, check_writable, find_inputs, stdin_as_file, with_targets
from facedeblur.signals import sigterm_as_interrupt

if TYPE_CHECKING:
    from facedeblur.inference.api import FaceDeblurrer
    from facedeblur.inference.files import FileDeblurrer, Outcome
    from facedeblur.inference.kernel_picture import KernelRecorder

HELP = """\
Finds the faces in photos and videos, deblurs them and puts them back; the rest of every picture stays as it was.

INPUT is a picture, a video, a folder of them, a pattern in quotes, or - for standard input. OUT is a folder, or a file
where there is one input; - is standard output. In a folder, pictures become PNG, which loses nothing, and videos keep
their container where it holds H.264, else become Matroska. EXIF, captions and colour profiles of pictures and sound,
frame rate, orientation and time stamps of videos are kept.
"""

EXAMPLES = """\
examples:
  facedeblur deblur party.jpg -o party.png              one photo
  facedeblur deblur photos/ clip.mp4 -o sharp/          a folder and a video into another folder
  facedeblur deblur clip.mp4 -o sides.mp4 --compare     before and after side by side
  facedeblur deblur clip.mp4 --from 1:05 --to 1:20      a part of a video, into outputs/deblurred/
  facedeblur deblur party.jpg --box 310,80,120,140      one face that is not found by itself
  facedeblur deblur party.jpg -o out/ --weights outputs/final/demo-s0   with a run of your own
  facedeblur deblur face.png -o out.png --weights pan16 --kernel kernel.png   by blind deconvolution

exit status: 0 all done; 1 some inputs were skipped, each named in one line; 2 nothing could be done; 130 interrupted
"""


OUT = "outputs/deblurred/"


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    made = argparse.ArgumentParser(
        prog="facedeblur deblur",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("inputs", nargs="+", metavar="INPUT", help="picture, video, folder, pattern or -")
    made.add_argument("-o", "--out", default=OUT, metavar="OUT", help=f"folder, file or - (default: {OUT})")
    made.add_argument(
        "--weights",
        metavar="NAME|RUN",
        help="shipped weights by name, a run folder, a checkpoint, or a compared method: pan16, nah17:FILE, ...",
    )
    made.add_argument("--kernel", metavar="PNG", help="write the kernels that a blind method (pan16...) found, too")
    made.add_argument("--faces", choices=("all", "largest"), default="all", help="which faces (default: all)")
    made.add_argument("--aligned", action="store_true", help="every input is the crop of one face: search for none")
    made.add_argument("--always", action="store_true", help="also deblur faces that look sharp")
    made.add_argument(
        "--strength", type=float, default=1.0, metavar="S", help="share of the correction, from 0 to 1 (default: 1)"
    )
    made.add_argument(
        "--box", type=box, action="append", metavar="X,Y,W,H", default=[],
        help="where a face is, in pixels from the upper left corner (of a video, in its first frame); may be repeated",
    )  # fmt: skip
    made.add_argument("--from", dest="start", type=seconds, default=0.0, metavar="T", help="of a video: 12.5 or 1:05")
    made.add_argument("--to", dest="stop", type=seconds, metavar="T", help="of a video: where to end")
    made.add_argument("--compare", action="store_true", help="write before and after side by side")
    made.add_argument(
        "--strip-metadata", action="store_true", help="leave out places, times, devices, captions; colours stay true"
    )
    made.add_argument("--json", action="store_true", help="print one JSON object for each input, for programs")
    made.add_argument("--force", action="store_true", help="overwrite results that exist")
    made.add_argument("--resume", action="store_true", help="leave out inputs whose results exist")
    made.add_argument("--batch", type=int, default=8, metavar="N", help="faces at once through the network (8)")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    made.add_argument("--crf", type=int, default=16, metavar="N", help="quality of videos, less is better (16)")
    return made


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status. Raises UsageError when nothing can be done."""
    flags = parser().parse_args(argv)
    _check(flags)
    with sigterm_as_interrupt(), stdin_as_file(flags.inputs) as inputs:
        found = find_inputs(inputs, _say_left_out)
        jobs = check_writable(with_targets(found, flags.out), flags.force, flags.resume)
        if not jobs:
            print("facedeblur: all results exist already", file=sys.stderr)
            return 0
        if flags.kernel:
            _check_kernel(flags, jobs)
        if flags.box and len(jobs) > 1:
            raise UsageError(f"--box: for one input, but there are {len(jobs)}")
        if (flags.start or flags.stop) and not any(job.video for job in jobs):
            raise UsageError("--from, --to: for videos, but there is none")
        deblur = _deblurrer(flags)
        recorder = _recorder(deblur.model) if flags.kernel else None
        outcomes, skipped = _run(jobs, deblur, flags.json)
        if recorder:
            _write_kernels(flags.kernel, recorder)
    if skipped and len(jobs) == 1:
        raise skipped[0]
    for error in skipped:
        print(f"facedeblur: skipped: {error}", file=sys.stderr)
    if not flags.json:
        for outcome in outcomes:
            print(f"facedeblur: {outcome.text}", file=sys.stderr)
    if len(jobs) > 1:
        faces, sharp = sum(o.faces for o in outcomes), sum(o.sharp for o in outcomes if not o.frames)
        left = f", {sharp} of them sharp already and left alone" if sharp else ""
        folder = f" in {flags.out}" if outcomes else ""
        print(f"facedeblur: {len(outcomes)} of {len(jobs)} done{folder}, {faces} faces{left}", file=sys.stderr)
    return 1 if skipped else 0


def _say_left_out(file: Path) -> None:
    print(f"facedeblur: left out: {shown(file)}: neither a picture nor a video", file=sys.stderr)


def _deblurrer(flags: argparse.Namespace) -> FileDeblurrer:
    from facedeblur.inference.deblur import DeblurOptions
    from facedeblur.inference.files import FileDeblurrer
    from facedeblur.inference.load import load

    try:
        options = DeblurOptions(flags.faces, flags.aligned, flags.always, flags.batch, flags.strength, tuple(flags.box))
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    model, part = load(flags.weights, flags.device), (flags.start, flags.stop)
    return FileDeblurrer(model, options, flags.compare, flags.crf, part, not flags.strip_metadata)


def _check(flags: argparse.Namespace) -> None:
    if flags.force and flags.resume:
        raise UsageError("--force, --resume: overwrite results or keep them; choose one")
    if flags.json and flags.out == STDIN:
        raise UsageError("--json, -o -: both would write to standard output; name a file")
    if flags.stop is not None and flags.stop <= flags.start:
        raise UsageError(f"--to {flags.stop:g}: must come after --from {flags.start:g}")


def _check_kernel(flags: argparse.Namespace, jobs: Sequence[FileJob]) -> None:
    place = Path(flags.kernel).expanduser()
    if len(jobs) > 1 or jobs[0].video:
        raise UsageError("--kernel: takes one picture")
    if place.suffix.lower() != ".png":
        raise UsageError(f"--kernel {place}: is written as PNG; name a file that ends in .png")
    if place.resolve() in {file.resolve() for file in (jobs[0].source, jobs[0].target) if file}:
        raise UsageError(f"--kernel {place}: is the picture itself, or its result; name another file")
    if place.exists() and not flags.force:
        raise UsageError(f"--kernel {place}: exists; --force overwrites")
    check_place(place, "--kernel")


def seconds(text: str) -> float:
    """Of `12.5`, `1:05` or `1:02:03`."""
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    if not 0 <= total < float("inf"):
        raise ValueError(text)
    return total


def box(text: str) -> tuple[float, ...]:
    x, y, width, height = (float(number) for number in text.split(","))
    return x, y, width, height


def _recorder(model: FaceDeblurrer) -> KernelRecorder:
    """Puts a recorder between the model and its method."""
    from facedeblur.inference.kernel_picture import KernelRecorder

    model.deblurrer = KernelRecorder(model.deblurrer, model.name)
    return model.deblurrer


def _write_kernels(path: str, recorder: KernelRecorder) -> None:
    from facedeblur.inference.kernel_picture import write_kernels

    if not recorder.kernels:
        print(f"facedeblur: --kernel: no face was deblurred, so that there is none for {path}", file=sys.stderr)
        return
    try:
        write_kernels(Path(path).expanduser(), recorder.kernels)
    except OSError as error:
        raise UsageError(f"--kernel: {error.strerror or error} ({path})") from None


def _run(jobs: Sequence[FileJob], deblur: FileDeblurrer, as_json: bool) -> tuple[list[Outcome], list[UsageError]]:
    from facedeblur.progress import StepProgress

    outcomes, skipped, progress = [], [], StepProgress("deblur")
    for number, job in enumerate(jobs, start=1):
        try:
            outcomes.append(deblur(job))
            answer = outcomes[-1].plain()
        except FacesExtraError:
            raise
        except UsageError as error:
            skipped.append(error)
            answer = {"input": job.name, "error": str(error)}
        if as_json:
            print(json.dumps(answer), flush=True)
        if len(jobs) > 1:
            progress(number, len(jobs), job.name)
    return outcomes, skipped
