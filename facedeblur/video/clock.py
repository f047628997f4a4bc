"""One clock for all streams of a file, from 0 on: files that were joined leap back, recordings start late.

A file falls into pieces, within which time goes on. What a piece says of picture and sound relative to each other is
kept to the tick; pieces follow one another where the pictures of the one before end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

BACK = Fraction(1, 10)  # seconds by which time stamps of one stream may fall back without a leap
REORDERED = Fraction(1)  # the same where a packet says only when it is shown: pictures are not stored in that order
TS_DISCONT = 0x200  # AVFMT_TS_DISCONT, of a container's format
AHEAD = 10  # seconds ahead that are a leap, in containers whose clocks do leap (as for FFmpeg)


class Pieces:
    """Says to which piece each packet belongs; it is given those of all streams in the order of the file.

    `leaps_ahead`: the container's time stamps may go on elsewhere, as those of transport streams do.
    """

    def __init__(self, leaps_ahead: bool) -> None:
        self.leaps_ahead = leaps_ahead
        self._newest = 0
        self._own: dict[int, int] = {}  # of each stream
        self._last: dict[int, tuple[Fraction, bool]] = {}  # of each stream: its last stamp, and whether it was a dts

    @classmethod
    def of(cls, container: Any) -> Pieces:
        return cls(bool(container.format.flags & TS_DISCONT))

    def piece_of(self, packet: Any) -> int:
        """The number of the piece, from 0 on."""
        stream, stamp = packet.stream_index, packet.pts if packet.dts is None else packet.dts
        own = self._own.setdefault(stream, self._newest)
        if stamp is None:
            return own
        time, decoding = stamp * packet.time_base, packet.dts is not None
        last, also_decoding = self._last.get(stream, (None, True))
        self._last[stream] = time, decoding
        back = BACK if decoding and also_decoding else REORDERED
        if last is not None and (time < last - back or (self.leaps_ahead and time > last + AHEAD)):
            if own == self._newest:  # the first stream that leaps
                self._newest += 1
            own = self._own[stream] = self._newest
        return own


@dataclass(frozen=True)
class Timeline:
    """What one pass over the packets of a file says about time.

    Attributes:
        offsets: seconds to add to the time stamps of each piece.
        even: whether all pictures are shown for the same time.
        seconds: from the first picture to the end of the last.
        first: when the first picture is shown, seconds after the start.
    """

    offsets: tuple[Fraction, ...] = (Fraction(0),)
    even: bool = True
    seconds: Fraction = Fraction(0)
    first: Fraction = Fraction(0)

    def moved(self, packets: Iterator[Any], pieces: Pieces) -> Iterator[Any]:
        """The packets, their time stamps those of the one clock. `pieces` has seen none of them."""
        for packet in packets:
            piece = min(pieces.piece_of(packet), len(self.offsets) - 1)
            if packet.time_base:
                ticks = round(self.offsets[piece] / packet.time_base)
                if packet.pts is not None:
                    packet.pts += ticks
                if packet.dts is not None:
                    packet.dts += ticks
            yield packet


def timeline_of(container: Any, film: Any, sound: Sequence[Any] = ()) -> Timeline:
    """Reads all packets of an open container; nothing is decoded. Raises av.FFmpegError."""
    pieces = Pieces.of(container)
    times: list[list[tuple[Fraction, Fraction]]] = [[]]  # of the pictures of each piece: when, and for how long
    for packet in container.demux(film, *sound):
        piece = pieces.piece_of(packet)
        times += [[] for _ in range(piece + 1 - len(times))]
        if packet.stream_index == film.index and packet.size and not packet.is_discard and packet.pts is not None:
            base = packet.time_base
            times[piece].append((packet.pts * base, (packet.duration or 0) * base))
    # of sound not its first packet, which may be there only for its decoder
    starts = [s.start_time * s.time_base for s in sound if s.start_time is not None]
    starts += [min(times[0])[0]] if times[0] else []
    offsets, shown, end = [-min(starts, default=Fraction(0))], [], Fraction(0)
    usual = Fraction(1) / (film.average_rate or 25)
    for piece, pictures in enumerate(times):
        pictures = sorted(pictures)
        if piece:  # one without pictures goes on as the one before
            offsets.append(end - pictures[0][0] if pictures else offsets[-1])
        if pictures:
            shown += [time + offsets[-1] for time, _ in pictures]
            end = shown[-1] + (pictures[-1][1] or usual)
    if not shown:
        return Timeline(tuple(offsets))
    steps = np.diff(np.array([*shown, end], np.float64))
    even = bool((np.abs(steps - np.median(steps)) <= 0.02 * np.median(steps) + 0.002).all())
    return Timeline(tuple(offsets), even, end - shown[0], shown[0])
