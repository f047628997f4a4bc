"""What can decode and encode video on this machine, for `facedeblur doctor` and bug reports."""

from __future__ import annotations


def backends() -> dict[str, str]:
    """Name of each backend -> its version, or ``missing: <reason>``."""
    probes = {
        "decord": _decord_version,
        "pyav": _pyav_version,
        "torchcodec (optional)": _torchcodec_version,
        "h264 encoder": _encoder,
        "opencv": _opencv_version,
    }
    found = {}
    for name, probe in probes.items():
        try:
            found[name] = probe()
        except Exception as error:  # a broken native library raises anything from ImportError to OSError
            found[name] = f"missing: {error}"
    return found


def _decord_version() -> str:
    from facedeblur.video.decord_source import import_decord

    return import_decord().__version__


def _pyav_version() -> str:
    import av

    return f"{av.__version__} (libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))})"


def _torchcodec_version() -> str:
    from importlib.metadata import version

    from facedeblur.video.torchcodec_source import import_torchcodec

    import_torchcodec()
    return version("torchcodec")


def _encoder() -> str:
    import av

    return av.Codec("libx264", "w").name


def _opencv_version() -> str:
    import cv2

    return cv2.__version__
