"""The page's server: what it takes, what it refuses, and that it keeps nothing."""

from __future__ import annotations

import asyncio

import pytest

from facedeblur.errors import UsageError

pytest.importorskip("aiohttp", reason="the extra `serve` (aiohttp) is not installed")

from aiohttp.test_utils import TestClient, TestServer  # noqa: E402

from facedeblur.serve.app import WAITING, Limits, Server  # noqa: E402

CONTENT = b"\x89PNG" + bytes(range(256)) * 1000
LIMITS = Limits(bytes=len(CONTENT))


class Reverses:
    """A worker that answers with the upload's bytes backwards."""

    def __init__(self, error: str = "") -> None:
        self.error, self.tasks = error, []

    def run(self, task, timeout):
        self.tasks.append(task)
        if self.error:
            task.target.write_bytes(b"half")
            raise UsageError(self.error)
        task.target.write_bytes(task.source.read_bytes()[::-1])
        return 2, 1


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
    assert task.name == "a b.JPG" and task.always and task.strength == 0.4 and not task.video
    assert task.source.parent.parent == tmp_path and task.source.name == "upload.jpg"


def test_clips_come_back_as_mp4(tmp_path):
    async def requests(client, server):
        answer = await client.post("/deblur?name=a.mov", data=CONTENT)
        return server.worker.tasks[0], answer.headers["Content-Type"]

    task, kind = served(tmp_path, requests, limits=Limits(len(CONTENT), clip_seconds=7))
    assert kind == "video/mp4" and task.video and not task.always and (task.strength, task.seconds) == (1, 7)


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

    assert served(tmp_path, requests, Reverses("a.png: no face found")) == (422, "a.png: no face found")


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


def test_one_at_a_time_and_a_short_line(tmp_path):
    class Slow(Reverses):
        now, most = 0, 0

        def run(self, task, timeout):
            import time

            self.now += 1
            self.most = max(self.most, self.now)
            time.sleep(0.2)
            self.now -= 1
            return super().run(task, timeout)

    async def requests(client, server):
        posts = [client.post("/deblur?name=a.png", data=CONTENT) for _ in range(WAITING + 2)]
        return sorted(answer.status for answer in await asyncio.gather(*posts)), server.worker.most

    statuses, most = served(tmp_path, requests, Slow())
    assert most == 1 and statuses == [200] * WAITING + [503] * 2


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
