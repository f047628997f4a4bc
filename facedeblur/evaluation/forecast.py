"""How long an evaluation will still take, from what each method has taken: they differ by a factor of a thousand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class Forecast:
    """Seconds that are left.

    images: method -> images that it has to restore. A method that has not run yet is taken to be as fast as the mean
    of the others.
    """

    def __init__(self, images: Mapping[str, int]) -> None:
        self.waiting, self.total = Counter(images), sum(images.values())
        self._restored: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()
        self._judged, self._judging = 0, 0.0

    def restored(self, method: str, images: int, seconds: float) -> None:
        """A method took so long for so many images, by the wall clock."""
        self._restored[method] += images
        self._seconds[method] += seconds

    def judged(self, images: int, seconds: float) -> None:
        """So many restored images waited so long for their judgement."""
        self._judged += images
        self._judging += seconds

    def finished(self, method: str, images: int) -> None:
        """The rows of so many images are written."""
        self.waiting[method] -= images

    @property
    def done(self) -> int:
        """Images whose rows are written."""
        return self.total - sum(self.waiting.values())

    def seconds_left(self) -> float:
        rates = {method: self._seconds[method] / count for method, count in self._restored.items() if count}
        usual = sum(rates.values()) / len(rates) if rates else 0.0
        restoring = sum(count * rates.get(method, usual) for method, count in self.waiting.items())
        return restoring + sum(self.waiting.values()) * self._judging / max(1, self._judged)
