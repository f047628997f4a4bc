"""The whole of it: the command, its page in a browser, a photo in and the result out; and the worker behind it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading

import av
import cv2
import numpy as np
import pytest

from facedeblur.errors import UsageError
from facedeblur.serve.command import main
from facedeblur.serve.worker import NoFaceError, Settings, Task, Worker

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


def clip(path, picture, frames=12, audio=None, codec="mjpeg"):
    """A film of the picture, moving sideways, at 10 frames a second."""
    image = cv2.imread(str(picture))[..., ::-1]
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=10)
        video.height, video.width = image.shape[:2]
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        sound = container.add_stream(audio, rate=11025, layout="mono") if audio else None
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(image, i, axis=1)), format="rgb24")
            container.mux(video.encode(frame.reformat(format=video.pix_fmt)))
        container.mux(video.encode())
        for i in range(10 if audio else 0):
            chunk = av.AudioFrame.from_ndarray(np.full((1, 1102), 120 + i, np.uint8), format="u8", layout="mono")
            chunk.rate, chunk.pts = 11025, i * 1102
            container.mux(sound.encode(chunk))
    return path


@pytest.fixture
def task(photo, tmp_path):
    return Task(photo, tmp_path / "result", "a photo.png", always=True, seconds=5)


def test_the_worker_refuses_survives_and_ends(task, tmp_path):
    pytest.importorskip("dlib", reason="the extra `faces` is not installed")
    worker = Worker(Settings("blurred"))
    try:
        result = worker.run(task, 120)
        assert (result.file, result.faces, result.sharp) == (tmp_path / "result.png", 1, 0)
        assert (cv2.imread(str(result.file)) == cv2.imread(str(task.source))).all()  # "blurred" returns its input
        noise = tmp_path / "noise.png"
        cv2.imwrite(str(noise), np.full((64, 64, 3), 90, np.uint8))
        with pytest.raises(NoFaceError, match=r"^a photo\.png: no face found$"):
            worker.run(Task(noise, task.target, task.name, True, 5), 60)
        # sound that MP4 cannot hold is encoded; what is refused names the upload, no path and no command
        film, told = clip(tmp_path / "film.avi", task.source, audio="pcm_u8"), []
        result = worker.run(Task(film, tmp_path / "film", "my film.avi", True, 5), 60, lambda *step: told.append(step))
        with av.open(str(result.file)) as container:
            assert [stream.codec_context.name for stream in container.streams.audio] == ["aac"]
        assert (result.file.suffix, result.faces, result.frames) == (".mp4", 1, 12) and told[-1] == (12, 12)
        left = threading.Event()
        with pytest.raises(UsageError, match="nobody waits"):
            worker.run(Task(film, tmp_path / "film", "my film.avi", True, 5), 60, lambda *step: left.set(), left)
        whole = film.read_bytes()
        (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 3])
        with pytest.raises(UsageError) as raised:
            worker.run(Task(tmp_path / "cut.mp4", tmp_path / "cut", "my film.mp4", True, 0.1), 60)
        assert str(raised.value).startswith("my film.mp4: ") and str(tmp_path) not in str(raised.value)
        assert "ffmpeg" not in str(raised.value) and "`" not in str(raised.value)
        worker._process.kill()
        worker._process.join()
        assert worker.run(task, 120).faces == 1  # by another child
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
    assert process.stderr.read() == ""  # nothing of the visitors' files
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
            assert "80%" in await page.value("getComputedStyle(document.getElementById('cover')).clipPath")
            await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "downloads"))
            await page.value("document.getElementById('download').click()")
            downloaded = tmp_path / "downloads" / "a photo-deblurred.png"
            await until(downloaded.is_file)
            assert (cv2.imread(str(downloaded)) == cv2.imread(str(photo))).all()
            await page.screenshot(tmp_path / "page.png")
            # zoomed, the edge stays under the slider: at 20 % of the view, in the middle of what is three times as wide
            await page.value(
                "(s => { s.value = 3; s.dispatchEvent(new Event('input')) })(document.getElementById('zoom'))"
            )
            right = await page.value("parseFloat(document.getElementById('cover').style.clipPath.split(' ')[1])")
            assert right == pytest.approx(60, abs=0.5)
            await page.screenshot(tmp_path / "zoomed.png")
            # less strength is asked for as soon as it is chosen
            await page.value(
                "(s => { s.value = 0.4; s.dispatchEvent(new Event('input')); s.dispatchEvent(new Event('change')) })"
                "(document.getElementById('strength'))"
            )
            assert await page.value("document.getElementById('share').value") == "40 %"
            await page.until(
                "performance.getEntriesByType('resource').some(r => r.name.includes('strength=0.4')) "
                "&& document.body.dataset.state === 'done'"
            )

            await page.choose("#file", clip(tmp_path / "film.mp4", photo, frames=30, codec="libx264"))
            await page.until("['done', 'error'].includes(document.body.dataset.state)")
            assert await page.value("document.getElementById('said').textContent") == "film.mp4: 1 face"
            button = "document.getElementById('play').getBoundingClientRect()"
            under = "(b => document.elementFromPoint(b.left + b.width / 2, b.top + b.height / 2).id)"
            assert await page.value(f"{under}({button})") == "play"  # nothing covers the controls
            await page.value("document.getElementById('play').click()")
            await page.until("document.getElementById('after').currentTime > 0.8")
            await page.value("document.getElementById('play').click()")
            apart = (
                "Math.abs(document.getElementById('before').currentTime - document.getElementById('after').currentTime)"
            )
            await page.until(f"{apart} < 0.05", 20)
            await page.screenshot(tmp_path / "film.png")

            cv2.imwrite(str(tmp_path / "nobody.png"), np.full((240, 320, 3), 90, np.uint8))
            await page.choose("#file", tmp_path / "nobody.png")
            await page.until("['choosing', 'error'].includes(document.body.dataset.state)")
            said = await page.value("document.getElementById('said').textContent")
            assert said.startswith("nobody.png: no face found. Click on the face below") and "--box" not in said
            x, y = await page.value(
                "(b => [b.left + b.width / 2, b.top + b.height / 2])"
                "(document.getElementById('after').getBoundingClientRect())"
            )
            for kind in ("mousePressed", "mouseReleased"):
                await page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
            await page.until("['done', 'error'].includes(document.body.dataset.state)")
            assert await page.value("document.getElementById('said').textContent") == "nobody.png: 1 face"

            (tmp_path / "large.png").write_bytes(bytes(3 * 2**20))
            await page.choose("#file", tmp_path / "large.png")
            await page.until("document.body.dataset.state === 'error'")
            assert await page.value("document.getElementById('said').textContent") == "large.png: larger than 2 MB"

    asyncio.run(visit())
    (folder,) = temporary.glob("facedeblur-serve-*")
    assert list(folder.iterdir()) == []  # nothing of the request stays
