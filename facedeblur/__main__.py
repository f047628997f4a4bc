"""`python -m facedeblur` is the console script `facedeblur`."""

from __future__ import annotations

import sys

from facedeblur.cli import main

if __name__ == "__main__":
    sys.exit(main())
