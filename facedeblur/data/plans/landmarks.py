"""Landmarks of a plan's windows: read from its file a few videos at a time, never all at once.

They are nine tenths of a plan (250 MB for the paper's 460,000 windows), and every reader process would hold them. So a
plan read from a file leaves them there, and looks up the row group of a window when it is asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow.parquet as pq

COLUMN = "landmarks"
GROUP_ROWS = 2048  # rows of a row group in a plan file: some twenty videos of the paper


@dataclass(frozen=True, eq=False)
class Landmarks:
    """68 points for each of n windows.

    Attributes:
        sources: arrays (rows, 68, 2) float32 in memory, or names of plan files.
        source: (n,) which of them holds a window's landmarks.
        row: (n,) and in which row.
    """

    sources: tuple[np.ndarray | str, ...]
    source: np.ndarray
    row: np.ndarray

    @classmethod
    def of(cls, source: np.ndarray | str, count: int) -> Landmarks:
        """All `count` rows of one source."""
        return cls((source,), np.zeros(count, np.int32), np.arange(count, dtype=np.int32))

    def __getitem__(self, index: int) -> np.ndarray:
        """(68, 2) float32."""
        source, row = self.sources[self.source[index]], int(self.row[index])
        if isinstance(source, str):
            first, group = _group_of(source, row)
            return _read_group(source, group)[row - first].copy()
        return source[row]

    def take(self, indices: np.ndarray) -> np.ndarray:
        """(len(indices), 68, 2) float32, in memory."""
        return np.stack([self[i] for i in indices]) if len(indices) else np.zeros((0, 68, 2), np.float32)

    def select(self, indices: np.ndarray) -> Landmarks:
        return Landmarks(self.sources, self.source[indices], self.row[indices])

    @staticmethod
    def concat(parts: Sequence[Landmarks]) -> Landmarks:
        offsets = np.cumsum([0, *(len(part.sources) for part in parts)])
        return Landmarks(
            tuple(source for part in parts for source in part.sources),
            np.concatenate([part.source + offset for part, offset in zip(parts, offsets, strict=False)]),
            np.concatenate([part.row for part in parts]),
        )


@lru_cache(maxsize=16)
def _starts(path: str) -> np.ndarray:
    """First row of each row group, and one past the last."""
    metadata = pq.ParquetFile(path).metadata
    return np.cumsum([0, *(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))])


def _group_of(path: str, row: int) -> tuple[int, int]:
    """First row and number of the row group that holds a row."""
    starts = _starts(path)
    group = int(np.searchsorted(starts, row, side="right")) - 1
    return int(starts[group]), group


@lru_cache(maxsize=8)
def _read_group(path: str, group: int) -> np.ndarray:
    column = pq.ParquetFile(path).read_row_group(group, columns=[COLUMN]).column(0).combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, 68, 2)
