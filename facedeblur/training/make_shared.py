"""`python -m facedeblur.training.make_shared FILE`: makes what the jobs of a sweep share, before the first starts.

FILE holds a JSON list of composed configurations. Without flags: rendered corpora and plans of all of them; with
`--hourglass`: the hourglass stage that each needs, unless a finished one has the same key.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from filelock import FileLock

from facedeblur.data.make_corpus import make_corpus
from facedeblur.errors import UsageError
from facedeblur.signals import sigterm_as_interrupt
from facedeblur.training.cache_keys import stages_data
from facedeblur.training.settings import RunSettings, run_settings
from facedeblur.training.train import hourglass_checkpoint


def share_plans(runs: list[RunSettings]) -> bool:
    """Renders and plans for one run after the other, with all of their `jobs`; equal corpora once.

    Returns False where one of them failed: its jobs will meet the same error and report it as theirs.
    """
    made, whole = [], True
    for settings in runs:
        for _, data, blur in stages_data(settings):
            if (data, blur, settings.prepare) in made:
                continue
            made.append((data, blur, settings.prepare))
            Path(data.cache).mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(Path(data.cache) / ".share.lock"):  # sweeps in other folders may share the cache
                    make_corpus(data, blur, settings.jobs, settings.prepare)
            except (UsageError, ValueError, OSError) as error:
                print(f"facedeblur: error: {error}", file=sys.stderr)
                whole = False
    return whole


def main(argv: list[str] | None = None) -> int:
    """Returns 0, 1 where something cannot be made (why is on stderr), 130 after SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m facedeblur.training.make_shared", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--hourglass", action="store_true")
    arguments = parser.parse_args(argv)
    configurations = json.loads(arguments.file.read_text())
    try:
        with sigterm_as_interrupt():
            runs = [run_settings(plain) for plain in configurations]
            if not arguments.hourglass and not share_plans(runs):
                return 1
            for settings, plain in zip(runs, configurations, strict=True) if arguments.hourglass else ():
                hourglass_checkpoint(settings, plain)
    except (UsageError, ValueError, OSError) as error:
        print(f"facedeblur: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
