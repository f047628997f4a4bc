"""The page's server: one HTML file, and one address that takes a file and answers with the deblurred one.

Uploads and results live in a temporary folder for as long as their request; nothing is kept, logged or sent elsewhere.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web  # noqa: TID253  this module is imported by `facedeblur serve` alone

from facedeblur.errors import UsageError
from facedeblur.inference.kinds import PHOTOS, VIDEOS
from facedeblur.serve.worker import Task, Worker

PAGE = Path(__file__).with_name("page.html")
TYPES = {".png": "image/png", ".mp4": "video/mp4"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
WAITING = 4  # requests that may stand in line; the next is refused
UPLOAD_SECONDS = 120.0
# the page needs its own script and style, and pictures that the browser holds; nothing from anywhere else
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data:; media-src blob:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)


@dataclass(frozen=True)
class Limits:
    """What a request may ask for: bytes of the file, seconds of a clip, seconds of work."""

    bytes: int = 100 * 2**20
    clip_seconds: float = 60.0
    work_seconds: float = 600.0


class RefusedError(Exception):
    """A request that gets an error: its status and one line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


def _strength(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise RefusedError(400, f"strength: must be a number from 0 to 1, got {text[:20]!r}")
    return value


class Server:
    """Request handlers around one worker; `folder` is where uploads live."""

    def __init__(self, worker: Worker, limits: Limits, folder: Path, hosts: tuple[str, ...] = LOOPBACK) -> None:
        self.worker, self.limits, self.folder, self.hosts = worker, limits, folder, hosts
        self.waiting = 0
        self.turn = asyncio.Lock()

    def application(self) -> web.Application:
        """The server as an aiohttp application."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self.page)
        app.router.add_post("/deblur", self.deblur)
        return app

    async def page(self, request: web.Request) -> web.Response:
        text = PAGE.read_text(encoding="utf-8")
        for name, value in (
            ("MAX_BYTES", str(self.limits.bytes)),
            ("MAX_SECONDS", f"{self.limits.clip_seconds:.0f}"),
            ("ACCEPT", ",".join(PHOTOS + VIDEOS)),
        ):
            text = text.replace(f"{{{{{name}}}}}", value)
        return web.Response(text=text, content_type="text/html")

    async def deblur(self, request: web.Request) -> web.Response:
        """The body is the file; in the query are its `name`, `always` (0 or 1) and `strength` (0 to 1)."""
        name = Path(request.query.get("name", "")).name or "file"
        suffix = Path(name).suffix.lower()
        if suffix not in PHOTOS + VIDEOS:
            raise RefusedError(415, f"{name}: neither a picture nor a video by its name")
        strength = _strength(request.query.get("strength", "1"))
        if self.waiting >= WAITING:
            raise RefusedError(503, "others are waiting already; try again in a minute")
        self.waiting += 1
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            source = folder / f"upload{suffix}"
            await asyncio.wait_for(self._receive(request, source, name), UPLOAD_SECONDS)
            video = suffix in VIDEOS
            target = folder / ("result.mp4" if video else "result.png")
            always = request.query.get("always") == "1"
            task = Task(source, target, name, video, always, self.limits.clip_seconds, strength)
            async with self.turn:
                work = partial(self.worker.run, task, self.limits.work_seconds)
                faces, sharp = await asyncio.get_running_loop().run_in_executor(None, work)
            headers = {"X-Faces": str(faces), "X-Sharp": str(sharp)}
            return web.Response(body=target.read_bytes(), content_type=TYPES[target.suffix], headers=headers)
        except UsageError as error:
            raise RefusedError(422, str(error)) from error
        except TimeoutError:
            raise RefusedError(408, f"{name}: not received within {UPLOAD_SECONDS:.0f} seconds") from None
        finally:
            self.waiting -= 1
            shutil.rmtree(folder, ignore_errors=True)

    async def _receive(self, request: web.Request, target: Path, name: str) -> None:
        too_large = RefusedError(413, f"{name}: larger than {self.limits.bytes / 2**20:.0f} MB")
        if (request.content_length or 0) > self.limits.bytes:
            raise too_large
        received = 0
        with target.open("wb") as file:
            async for chunk in request.content.iter_chunked(2**18):
                received += len(chunk)
                if received > self.limits.bytes:
                    raise too_large
                file.write(chunk)
        if not received:
            raise RefusedError(400, f"{name}: empty")

    @web.middleware
    async def _guard(self, request: web.Request, handler) -> web.StreamResponse:
        """Other sites' pages may neither read nor use this one; errors are one line of text."""
        try:
            if self.hosts and urlsplit(f"//{request.host}").hostname not in self.hosts:
                raise RefusedError(403, f"{request.host}: not the name of this server")
            origin = request.headers.get("Origin")
            if origin is not None and urlsplit(origin).netloc != request.host:
                raise RefusedError(403, "requests of other sites are refused")
            response = await handler(request)
        except RefusedError as refusal:
            response = web.Response(status=refusal.status, text=str(refusal))
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
