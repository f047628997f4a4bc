"""The page's server: one HTML file, and one address that takes a file and answers with the deblurred one.

Uploads and results live in a temporary folder for as long as their request; nothing is kept, logged or sent elsewhere.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiohttp import web  # noqa: TID253  only `facedeblur serve` imports this module

from facedeblur.errors import UsageError
from facedeblur.inference.kinds import PHOTOS, VIDEOS
from facedeblur.serve.requests import HEADERS, LeftError, RefusedError, host_of, numbers_of, split_address, strength_of
from facedeblur.serve.worker import NoFaceError, Result, Task, Worker

PAGE = Path(__file__).with_name("page.html")
TYPES = {".png": "image/png", ".mp4": "video/mp4"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
WAITING = 6  # files that may stand in line, the one at work among them; the next is refused
UPLOADS = 24  # requests whose files may be on their way in or out at the same time
UPLOAD_SECONDS = 120.0
LOOK_SECONDS = 0.25  # between two looks at whether a client is still there


@dataclass(frozen=True)
class Limits:
    """What a request may ask for: bytes of the file, seconds of a clip, seconds of work."""

    bytes: int = 100 * 2**20
    clip_seconds: float = 60.0
    work_seconds: float = 600.0


@dataclass(eq=False)
class _Queued:
    """A file in line or at work: how far it has come, and whether it is to stop."""

    done: int = 0
    total: int = 0
    at_work: bool = False
    left: threading.Event = field(default_factory=threading.Event)

    def progress(self, done: int, total: int) -> None:
        self.done, self.total = done, total


class Server:
    """Request handlers around one worker; `folder` is where uploads live."""

    def __init__(self, worker: Worker, limits: Limits, folder: Path, hosts: tuple[str, ...] = LOOPBACK) -> None:
        self.worker, self.limits, self.folder, self.hosts = worker, limits, folder, hosts
        self.line: list[_Queued] = []
        self.named: dict[str, _Queued] = {}  # by what the page calls them
        self.uploads = 0
        self.turn = asyncio.Lock()

    def application(self) -> web.Application:
        """The server as an aiohttp application."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self.page)
        app.router.add_get("/progress", self.progress)
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

    async def progress(self, request: web.Request) -> web.Response:
        """Of the file that the page calls `id`: how many are before it in line, and the percent that is done."""
        job = self.named.get(request.query.get("id", ""))
        if job is None:
            return web.json_response({})
        before = self.line.index(job) if job in self.line else 0
        return web.json_response({"before": before, "percent": 100 * job.done // job.total if job.total else 0})

    async def deblur(self, request: web.Request) -> web.StreamResponse:
        """The body is the file. In the query: `name` of the file; `always` (0 or 1), `strength` (0 to 1) and `box`
        (x,y,width,height), where the page has them; `id`, by which the page asks for progress.
        """
        name = Path(request.query.get("name", "")).name or "file"
        suffix = Path(name).suffix.lower()
        if suffix not in PHOTOS + VIDEOS:
            raise RefusedError(415, f"{name}: neither a picture nor a video by its name")
        strength, boxes = strength_of(request.query.get("strength", "1")), numbers_of(request, "box", 4)
        if self.uploads >= UPLOADS:
            raise _busy(len(self.line))
        self.uploads += 1
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            source = folder / f"upload{suffix}"
            await asyncio.wait_for(self._receive(request, source, name), UPLOAD_SECONDS)
            task = Task(
                source,
                folder / "result",
                name,
                request.query.get("always") == "1",
                self.limits.clip_seconds,
                strength,
                (boxes,) if boxes else (),
            )
            result = await self._in_turn(request, task)
            return await asyncio.wait_for(self._send(request, result), UPLOAD_SECONDS)
        except NoFaceError as error:
            raise RefusedError(422, str(error), X_No_Face="1") from error
        except UsageError as error:
            raise RefusedError(422, str(error)) from error
        except TimeoutError:
            raise RefusedError(408, f"{name}: not transferred within {UPLOAD_SECONDS:.0f} seconds") from None
        finally:
            self.uploads -= 1
            shutil.rmtree(folder, ignore_errors=True)

    async def _in_turn(self, request: web.Request, task: Task) -> Result:
        """Waits for the worker and its result; stops both where the client leaves."""
        if len(self.line) >= WAITING:
            raise _busy(len(self.line))
        job, called = _Queued(), request.query.get("id", "")[:64]
        self.line.append(job)
        if called:
            self.named[called] = job
        work = asyncio.ensure_future(self._work(job, task))
        try:
            while not (await asyncio.wait({work}, timeout=LOOK_SECONDS))[0]:
                if request.transport is None or request.transport.is_closing():
                    raise LeftError
            return work.result()
        finally:
            job.left.set()
            self.line.remove(job)
            self.named.pop(called, None)
            if not job.at_work:
                work.cancel()
            elif not work.done():  # its files are in use until then
                await asyncio.shield(_ended(work))

    async def _work(self, job: _Queued, task: Task) -> Result:
        async with self.turn:
            job.at_work = True
            work = partial(self.worker.run, task, self.limits.work_seconds, job.progress, job.left)
            return await asyncio.get_running_loop().run_in_executor(None, work)

    async def _send(self, request: web.Request, result: Result) -> web.StreamResponse:
        """The result, from its file: a slow reader holds no memory."""
        response = web.StreamResponse(
            headers={
                "Content-Type": TYPES[result.file.suffix],
                "Content-Length": str(result.file.stat().st_size),
                "X-Faces": str(result.faces),
                "X-Sharp": str(result.sharp),
                "X-Frames": str(result.frames),
                **HEADERS,
            }
        )
        try:
            await response.prepare(request)
            with result.file.open("rb") as file:
                while chunk := file.read(2**18):
                    await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            raise LeftError from None
        return response

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
            if self.hosts and host_of(f"//{request.host}") not in self.hosts:
                raise RefusedError(403, "not the name of this server")
            origin = request.headers.get("Origin")
            if origin is not None and split_address(origin).netloc != request.host:
                raise RefusedError(403, "requests of other sites are refused")
            response = await handler(request)
        except RefusedError as refusal:
            response = web.Response(status=refusal.status, text=str(refusal), headers=refusal.headers)
        except LeftError:
            response = web.Response(status=499, text="nobody waits for this answer any more")
        if not response.prepared:
            response.headers.update(HEADERS)
        return response


def _busy(before: int) -> RefusedError:
    return RefusedError(503, f"{before} others are waiting already; try again in a minute", Retry_After="30")


async def _ended(work: asyncio.Future) -> None:
    """Waits until a worker that was asked to stop has stopped."""
    with suppress(UsageError):
        await work
