from __future__ import annotations

import torch

from facedeblur.versions import versions


def test_versions_name_torch():
    assert versions()["torch"] in (torch.__version__, torch.__version__.split("+")[0])
