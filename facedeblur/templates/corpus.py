from pathlib import Path

from facedeblur.data.corpora import Clip, CorpusSettings


def interviews(settings: CorpusSettings) -> list[Clip]:
    """<person>_<number>.mp4 in one folder; people whose names begin with v validate."""
    clips = []
    for file in sorted(Path(settings.root).glob("*.mp4")):
        person = file.stem.rpartition("_")[0]
        split = "val" if person.startswith("v") else "train"
        clips.append(Clip(str(file), settings.label, person, split))
    return clips
