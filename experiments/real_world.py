"""A truly blurred video: identity against one chosen sharp frame, figure 18 (section 5.6).

Protocol: the face is followed through the blurry video, every frame's crop is restored by each method, and the cosine
between its embedding and that of the sharp frame is taken; there is no other ground truth. The sharp frame is --sharp
(a frame number, or a photo of the person), else the video's own least blurred face. Without --video the demo: a
rendered clip of a person nobody was trained on, each frame the mean of 15, and its middle frame as the sharp one.

    python experiments/real_world.py                                   the demo
    python experiments/real_world.py --video blurry.mp4 --sharp 120    frame 120 is the sharp one
    python experiments/real_world.py --video blurry.mp4 --sharp me.jpg --methods my.py:Method
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facedeblur.errors import UsageError
from facedeblur.experiment_driver import caption, demo_clip, finish, labelled, parse, run, trained_runs
from facedeblur.report.evaluation import evaluation_report
from facedeblur.report.plots import cosine_figure
from facedeblur.report.rows import read_rows

NAME = "real_world"
FRAMES = 15  # the demo's exposure


def main(argv: list[str] | None) -> int:
    options = parse(__doc__, argv, _flags)
    from facedeblur.evaluation.real_world import face_at, face_in, faces_of, score_video, sharpest
    from facedeblur.evaluation.restoring import image_size
    from facedeblur.methods import load_methods
    from facedeblur.progress import StepProgress
    from facedeblur.report.images import read_rgb
    from facedeblur.video.source import VideoError

    methods = load_methods([*labelled(trained_runs(options, ["final"])), *options.methods])
    size = image_size(methods, None)
    video, sharp = options.extra.video, options.extra.sharp
    if video is None:
        video, sharp = _blurred_demo(options)
    try:
        faces = list(faces_of(video, size))
    except VideoError as error:
        raise UsageError(str(error)) from error
    if not faces:
        raise UsageError(f"{video}: no face found in any frame; choose another video")
    if sharp is None:
        chosen, said = sharpest(faces), "its least blurred face"
    elif str(sharp).isdigit():
        chosen, said = face_at(faces, int(sharp), video), f"frame {int(sharp)}"
    else:
        chosen, said = face_in(read_rgb(sharp), sharp, size), Path(sharp).name
    folder = options.output / "evaluation" / f"{NAME}-{video.stem}"
    score_video(video, faces, chosen, said, methods, folder, progress=StepProgress("judging"))
    rows = read_rows([folder])
    report = evaluation_report(rows, f"Real-world blurry video: {video.name}", plots=False)
    note = f"Cosine to {said}; {len(faces)} faces of one video, so no interval over videos. {caption(rows)}"
    figure = report.figure("figure-18", cosine_figure(rows, ["real"]), "cosine curves")
    report.section("Figure 18", figure, lead=note, at=1)
    return finish(options, NAME, report, ["scores"])


def _flags(parser) -> None:
    parser.add_argument("--video", type=Path, help="the blurry video; default: a demo is made")
    parser.add_argument("--sharp", help="number of its sharp frame, or a photo (default: its least blurred face)")


def _blurred_demo(options) -> tuple[Path, str]:
    """Averages a held-out clip of the demo corpus over FRAMES neighbouring frames; (video, photo of a sharp frame)."""
    from facedeblur.images import write_png
    from facedeblur.video.open import open_source
    from facedeblur.video.write import write_video

    clip = demo_clip(options)
    with open_source(clip) as source:
        frames = np.stack(list(source.frames()))
    folder = options.output / "experiments" / f"{NAME}-{options.corpus}"
    sums = np.cumsum(np.concatenate([np.zeros_like(frames[:1], np.float32), frames.astype(np.float32)]), axis=0)
    blurred = np.rint((sums[FRAMES:] - sums[:-FRAMES]) / FRAMES).astype(np.uint8)
    video = folder / f"{clip.parent.name}-blurred.mp4"
    write_video(video, blurred, fps=25.0)
    sharp = folder / f"{clip.parent.name}-sharp.png"
    write_png(sharp, frames[len(frames) // 2])
    return video, str(sharp)


if __name__ == "__main__":
    run(main)
