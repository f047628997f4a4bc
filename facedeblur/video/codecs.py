"""What can decode and encode video on this machine, for `facedeblur doctor` and bug reports."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

from facedeblur.video.decord_source import import_decord
from facedeblur.video.torchcodec_source import import_torchcodec


def backends() -> dict[str, str]:
    """Name of each backend -> its version, or ``missing: <reason>``."""
    probes = {
        "decord": lambda: import_decord().__version__,
        "pyav": _pyav_version,
        "torchcodec (optional)": lambda: import_torchcodec() and version("torchcodec"),
        "h264 encoder": lambda: import_module("av").Codec("libx264", "w").name,
        "opencv": lambda: import_module("cv2").__version__,
    }
    found = {}
    for name, probe in probes.items():
        try:
            found[name] = probe()
        except Exception as error:  # a broken native library raises anything from ImportError to OSError
            found[name] = f"missing: {error}"
    return found


def _pyav_version() -> str:
    import av

    return f"{av.__version__} (libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))})"
