"""Sound encoded anew, as AAC, for containers that cannot hold it as it is."""

from __future__ import annotations

from typing import Any

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # of AAC, in samples a second
FRAME = 1024  # samples


class SoundEncoder:
    """Encodes one stream's packets into a stream of another container, at the same times.

    Attributes:
        target: the new stream.
    """

    def __init__(self, container: Any, source: Any) -> None:
        import av

        rate = min((r for r in RATES if r >= source.rate), default=RATES[-1])
        layout = "mono" if source.layout.nb_channels == 1 else "stereo"  # some files name none
        self.target = container.add_stream("aac", rate=rate, layout=layout)
        self._resampler = av.AudioResampler("fltp", layout, rate, FRAME)

    def encode(self, packet: Any) -> list[Any]:
        """The packets that are ready after this one of the source."""
        return self._encoded([part for frame in packet.decode() for part in self._resampler.resample(frame)])

    def finish(self) -> list[Any]:
        """The packets that are left."""
        return [*self._encoded(self._resampler.resample(None)), *self.target.encode(None)]

    def _encoded(self, frames: list[Any]) -> list[Any]:
        return [packet for frame in frames for packet in self.target.encode(frame)]
