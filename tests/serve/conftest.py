"""A headless Chromium that does what a visitor does, over its own debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage --remote-debugging-port=0 "
    "--window-size=1000,900"
)


class Chromium:
    """`async with Chromium(folder, url) as page`: a page that has loaded."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url, self.number = folder, url, 0

    async def __aenter__(self) -> Chromium:
        import aiohttp

        command = [PROGRAM, *FLAGS.split(), f"--user-data-dir={self.folder}", self.url]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = aiohttp.ClientSession()
        port_file, target = self.folder / "DevToolsActivePort", None
        deadline = time.monotonic() + 90
        while target is None and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            if port_file.is_file() and (lines := port_file.read_text().splitlines()):
                async with self.session.get(f"http://127.0.0.1:{lines[0]}/json") as answer:
                    pages = [page for page in await answer.json() if page["type"] == "page"]
                target = pages[0]["webSocketDebuggerUrl"] if pages else None
        assert target, "Chromium did not start within 90 seconds"
        self.socket = await self.session.ws_connect(target, max_msg_size=0)
        await self.until("document.body?.dataset.state === 'idle'")
        return self

    async def __aexit__(self, *_) -> None:
        await self.session.close()
        self.process.kill()
        self.process.wait()

    async def call(self, method: str, **parameters):
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": parameters})
        while True:
            answer = json.loads((await self.socket.receive()).data)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    async def value(self, expression: str):
        """The JSON value of a JavaScript expression; promises are awaited."""
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 400) -> None:
        deadline = time.monotonic() + seconds
        while not await self.value(expression):
            assert time.monotonic() < deadline, f"not within {seconds} s: {expression}"
            await asyncio.sleep(0.2)

    async def choose(self, selector: str, file: Path) -> None:
        """Chooses `file` in a file input, as its dialog would."""
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.call("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.call("DOM.setFileInputFiles", files=[str(file)], nodeId=node)

    async def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"]))


@pytest.fixture
def chromium():
    """The class; skips where no Chromium is installed."""
    if PROGRAM is None:
        pytest.skip("no Chromium is installed")
    return Chromium
