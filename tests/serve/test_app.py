"""The page's server: what it takes, what it refuses, and that it keeps nothing."""

from __future__ import annotations

import asyncio

import pytest

from facedeblur.errors import UsageError

pytest.importorskip("aiohttp", reason="the extra `serve` (aiohttp) is not installed")

from aiohttp.test_utils import TestClient, TestServer  # noqa: E402

from facedeblur.serve.app import WAITING, Limits, Server  # noqa: E402
from facedeblur.serve.worker import NoFaceError, Result  # noqa: E402

CONTENT = b"\x89PNG" + bytes(range(256)) * 1000
LIMITS = Limits(bytes=len(CONTENT))


class Reverses:
    """A worker that answers with the upload's bytes backwards."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.tasks = error, []

    def run(self, task, timeout, progress, left):
        self.tasks.append(task)
        video = task.source.suffix in (".mov", ".avi")
        target = task.target.with_suffix(".mp4" if video else ".png")
        if self.error:
            target.write_bytes(b"half")
            raise self.error
        target.write_bytes(task.source.read_bytes()[::-1])
        return Result(target, 2, 1, 30 if video else 0)


class Slow(Reverses):
    """One that takes its time, and stops where it is told to."""

    def __init__(self, steps: int = 4) -> None:
        super().__init__()
        self.steps, self.now, self.most, self.stopped = steps, 0, 0, 0

    def run(self, task, timeout, progress, left):
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for step in range(self.steps):
                progress(step + 1, self.steps + 1)
                if left.wait(0.05):
                    self.stopped += 1
                    raise UsageError("stopped")
        finally:
            self.now -= 1
        return super().run(task, timeout, progress, left)


def served(tmp_path, requests, worker=None, limits=LIMITS):
    """Runs `await requests(client, server)` against a server on a free port; afterwards its folder must be empty."""
    server = Server(worker or Reverses(), limits, tmp_path)

    async def run():
        async with TestClient(TestServer(server.application())) as client:
            return await requests(client, server)

    answer = asyncio.run(run())
    assert list(tmp_path.iterdir()) == []
    return answer


def test_a_file_comes_back_deblurred_and_nothing_stays(tmp_path):
    async def requests(client, server):
        answer = await client.post("/deblur?name=../../a%20b.JPG&always=1&strength=0.4", data=CONTENT)
        return server.worker.tasks, answer.status, await answer.read(), answer.headers

    (task,), status, body, headers = served(tmp_path, requests)
    assert status == 200 and body == CONTENT[::-1]
    assert (headers["X-Faces"], headers["X-Sharp"], headers["Content-Type"]) == ("2", "1", "image/png")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frames"] == "0" and "default-src 'none'" in headers["Content-Security-Policy"]
    assert task.name == "a b.JPG" and task.always and task.strength == 0.4 and task.boxes == ()
    assert task.source.parent.parent == tmp_path and task.source.name == "upload.jpg"


def test_clips_come_back_as_mp4(tmp_path):
    async def requests(client, server):
        answer = await client.post("/deblur?name=a.mov", data=CONTENT)
        return server.worker.tasks[0], answer.headers["Content-Type"]

    task, kind = served(tmp_path, requests, limits=Limits(len(CONTENT), clip_seconds=7))
    assert kind == "video/mp4" and not task.always and (task.strength, task.seconds) == (1, 7)


@pytest.mark.parametrize(
    ("query", "data", "status", "line"),
    (
        ("name=a.png", CONTENT + b"+", 413, "a.png: larger than 0 MB"),
        ("name=a.png", b"", 400, "a.png: empty"),
        ("name=a.exe", CONTENT, 415, "a.exe: neither a picture nor a video by its name"),
        ("", CONTENT, 415, "file: neither"),
    ),
)
def test_what_it_does_not_take(tmp_path, query, data, status, line):
    async def requests(client, server):
        answer = await client.post(f"/deblur?{query}", data=data)
        return answer.status, await answer.text(), server.worker.tasks

    got, text, tasks = served(tmp_path, requests)
    assert got == status and text.startswith(line) and "\n" not in text and not tasks


def test_uploads_of_unknown_length_are_cut_off_at_the_limit(tmp_path):
    async def endless():
        for _ in range(10_000):
            yield bytes(2**16)

    async def requests(client, server):
        try:
            return (await client.post("/deblur?name=a.png", data=endless())).status
        except ConnectionError:
            return "closed"

    assert served(tmp_path, requests) in (413, "closed")


def test_what_cannot_be_deblurred_is_said_in_one_line(tmp_path):
    async def requests(client, server):
        answer = await client.post("/deblur?name=a.png", data=CONTENT)
        return answer.status, await answer.text()

    assert served(tmp_path, requests, Reverses(UsageError("a.png: damaged"))) == (422, "a.png: damaged")


def test_others_sites_and_names_are_refused(tmp_path):
    async def requests(client, server):
        own = f"http://{client.host}:{client.port}"
        statuses = []
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": own}, {}):
            answer = await client.post("/deblur?name=a.png", data=CONTENT, headers=headers)
            statuses.append(answer.status)
        page = await client.get("/", headers={"Host": "evil.example:80"})
        return statuses, page.status

    assert served(tmp_path, requests) == ([403, 403, 200, 200], 403)


def test_where_no_face_was_found_the_visitor_may_show_it(tmp_path):
    async def requests(client, server):
        answer = await client.post("/deblur?name=a.png", data=CONTENT)
        server.worker.error = None
        shown = await client.post("/deblur?name=a.png&box=10,20,30.5,40", data=CONTENT)
        wrong = [await client.post(f"/deblur?name=a.png&box={box}", data=CONTENT) for box in ("1,2,3", "a,b,c,d", "")]
        return answer.status, answer.headers["X-No-Face"], shown.status, [a.status for a in wrong], server.worker.tasks

    refused, header, shown, wrong, tasks = served(tmp_path, requests, Reverses(NoFaceError("a.png: no face found")))
    assert (refused, header, shown, wrong) == (422, "1", 200, [400] * 3)
    assert [task.boxes for task in tasks] == [(), ((10, 20, 30.5, 40),)]


@pytest.mark.parametrize(
    "headers",
    [{"Host": "[::1"}, {"Host": "a]b"}, {"Origin": "http://[::1"}, {"Origin": "http://[zz]/"}, {"Host": "127.0.0.1:x"}],
)
def test_malformed_headers_are_refused(tmp_path, headers):
    async def requests(client, server):
        return [(await client.get("/", headers=headers)).status for _ in range(2)]

    assert set(served(tmp_path, requests)) <= {400, 403, 200} - ({200} if "[" in str(headers) else set())


def test_one_at_a_time_and_a_short_line(tmp_path):
    async def requests(client, server):
        posts = [client.post("/deblur?name=a.png", data=CONTENT) for _ in range(WAITING + 2)]
        answers = await asyncio.gather(*posts)
        waits = {answer.headers.get("Retry-After") for answer in answers if answer.status == 503}
        return sorted(answer.status for answer in answers), server.worker.most, waits

    statuses, most, waits = served(tmp_path, requests, Slow())
    assert most == 1 and statuses == [200] * WAITING + [503] * 2 and waits == {"30"}


def test_clients_that_leave_hold_neither_the_line_nor_the_worker(tmp_path):
    """All that wait close their tabs, the one at work too; the next is served at once."""

    async def requests(client, server):
        server.worker.steps = 10_000  # minutes
        posts = [asyncio.ensure_future(client.post("/deblur?name=a.mov", data=CONTENT)) for _ in range(WAITING)]
        while len(server.line) < WAITING:
            await asyncio.sleep(0.02)
        for post in posts:
            post.cancel()
        await asyncio.gather(*posts, return_exceptions=True)
        while server.line or server.uploads:
            await asyncio.sleep(0.02)
        tasks, stopped, server.worker.steps = len(server.worker.tasks), server.worker.stopped, 1
        answer = await asyncio.wait_for(client.post("/deblur?name=a.png", data=CONTENT), 5)
        return answer.status, tasks, stopped

    worker = Slow()
    assert served(tmp_path, requests, worker) == (200, 0, 1)


def test_a_visitor_is_told_the_place_in_line_and_the_percent(tmp_path):
    async def requests(client, server):
        posts = [asyncio.ensure_future(client.post(f"/deblur?name=a.mov&id=v{i}", data=CONTENT)) for i in range(3)]
        told = []
        while not all(post.done() for post in posts):
            told.append([await (await client.get(f"/progress?id=v{i}")).json() for i in range(3)])
            await asyncio.sleep(0.01)
        unknown = await (await client.get("/progress?id=nobody")).json()
        return told, unknown, dict(server.named)

    told, unknown, left = served(tmp_path, requests, Slow(8))
    assert unknown == {} and left == {}
    first = [entry[0]["percent"] for entry in told if entry[0]]
    assert first == sorted(first) and {11, 55, 88} & set(first) and max(first) < 100
    places = [sorted(place["before"] for place in entry if place) for entry in told]
    assert [0, 1, 2] in places and [0, 1] in places and [0] in places


def test_the_page_names_its_limits(tmp_path):
    async def requests(client, server):
        answer = await client.get("/")
        return await answer.text(), answer.headers["Content-Security-Policy"]

    text, policy = served(tmp_path, requests, limits=Limits(5 * 2**20, 42))
    assert "up to 42 seconds" in text and str(5 * 2**20) in text and ".webp" in text and "{{" not in text
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("strength", ["-0.1", "1.5", "nan", "much", ""])
def test_a_strength_that_cannot_be_is_refused(tmp_path, strength):
    async def requests(client, server):
        answer = await client.post(f"/deblur?name=a.jpg&strength={strength}", data=CONTENT)
        return server.worker.tasks, answer.status, await answer.text()

    tasks, status, text = served(tmp_path, requests)
    assert not tasks and status == 400 and text.startswith("strength: must be a number from 0 to 1")
