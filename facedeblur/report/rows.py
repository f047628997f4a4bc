"""Score rows as an evaluation left them: read from Parquet, several folders joined, looked up by method and blur.

Landmarks and embeddings are an order of magnitude larger than the scores, and few of them are ever shown; `Rows` holds
the scores and fetches those from the files when asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facedeblur.errors import UsageError
from facedeblur.files import read_json

TEXTS = ("method", "corpus", "category", "identity", "blur", "video", "flags", "image")
WHOLE = ("frame", "L")
SCORES = ("psnr", "ssim", "landmark_error", "identity_cosine", "seconds")
VECTORS = ("landmarks", "truth", "embedding")
# what makes two rows of one method the same image
IMAGE_KEY = ("corpus", "blur", "video", "frame", "L")
# the rows every evaluation brings along: the input copied, and the sharp image itself
BLURRED, ORACLE = "blurred", "oracle"
FOLDER_ADDED = re.compile(r" \([^()]*\)$")  # which `read_rows` adds to methods of one name


@dataclass(frozen=True)
class Source:
    """One evaluation folder: where it is, what `protocol.json` says; from `status.json` its state and lost windows."""

    folder: Path
    protocol: dict
    state: str
    lost: int = 0


@dataclass(frozen=True)
class Rows:
    """Columns of equal length: arrays of str for TEXTS, int for WHOLE, float (NaN where missing) for SCORES and
    metrics of the user's own.

    `place` holds (source, file, row in the file) of each row, `files` the Parquet files of each source.
    """

    sources: tuple[Source, ...]
    files: tuple[tuple[Path, ...], ...]
    columns: dict[str, np.ndarray]
    place: np.ndarray
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, column: str) -> np.ndarray:
        return self.columns[column]

    @property
    def own(self) -> tuple[str, ...]:
        """The columns of metrics of the user's own."""
        return tuple(name for name in self.columns if name not in (*TEXTS, *WHOLE, *SCORES))

    def select(self, which: np.ndarray) -> Rows:
        """The rows of a mask or of indices, in that order."""
        columns = {name: values[which] for name, values in self.columns.items()}
        return Rows(self.sources, self.files, columns, self.place[which], self.remarks)

    def where(self, **values: str | int) -> Rows:
        """The rows in which every named column has the given value."""
        mask = np.ones(len(self), bool)
        for name, value in values.items():
            mask &= self.columns[name] == value
        return self.select(mask)

    def distinct(self, column: str) -> list[str]:
        """The values of a column in the order of their first appearance."""
        values, first = np.unique(self.columns[column], return_index=True)
        return [values[i].item() if hasattr(values[i], "item") else values[i] for i in np.argsort(first)]

    def known(self, column: str) -> np.ndarray:
        """The values of a column of numbers that are not missing."""
        values = self.columns[column]
        return values[~np.isnan(values)]

    def image_keys(self) -> list[tuple]:
        """What names the image of each row, whatever the method: corpus, blur, video, frame, L."""
        return list(zip(*(self.columns[name].tolist() for name in IMAGE_KEY), strict=True))

    def groups(self) -> np.ndarray:
        """What the bootstrap draws, see `group_kind`; each within its corpus."""
        names = self.columns["identity"]
        if self.group_kind() != "people":
            names, images = self.columns["video"], self._single_images()
            names = np.array(
                [str(PurePosixPath(n).parent) if i else n for n, i in zip(names, images, strict=True)], str
            )
        return np.char.add(np.char.add(self.columns["corpus"].astype(str), "/"), names.astype(str))

    def group_kind(self) -> str:
        """people where all are known, else videos; folders where every "video" is a single image, which is no group."""
        people = self.columns["identity"]
        if len(people) and (people != "").all():
            return "people"
        return "folders" if len(people) and self._single_images().all() else "videos"

    def _single_images(self) -> np.ndarray:
        """(N,) bool: the rows of images that lay in folders, whose video is not known."""
        corpora = [source.protocol.get("corpus") for source in self.sources]
        kinds = np.array([isinstance(corpus, dict) and corpus.get("kind") == "images" for corpus in corpora])
        return kinds[self.place[:, 0]]

    def method_sources(self, method: str) -> list[dict]:
        """What the protocol of each folder with rows of a method says of it, {} where it says nothing."""
        names = (method, FOLDER_ADDED.sub("", method))
        held = sorted(set(self.place[self.columns["method"] == method, 0].tolist()))
        held_methods = [self.sources[number].protocol.get("methods") or {} for number in held]
        return [next((of[name] for name in names if name in of), {}) for of in held_methods]

    def vectors(self, column: str) -> list[np.ndarray | None]:
        """`landmarks` or `truth` as (68, 2), `embedding` as (128,), read from the files; None where there is none."""
        found: list[np.ndarray | None] = [None] * len(self)
        for source, file in {(int(s), int(f)) for s, f, _ in self.place}:
            values = pq.read_table(self.files[source][file], columns=[column]).column(0)
            for i in np.flatnonzero((self.place[:, 0] == source) & (self.place[:, 1] == file)):
                vector = values[int(self.place[i, 2])].as_py()
                if vector is not None:
                    vector = np.asarray(vector, np.float32)
                    found[i] = vector.reshape(-1, 2) if column != "embedding" else vector
        return found

    def image_path(self, index: int) -> Path | None:
        """The restored image of a row, or None where none was kept."""
        relative = self.columns["image"][index]
        return self.sources[int(self.place[index, 0])].folder / str(relative) if relative else None


def is_evaluation(folder: Path) -> bool:
    """Whether a folder holds score rows."""
    return (folder / "rows").is_dir()


def read_rows(folders: Sequence[str | Path]) -> Rows:
    """Joins the rows of evaluation folders.

    A row that two folders share (blurred and oracle come with every evaluation) is kept once. Where two folders have
    different scores for one method and image, their folders' names are added to the method's.

    Raises:
        UsageError: no folder, no rows in it, a file that is not Parquet, a missing column.
    """
    sources, files, parts = [], [], []
    for folder in map(Path, folders):
        if not is_evaluation(folder):
            raise UsageError(f"{folder}: no evaluation (no rows/*.parquet); `facedeblur evaluate` makes one")
        shards = tuple(sorted((folder / "rows").glob("[!.]*.parquet")))
        parts += [_read(path, len(sources), number) for number, path in enumerate(shards)]
        files.append(shards)
        status, protocol = read_json(folder / "status.json", {}), read_json(folder / "protocol.json", {})
        sources.append(Source(folder, protocol, status.get("state", ""), status.get("lost_windows", 0)))
    parts = [part for part in parts if len(part[1])]
    if not parts:
        raise UsageError(f"{', '.join(map(str, folders))}: no score rows yet; let `facedeblur evaluate` finish a shard")
    names = dict.fromkeys(name for part in parts for name in part[0])
    columns = {
        name: np.concatenate([part[0].get(name, np.full(len(part[1]), np.nan)) for part in parts]) for name in names
    }
    place = np.concatenate([part[1] for part in parts])
    return _joined(Rows(tuple(sources), tuple(files), columns, place))


def common_protocol(sources: Iterable[Source]) -> tuple[dict, list[str]]:
    """What all protocols agree on, and the keys in which they differ."""
    protocols = [source.protocol for source in sources]
    keys = list(dict.fromkeys(key for protocol in protocols for key in protocol))
    same = {k: protocols[0][k] for k in keys if all(k in p and p[k] == protocols[0][k] for p in protocols)}
    return same, [key for key in keys if key not in same]


def _read(path: Path, source: int, file: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    wanted = [*TEXTS, *WHOLE, *SCORES]
    try:
        names = pq.read_schema(path).names
        own = [name for name in names if name not in (*wanted, *VECTORS)]
        missing = set(wanted) - set(names)
        if missing:
            raise UsageError(f"{path}: no column {', '.join(sorted(missing))}; evaluate again with this version")
        table = pq.read_table(path, columns=wanted + own)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{path}: not a Parquet file of score rows ({error}); remove it and evaluate again") from error
    columns: dict[str, np.ndarray] = {}
    for name in TEXTS:
        columns[name] = np.array([value or "" for value in table.column(name).to_pylist()], dtype=str)
    for name in WHOLE:
        columns[name] = np.array(table.column(name).to_pylist(), dtype=np.int64)
    for name in (*SCORES, *own):
        values = table.column(name).to_pylist()
        columns[name] = np.array([np.nan if value is None else value for value in values], dtype=float)
    rows = np.arange(table.num_rows)
    return columns, np.stack([np.full_like(rows, source), np.full_like(rows, file), rows], axis=1)


def _joined(rows: Rows) -> Rows:
    """Drops repetitions, and renames methods that share a name but not their scores."""
    seen: dict[tuple, int] = {}
    kept, clashing = [], set()
    for i, key in enumerate(zip(rows["method"].tolist(), rows.image_keys(), strict=True)):
        if key not in seen:
            seen[key] = i
            kept.append(i)
        elif not all(np.array_equal(rows[n][i], rows[n][seen[key]], equal_nan=True) for n in SCORES if n != "seconds"):
            clashing.add(key[0])
    references = sorted(clashing & {BLURRED, ORACLE})
    remarks = [f"the folders disagree on the scores of {name}: their protocols differ" for name in references]
    if clashing - {BLURRED, ORACLE}:
        tail = [source.folder.name for source in rows.sources]
        names = tail if len(set(tail)) == len(tail) else [str(source.folder) for source in rows.sources]
        renamed = [
            f"{method} ({names[source]})" if method in clashing and method not in (BLURRED, ORACLE) else method
            for method, source in zip(rows["method"].tolist(), rows.place[:, 0], strict=True)
        ]
        columns = {**rows.columns, "method": np.array(renamed, dtype=str)}
        return _joined(Rows(rows.sources, rows.files, columns, rows.place, tuple(remarks)))
    return Rows(rows.sources, rows.files, rows.columns, rows.place, rows.remarks + tuple(remarks)).select(
        np.array(kept, dtype=np.int64)
    )
