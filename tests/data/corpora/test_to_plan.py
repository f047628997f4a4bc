"""From a corpus in its own layout to windows: its landmarks are the ones used, and what is not to be trusted is not."""

from __future__ import annotations

import numpy as np

from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import CorpusSettings, find_clips
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.faces.crop import crop_box
from facedeblur.faces.pts import write_pts
from facedeblur.video.write import write_video

from ..conftest import FRAMES, moving_frames
from .test_layouts import menpo_text

ANY_SHARPNESS = PrepareSettings(min_sharpness=0, sharpness_share=0)  # the texture has nothing of a face
SCHEDULES = [named_schedule("pravg7", stride=3)]


def face(frame: int) -> np.ndarray:
    """68 points that wander with the frame."""
    grid = np.stack([20 + 30 * (np.arange(68) % 9) / 8, 12 + 35 * np.arange(68) / 67], axis=1)
    return (grid + [0.4 * frame, 0.1 * frame]).astype(np.float32)


def test_vw300_windows_avoid_unreliable_frames(tmp_path):
    for number in ("001", "002"):
        folder = tmp_path / "300VW_Dataset_2015_12_14" / number
        (folder / "annot").mkdir(parents=True)
        write_video(tmp_path / "video.mp4", moving_frames(int(number)))
        (tmp_path / "video.mp4").rename(folder / "vid.avi")  # readers go by content
        for frame in range(FRAMES):
            write_pts(folder / f"annot/{frame + 1:06}.pts", face(frame))
    (tmp_path / "wrong.csv").write_text("001,21\n002,21\n")
    clips = find_clips(CorpusSettings("vw300", str(tmp_path), unreliable=str(tmp_path / "wrong.csv")))
    plan, report = prepare_plan(clips, SCHEDULES, tmp_path / "cache", settings=ANY_SHARPNESS)
    assert not report.skipped and set(plan.column("split")) == {"train", "val"}
    start, stop = plan.column("start"), plan.column("start") + plan.column("length")
    assert len(plan) > 10 and not ((start <= 20) & (stop > 20)).any()  # frame 21 counted from 1
    for row in range(len(plan)):
        window = plan[row]
        np.testing.assert_allclose(window.landmarks, face(window.window.target), atol=2e-3)
        assert window.crop == crop_box(face(window.window.target))


def test_twomf2_landmarks_and_least_length(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "landmarks").mkdir()
    for name in ("long", "cut", "other"):
        frames = FRAMES if name != "cut" else FRAMES - 20
        write_video(tmp_path / f"clips/{name}.mp4", moving_frames(1, frames))
        (tmp_path / f"landmarks/{name}.txt").write_text(menpo_text(FRAMES, {f: face(f) for f in range(10, FRAMES)}))
    settings = CorpusSettings("twomf2", str(tmp_path), min_frames=FRAMES - 5, val_fraction=0.0)
    plan, report = prepare_plan(find_clips(settings), SCHEDULES, tmp_path / "cache", settings=ANY_SHARPNESS)
    # its text promises more frames than the file has
    assert [(path.rsplit("/", 1)[1], reason.split(":")[0]) for path, reason in report.skipped] == [("cut.mp4", "short")]
    assert plan.column("start").min() == 10  # no landmarks before
    np.testing.assert_allclose(plan[0].landmarks, face(plan[0].window.target), atol=1e-3)
