"""The page under load: visitors with photos and clips, some of whom leave and some of whom mean harm."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import av
import cv2
import numpy as np

PHOTO_SIDES = ((640, 480), (1024, 768), (1600, 1250))  # up to 2 megapixels
CLIP_FRAMES, CLIP_RATE = 50, 25
LEAVING, HOSTILE = 0.1, 0.1  # shares of the visits
PATIENCE = 2.0  # seconds after which those who leave do so, at most


def main() -> None:
    """Runs the load and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path, help="a picture with a face in it")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--clips", type=int, default=10, help="in all")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for line in asyncio.run(_load(flags, Path(folder))):
            print(line)


async def _load(flags: argparse.Namespace, folder: Path) -> list[str]:
    photos, film, hostile = _inputs(flags.picture, folder)
    temporary = folder / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "facedeblur", "serve", "--port", "0", "--max-mb", "8"]
    server = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(temporary)}, stderr=subprocess.PIPE, text=True)
    address = re.search(r"http://\S+/", server.stderr.readline())[0]
    visits = _Visits(address, photos, film, hostile, flags.clips)
    memory = [_memory(server.pid)]
    try:
        deadline = time.monotonic() + flags.seconds
        clients = [asyncio.ensure_future(visits.client(number, deadline)) for number in range(flags.clients)]
        while not all(client.done() for client in clients):
            await asyncio.wait(clients, timeout=5)
            memory.append(_memory(server.pid))
        await asyncio.gather(*clients)
        await asyncio.sleep(3)
        (work,) = temporary.glob("facedeblur-serve-*")
        left = len(list(work.iterdir()))
        alive = server.poll() is None
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
    half = len(memory) // 2
    waits = sorted(visits.seconds)
    return [
        f"visits: {sum(visits.answers.values())}, answers: {dict(visits.answers.most_common())}",
        f"seconds to a result: median {waits[len(waits) // 2]:.1f}, longest {waits[-1]:.1f}" if waits else "no result",
        f"server alive: {alive}; files left: {left}; lines on its terminal: {len(server.stderr.read().splitlines())}",
        f"memory of both processes, MB: first half at most {max(memory[:half]):.0f}, second {max(memory[half:]):.0f}",
    ]


class _Visits:
    def __init__(self, address: str, photos: list[bytes], film: bytes, hostile: list[tuple[str, bytes]], clips: int):
        self.address, self.photos, self.film, self.hostile, self.clips = address, photos, film, hostile, clips
        self.answers: Counter[str] = Counter()
        self.seconds: list[float] = []

    async def client(self, number: int, deadline: float) -> None:
        """One visit after the other, with a pause where the page says that it is busy."""
        import aiohttp

        draw = random.Random(number)
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < deadline:
                name, content = self._file(draw)
                leaves = draw.random() < LEAVING
                began = time.monotonic()
                try:
                    answer = await asyncio.wait_for(
                        self._visit(session, name, content), draw.uniform(0.05, PATIENCE) if leaves else 600
                    )
                except TimeoutError:
                    answer = "left"
                except aiohttp.ClientError:
                    answer = "cut off"
                self.answers[answer] += 1
                if answer == "200":
                    self.seconds.append(time.monotonic() - began)
                await asyncio.sleep(2.0 if answer == "503" else 0.1)

    async def _visit(self, session, name: str, content: bytes) -> str:
        async with session.post(f"{self.address}deblur?name={name}&always=1", data=content) as answer:
            await answer.read()
            return str(answer.status)

    def _file(self, draw: random.Random) -> tuple[str, bytes]:
        if draw.random() < HOSTILE:
            return draw.choice(self.hostile)
        if self.clips > 0 and draw.random() < 0.1:
            self.clips -= 1
            return "clip.mp4", self.film
        return "photo.jpg", draw.choice(self.photos)


def _inputs(picture: Path, folder: Path) -> tuple[list[bytes], bytes, list[tuple[str, bytes]]]:
    image = cv2.imread(str(picture))
    photos = [cv2.imencode(".jpg", cv2.resize(image, size))[1].tobytes() for size in PHOTO_SIDES]
    with av.open(str(folder / "clip.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=CLIP_RATE)
        video.width, video.height, video.pix_fmt = 640, 480, "yuv420p"
        still = cv2.resize(image, (640, 480))[..., ::-1]
        for i in range(CLIP_FRAMES):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(still, i, 1)), "rgb24")))
        container.mux(video.encode())
    film = (folder / "clip.mp4").read_bytes()
    noise = random.Random(0).randbytes(200_000)
    hostile = [
        ("cut.jpg", photos[0][:3000]),
        ("cut.mp4", film[: len(film) // 2]),
        ("noise.png", noise),
        ("noise.mkv", noise),
        ("empty.png", b""),
        ("program.exe", noise),
        ("large.png", bytes(9 * 2**20)),
        ("nobody.png", cv2.imencode(".png", np.full((400, 600, 3), 90, np.uint8))[1].tobytes()),
        ("film.png", film),
        ("photo.mp4", photos[0]),
    ]
    return photos, film, hostile


def _memory(pid: int) -> float:
    """Resident megabytes of a process and its children, of whichever of its threads: the worker is started anew."""
    children = [child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
    pages = 0
    for one in (pid, *children):
        with suppress(OSError):  # it has ended since
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
