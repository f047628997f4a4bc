"""`data=vw300`: 300VW, 50 training and 64 test videos with 68 landmarks in every frame (Section 5.2).

    <root>/300VW_Dataset_2015_12_14/<id>/vid.avi           <id> of three digits; <root> may be the inner folder itself
    <root>/300VW_Dataset_2015_12_14/<id>/annot/000001.pts  one per frame, numbered from 1, coordinates from 1

The official split: test videos have the split "test" and their category "1", "2" or "3"; of the training videos
`val_fraction` validate. Every video is its own identity. Some frames are known to be annotated wrongly: `unreliable` is
a CSV file of lines "<id>,<frame from 1>" or a folder of <id>.mat files with a variable `error`; such frames count as
frames without a face, so no window crosses them.
"""

from __future__ import annotations

import logging
from pathlib import Path

from facedeblur.data.corpora.clip import Clip, CorpusError, Traits, existing_folder, in_order, with_held_out
from facedeblur.data.corpora.settings import CorpusSettings
from facedeblur.faces.annotation import Annotation

log = logging.getLogger(__name__)

LAYOUT = "<id>/vid.avi and <id>/annot/000001.pts in it (or in 300VW_Dataset_2015_12_14)"
TRAITS = Traits(inner_folders=("300VW_Dataset_2015_12_14",))
TRAIN = (
    "001 002 003 004 007 009 010 011 013 015 016 017 018 019 020 022 025 027 028 029 031 033 034 035 037 039 041 043 "
    "044 046 047 048 049 053 057 059 112 113 115 119 120 123 138 143 144 160 204 205 223 225"
)
TEST = {
    "1": "114 124 125 126 150 158 401 402 505 506 507 508 509 510 511 514 515 518 519 520 521 522 524 525 537 538 540 "
    "541 546 547 548",
    "2": "203 208 211 212 213 214 218 224 403 404 405 406 407 408 409 412 550 551 553",
    "3": "410 411 516 517 526 528 529 530 531 533 557 558 559 562",
}


def find(settings: CorpusSettings) -> list[Clip]:
    """The videos of 300VW that are there; absent ones are logged. Raises CorpusError."""
    root = existing_folder(settings.root, settings.label, LAYOUT, *TRAITS.inner_folders)
    ignored = read_unreliable(settings.unreliable) if settings.unreliable else {}
    categories = dict.fromkeys(TRAIN.split(), "") | {n: c for c, numbers in TEST.items() for n in numbers.split()}
    found, missing = [], []
    for number, category in categories.items():
        video = root / number / "vid.avi"
        if not video.is_file():
            missing.append(number)
            continue
        annotation = Annotation(str(root / number / "annot"), ignored.get(number, ()))
        if not Path(annotation.path).is_dir():
            raise CorpusError(f"{annotation.path}: no such folder; {settings.label} expects {LAYOUT}")
        split = "test" if category else "train"
        found.append(Clip(str(video), settings.label, number, split, category, annotation, settings.min_frames))
    if not found:
        raise CorpusError(f"{root}: no video of 300VW; {settings.label} expects {LAYOUT}")
    if missing:
        log.warning(f"{settings.label}: {len(missing)} of {len(categories)} videos are not there: {' '.join(missing)}")
    training = [clip for clip in found if clip.split == "train"]
    testing = [clip for clip in found if clip.split == "test"]
    return in_order([*with_held_out(training, settings.val_fraction), *testing])


def read_unreliable(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Video -> its frames, from 0, that are not to be trusted; both forms the module's docstring names.

    Raises:
        CorpusError: naming the file and line.
    """
    path = Path(path)
    frames: dict[str, set[int]] = {}
    if path.is_dir():
        from scipy.io import loadmat

        for file in sorted(path.glob("*.mat")):
            try:
                numbers = loadmat(file)["error"].ravel().tolist()
            except (KeyError, ValueError, OSError) as error:
                raise CorpusError(f"{file}: no MATLAB file with a variable 'error' ({error})") from None
            frames[file.stem] = {int(number) - 1 for number in numbers}
        if not frames:
            raise CorpusError(f"{path}: no <id>.mat in it")
    else:
        try:
            lines = path.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CorpusError(f"data.unreliable: {path} cannot be read ({error})") from None
        for number, line in enumerate(lines, start=1):
            video, _, frame = (part.strip() for part in line.partition(","))
            if frame.isdigit() and int(frame) >= 1:
                frames.setdefault(video.zfill(3), set()).add(int(frame) - 1)
            elif number > 1 and line.strip():  # the first line may be a header
                raise CorpusError(f"{path}: line {number}: expected <id>,<frame from 1>, got {line!r}")
    return {video: tuple(sorted(numbers)) for video, numbers in frames.items()}
