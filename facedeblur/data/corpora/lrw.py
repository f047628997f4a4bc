"""`data=lrw`: Lip Reading in the Wild, the BBC videos the paper trains on (Section 5.1: every 10th video).

    <root>/lipread_mp4/<WORD>/{train,val,test}/<WORD>_00001.mp4     29 frames of 256 x 256 each; .txt files are ignored

`<root>` may be `lipread_mp4` itself. Every `every`-th video of each split counts, in the order of words and numbers.
The corpus names no people, so every video is its own identity, named by split and number; its own validation
split validates.
"""

from __future__ import annotations

from facedeblur.data.corpora.clip import Clip, CorpusError, Traits, existing_folder, in_order
from facedeblur.data.corpora.settings import CorpusSettings

LAYOUT = "lipread_mp4/<WORD>/{train,val,test}/<WORD>_00001.mp4 in it"
TRAITS = Traits(inner_folders=("lipread_mp4",))


def find(settings: CorpusSettings) -> list[Clip]:
    """The clips of LRW. Raises CorpusError."""
    root = existing_folder(settings.root, settings.label, LAYOUT, *TRAITS.inner_folders)
    clips = []
    for split in ("train", "val", "test"):
        files = sorted(root.glob(f"*/{split}/*.mp4"))
        clips += [
            Clip(str(file), settings.label, f"{split}/{file.stem}", split, min_frames=settings.min_frames)
            for file in files[:: settings.every]
        ]
    if not clips:
        raise CorpusError(f"{root}: no videos; {settings.label} expects {LAYOUT}")
    return in_order(clips)
