"""How a stage's windows are blurred, as frozen, checked values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from facedeblur.blur.camera_shake import CameraShakeSettings
from facedeblur.blur.photo_motion import MotionSettings
from facedeblur.blur.schedule import KINDS, Schedule, named_schedule
from facedeblur.blur.trajectory import TrajectorySettings
from facedeblur.blur.vla import VLASettings
from facedeblur.blur.weak import SharpSettings
from facedeblur.plugins import as_plugins, as_text
from facedeblur.settings import ADDED, check, is_positive


@dataclass(frozen=True)
class BlurSettings:
    """A weighted list of blur schedules (sections 3.3 and 5.2) and what they share.

    Attributes:
        schedules: name -> share of the epoch.
        val_schedules: what validation windows are made of.
        stride: frames between the starts of two windows (None = their length: no overlap).
        response: psi of Eq. 7.
        windows: name of a schedule -> code of the user's own that chooses the frames to average: landmarks of a shot,
            (frames, 68, 2) in pixels -> [(start, length), ...].
        plugins: name of a schedule -> code of the user's own: (sharp, seed, landmarks) -> blurry, arrays (S, S[, 3]) in
            [0, 255].
    """

    name: str
    schedules: Mapping[str, float]
    val_schedules: tuple[str, ...]
    stride: int | None = None
    response: str = "identity"
    vla: VLASettings = field(default_factory=VLASettings)
    trajectory: TrajectorySettings = field(default_factory=TrajectorySettings)
    camera_shake: CameraShakeSettings = field(default_factory=CameraShakeSettings)
    sharp: SharpSettings = field(default_factory=SharpSettings, metadata=ADDED)
    motion: MotionSettings = field(default_factory=MotionSettings, metadata=ADDED)
    plugins: Mapping[str, object] = field(default_factory=dict, metadata=ADDED)
    windows: Mapping[str, object] = field(default_factory=dict, metadata=ADDED)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plugins", as_plugins(self.plugins, "plugins", refused=KINDS))
        object.__setattr__(self, "windows", as_plugins(self.windows, "windows", refused=(*KINDS, *self.plugins)))
        check(len(self.schedules) > 0, "schedules", "at least one schedule", dict(self.schedules))
        for name, weight in self.schedules.items():
            check(is_positive(weight), f"schedules.{name}", "a positive weight", weight)
        self.training(), self.validation()  # names, stride and response are checked there

    def training(self, names: Iterable[str] | None = None) -> tuple[Schedule, ...]:
        """The schedules that training windows are made of: those of `schedules`, or the `names` given instead.

        Raises:
            ValueError: an unknown name.
        """
        names = dict.fromkeys(self.schedules if names is None else names)
        return tuple(self._schedule(name, self.stride) for name in names)

    def validation(self) -> tuple[Schedule, ...]:
        """The schedules of validation; its windows never overlap."""
        return tuple(self._schedule(name, None) for name in self.val_schedules)

    def _schedule(self, name: str, stride: int | None) -> Schedule:
        if name in self.plugins:
            plugin = as_text(self.plugins[name], f"blur.plugins.{name}")
            return Schedule(name, "plugin", stride=stride, response=self.response, plugin=plugin)
        if name in self.windows:
            plugin = as_text(self.windows[name], f"blur.windows.{name}")
            return Schedule(name, "windows", response=self.response, plugin=plugin)
        own = ("vla", "trajectory", "camera_shake", "sharp", "motion")
        shared = {kind: getattr(self, kind) for kind in own}
        return named_schedule(name, stride=stride, response=self.response, **shared)
