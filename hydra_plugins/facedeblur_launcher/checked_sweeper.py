"""The Hydra sweeper `checked`: Hydra's basic one, which first composes and checks every job and only then writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from hydra_plugins.facedeblur_launcher._errors import SweepError, stop
from hydra_plugins.facedeblur_launcher._jobs import refuse_other_overrides, titles


class CheckedSweeper(BasicSweeper):
    """For every launcher: a variant that does not compose or check, or a folder of other overrides, stops the sweep.

    Basic sweeps write multirun.yaml first and meet these later: with some launchers only when other jobs have run.
    """

    def sweep(self, arguments: list[str]) -> object:
        """Runs the sweep. Raises SystemExit(2) where nothing was started; why is on stderr, in one line."""
        try:
            words = OverridesParser.create(config_loader=self.hydra_context.config_loader).parse_overrides(
                [*self._parse_config(), *arguments]
            )
            self._check([job for batch in self.split_arguments(words, None) for job in batch])
            with self._taken(Path(self.config.hydra.sweep.dir)):
                return super().sweep(arguments)
        except SweepError as error:
            stop(error)

    @contextmanager
    def _taken(self, folder: Path) -> Iterator[None]:
        """The sweep's folder with multirun.yaml, which is as before where the launcher refuses the sweep after all."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            reserve = getattr(self.launcher, "reserve", None)
            if reserve is not None:
                reserve(folder)
            about = folder / "multirun.yaml"
            before = about.read_bytes() if about.exists() else None
            OmegaConf.save(self.config, about)  # Hydra writes it once more, where an error would be a stack
        except OSError as error:
            raise SweepError(f"{folder}: cannot be written to ({error.strerror or error})") from error
        try:
            yield
        except SystemExit as refused:
            if refused.code == 2:
                about.unlink() if before is None else about.write_bytes(before)
            raise

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Done for all batches before."""

    def _check(self, jobs: Sequence[Sequence[str]]) -> None:
        from facedeblur.errors import UsageError
        from facedeblur.overrides import one_line

        for number, (overrides, title) in enumerate(zip(jobs, titles(jobs), strict=True)):
            try:
                cfg = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
                with open_dict(cfg):
                    cfg.hydra.job.id = cfg.hydra.job.num = number
                self._check_job(cfg, overrides)
            except (HydraException, OmegaConfBaseException) as error:
                GlobalHydra.instance().clear()  # the command ends here; the nearest key is looked up in another tree
                message = one_line(error, str(self.config.hydra.job.config_name))
                raise SweepError(f"{title}: {message}") from error
            except UsageError as error:
                raise SweepError(f"{title}: {error}") from error

    def _check_job(self, cfg: DictConfig, overrides: Sequence[str]) -> None:
        from facedeblur.hydra_commands import checked

        before = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(cfg)  # ${hydra:...} is read there
        try:
            checked(cfg)
            folder = Path(cfg.hydra.sweep.dir, str(cfg.hydra.sweep.subdir))
        finally:
            HydraConfig.instance().cfg = before
        refuse_other_overrides(folder, overrides, longer=not self.config.hydra.launcher.get("skip_done", True))
