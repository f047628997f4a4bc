"""`facedeblur serve`: the page on this machine."""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.extras import need

DESCRIPTION = """\
A page to try it: drop a photo or a clip, compare before and after, download the result. It answers only this machine
unless --host says otherwise, sends nothing elsewhere, and keeps no file longer than its request.
"""


def main(argv: list[str]) -> int:
    """Serves until it is interrupted; see `facedeblur serve --help`."""
    parser = argparse.ArgumentParser(prog="facedeblur serve", description=DESCRIPTION)
    parser.add_argument("--weights", metavar="NAME|RUN", help="as for `facedeblur deblur` (default: what ships)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine)")
    parser.add_argument("--port", type=int, default=7860, help="port, 0 for any that is free (default: 7860)")
    parser.add_argument("--max-mb", type=float, default=100, help="largest file (default: 100)")
    parser.add_argument("--max-seconds", type=float, default=60, help="longest clip (default: 60)")
    parser.add_argument("--timeout", type=float, default=600, help="seconds of work on one file (default: 600)")
    flags = parser.parse_args(argv)
    for name in ("max_mb", "max_seconds", "timeout"):
        if not getattr(flags, name) > 0:
            raise UsageError(f"--{name.replace('_', '-')}: must be above 0")
    need("serve", "aiohttp")
    return _serve(flags)


def _serve(flags: argparse.Namespace) -> int:
    from aiohttp import web

    from facedeblur.serve.app import LOOPBACK, Limits, Server
    from facedeblur.serve.worker import Settings, Worker

    listener = _listen(flags.host, flags.port)
    loopback = flags.host in LOOPBACK
    worker = Worker(Settings(flags.weights, flags.device))
    try:
        worker.start()
        limits = Limits(int(flags.max_mb * 2**20), flags.max_seconds, flags.timeout)
        with tempfile.TemporaryDirectory(prefix="facedeblur-serve-") as folder:

            async def application() -> web.Application:
                return Server(worker, limits, Path(folder), LOOPBACK if loopback else ()).application()

            port = listener.getsockname()[1]
            shown = f"[{flags.host}]" if ":" in flags.host else flags.host
            print(f"facedeblur: http://{shown}:{port}/  (Ctrl-C ends it)", file=sys.stderr, flush=True)
            if not loopback:
                print("facedeblur: everybody who reaches this address can use the page", file=sys.stderr, flush=True)
            web.run_app(application(), sock=listener, print=None, access_log=None, shutdown_timeout=2)
    finally:
        worker.stop()
    return 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--host {host} --port {port}: cannot listen there ({reason}); choose another port") from None
