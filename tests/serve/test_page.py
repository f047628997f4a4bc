"""The whole of it: the command, its page in a browser, a photo in and the result out; and the worker behind it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from facedeblur.errors import UsageError
from facedeblur.serve.command import main
from facedeblur.serve.worker import Settings, Task, Worker

pytest.importorskip("aiohttp", reason="the extra `serve` (aiohttp) is not installed")


async def until(done, seconds=30):
    for _ in range(10 * seconds):
        if done():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


@pytest.fixture
def photo(rendered_face, tmp_path):
    """A rendered face, blurred sideways, on a larger picture."""
    face, _ = rendered_face(1, 256)
    blurred = cv2.blur(face, (9, 1))
    picture = cv2.copyMakeBorder(blurred, 40, 40, 80, 80, cv2.BORDER_REPLICATE)
    file = tmp_path / "a photo.png"
    cv2.imwrite(str(file), np.ascontiguousarray(picture[..., ::-1]))
    return file


@pytest.fixture
def task(photo, tmp_path):
    return Task(photo, tmp_path / "result.png", "a photo.png", video=False, always=True, seconds=5)


def test_the_worker_refuses_survives_and_ends(task, tmp_path):
    pytest.importorskip("dlib", reason="the extra `faces` is not installed")
    worker = Worker(Settings("blurred"))
    try:
        assert worker.run(task, 120) == (1, 0)
        assert (cv2.imread(str(task.target)) == cv2.imread(str(task.source))).all()  # "blurred" returns its input
        noise = tmp_path / "noise.png"
        cv2.imwrite(str(noise), np.full((64, 64, 3), 90, np.uint8))
        with pytest.raises(UsageError, match=r"^a photo\.png: no face found"):
            worker.run(Task(noise, task.target, task.name, False, True, 5), 60)
        worker._process.kill()
        worker._process.join()
        assert worker.run(task, 120) == (1, 0)  # by another child
        with pytest.raises(UsageError, match="not done within 0 seconds"):
            worker.run(task, 0)
        assert worker._process is None
    finally:
        worker.stop()


def test_weights_that_are_not_there_end_the_command(capsys):
    with pytest.raises(UsageError, match="nope: no such weights"):
        main(["--weights", "nope", "--port", "0"])
    with pytest.raises(UsageError, match="--max-mb: must be above 0"):
        main(["--max-mb", "0"])


@pytest.fixture
def server(tmp_path):
    """The command with a network that returns its input; its address and its temporary files' folder."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "facedeblur", "serve", "--weights", "blurred", "--port", "0", "--max-mb", "2"]
    environment = {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/", line)
    assert found, line + process.stderr.read()
    yield found[0], temporary
    process.terminate()
    process.wait(timeout=30)
    assert not [path for path in temporary.iterdir() if path.name.startswith("facedeblur-serve-")]


@pytest.mark.system
def test_a_visitor_deblurs_a_photo(chromium, server, photo, tmp_path):
    pytest.importorskip("dlib", reason="the extra `faces` is not installed")
    address, temporary = server

    async def visit():
        async with chromium(tmp_path / "profile", address) as page:
            await page.choose("#file", photo)
            await page.until("['done', 'error'].includes(document.body.dataset.state)")
            assert await page.value("document.getElementById('said').textContent") == "a photo.png: 1 face"
            sizes = "[...document.querySelectorAll('#view img')].map(i => [i.naturalWidth, i.naturalHeight])"
            assert await page.value(sizes) == [[416, 336], [416, 336]]
            # the slider uncovers: its place is where the two pictures meet
            await page.value(
                "(s => { s.value = 20; s.dispatchEvent(new Event('input')) })(document.getElementById('slider'))"
            )
            assert "80%" in await page.value("getComputedStyle(document.getElementById('before')).clipPath")
            await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "downloads"))
            await page.value("document.getElementById('download').click()")
            downloaded = tmp_path / "downloads" / "a photo-deblurred.png"
            await until(downloaded.is_file)
            assert (cv2.imread(str(downloaded)) == cv2.imread(str(photo))).all()
            await page.screenshot(tmp_path / "page.png")
            (tmp_path / "large.png").write_bytes(bytes(3 * 2**20))
            await page.choose("#file", tmp_path / "large.png")
            await page.until("document.body.dataset.state === 'error'")
            assert await page.value("document.getElementById('said').textContent") == "large.png: larger than 2 MB"

    asyncio.run(visit())
    (folder,) = temporary.glob("facedeblur-serve-*")
    assert list(folder.iterdir()) == []  # nothing of the request stays
