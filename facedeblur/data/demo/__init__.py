"""A corpus of rendered face videos that needs no network and no files: one public-domain portrait, many people."""

from __future__ import annotations

from facedeblur.data.demo.render import render_demo
from facedeblur.data.demo.settings import DemoSettings

__all__ = ["DemoSettings", "render_demo"]
