"""Files with one fault each, made from a drifting portrait: everything the fault suite reads it builds itself."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from skimage.data import astronaut

WIDTH, HEIGHT, FRAMES = 128, 96, 24
FACE = (52, 28, 40, 44)  # x, y, width, height of the face in frame 0 of `film`

Frames = Sequence[np.ndarray]


def film(count: int = FRAMES, width: int = WIDTH, height: int = HEIGHT) -> list[np.ndarray]:
    """A portrait that drifts one pixel a frame, RGB uint8 (height, width, 3)."""
    picture = cv2.resize(np.ascontiguousarray(astronaut()[20:300, 110:420]), (160, 150), interpolation=cv2.INTER_AREA)
    frames = [np.ascontiguousarray(picture[10 + i // 2 :, i:][:HEIGHT, :WIDTH]) for i in range(count)]
    if (width, height) != (WIDTH, HEIGHT):
        frames = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC) for frame in frames]
    return frames


def landmarks(count: int = FRAMES, scale: float = 1.0) -> np.ndarray:
    """68 points that drift with `film`, (count, 68, 2) float32."""
    x, y, w, h = FACE
    shape = np.random.default_rng(0).uniform(0, 1, (68, 2))
    shape = (shape - shape.min(0)) / np.ptp(shape, axis=0) * [w, h] + [x, y]
    offsets = np.array([[i, i // 2] for i in range(count)])[:, None]
    return (scale * (shape - offsets)).astype(np.float32)


def annotate(video: Path, points: np.ndarray) -> None:
    """Landmarks beside a video."""
    np.savez(video.with_suffix(".npz"), landmarks=points)


def encode(
    path: Path,
    frames: Frames,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    ticks: Sequence[int] | None = None,
    per_second: int = 25,
    **options: str,
) -> Path:
    """Write a video; frame i is shown at `ticks[i] / per_second` seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    moved = {"movflags": options.pop("movflags")} if "movflags" in options else {}
    with av.open(str(path), "w", options=moved) as container:
        settings = {"crf": "10", **options} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=per_second, options=settings)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pix_fmt
        if codec != "libx264":
            stream.bit_rate = 8_000_000
        stream.codec_context.time_base = Fraction(1, per_second)
        stream.codec_context.thread_count = 1
        for tick, image in zip(ticks or range(len(frames)), frames, strict=True):
            frame = _grey(image) if pix_fmt == "gray" else av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = tick, Fraction(1, per_second)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _grey(image: np.ndarray) -> av.VideoFrame:
    """Luminance in 16 ... 235, as video has it."""
    light = 16 + cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) * (219 / 255)
    return av.VideoFrame.from_ndarray(np.rint(light).astype(np.uint8), format="gray")


def over_reporting(path: Path) -> None:
    """An AVI whose headers tell of ten times the frames that it has."""
    encode(path, film(), codec="mpeg4")
    data = bytearray(path.read_bytes())
    for tag, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):  # dwTotalFrames, dwLength
        place = data.index(tag) + offset
        (count,) = struct.unpack("<I", data[place : place + 4])
        assert count == FRAMES
        data[place : place + 4] = struct.pack("<I", 10 * count)
    path.write_bytes(data)


def rotated(path: Path, degrees: int) -> None:
    """The film stored lying on its side, with the note that it is to be turned by `degrees` counterclockwise."""
    plain = encode(path.with_name("plain.mp4"), [np.rot90(frame, -degrees // 90).copy() for frame in film()])
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(degrees)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    plain.unlink()


def silence(path: Path) -> None:
    """Sound without pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        for i in range(10):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.rate, frame.pts = 16000, i * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def truncated(path: Path, tenths: int) -> None:
    """The first tenths of a video whose index stands in front (.mp4) or nowhere (.mkv)."""
    whole = encode(path.with_name(f"whole{path.suffix}"), film(), movflags="+faststart", g="6")
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * tenths // 10])
    whole.unlink()


def with_cut() -> list[np.ndarray]:
    """The film, cut hard in the middle to the same in negative and upside down."""
    frames = film()
    return frames[: FRAMES // 2] + [255 - frame[::-1] for frame in frames[FRAMES // 2 :]]


def noise(count: int = FRAMES) -> list[np.ndarray]:
    """Clouds without a face."""
    rng = np.random.default_rng(0)
    clouds = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 6)
    return [np.roll(clouds, i, axis=1) for i in range(count)]


# name -> how it is made; all are annotated, so that nothing but the fault decides
BROKEN: dict[str, Callable[[Path], object]] = {
    "zero.mp4": lambda path: path.touch(),
    "text.mp4": lambda path: path.write_text("this is not a video\n" * 200),
    "list.mp4": lambda path: path.write_text("ffconcat version 1.0\nfile plain.mp4\n"),
    "audio.mp4": silence,
    "one.mp4": lambda path: encode(path, film(1)),
    "loop.mp4": lambda path: path.symlink_to(path.name),
    "nowhere.mp4": lambda path: path.symlink_to("nothing-there.mp4"),
}
REASONS = {
    "zero.mp4": "empty file",
    "text.mp4": "not a video",
    "list.mp4": "not a video",
    "audio.mp4": "no video stream",
    "one.mp4": "one frame only",
    "loop.mp4": "a symbolic link to itself",
    "nowhere.mp4": "file not found",
}

# name -> how it is made; these are odd, and usable
ODD: dict[str, Callable[[Path], object]] = {
    "plain.mp4": lambda path: encode(path, film()),
    "two.mp4": lambda path: encode(path, film(2)),
    "over-reporting.avi": over_reporting,
    "variable-rate.mkv": lambda path: encode(
        path, film(), ticks=[40 * i + 7 * (i % 2) + (2000 if i >= 10 else 0) for i in range(FRAMES)], per_second=1000
    ),
    "rotated.mp4": lambda path: rotated(path, 90),
    "upside-down.mp4": lambda path: rotated(path, 180),
    "ten-bit.mp4": lambda path: encode(path, film(), pix_fmt="yuv420p10le"),
    "odd-size.mp4": lambda path: encode(path, film(width=WIDTH + 1, height=HEIGHT + 1), pix_fmt="yuv444p"),
    "grey.mp4": lambda path: encode(path, film(), pix_fmt="gray"),
    "4k.mp4": lambda path: encode(path, film(9, 3840, 2160), preset="ultrafast"),
    "one-per-second.mp4": lambda path: encode(path, film(), per_second=1),
    "cut.mp4": lambda path: encode(path, with_cut()),
    "mpeg1.mpg": lambda path: encode(path, film(), codec="mpeg1video"),
}
# names that a shell, a line of a log or a pattern could stumble over
NAMES = (
    "two words.mp4",
    'it\'s "quoted".mp4',
    "line\nbreak.mp4",
    "$(touch owned) `touch owned`; touch owned & #.mp4",
    "-rf.mp4",
    "*?[a].mp4",
    "%05d.mp4",
    "лицо 顔 وجه.mp4",
    "a=b,{c}:d.mp4",
)


def build(folder: Path, files: dict[str, Callable[[Path], object]]) -> None:
    """Make files, each with landmarks beside it, as a corpus of one identity per file."""
    for name, make in files.items():
        path = folder / name.split(".")[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
        scale = 2160 / HEIGHT if name == "4k.mp4" else 1.0
        annotate(path, landmarks({"4k.mp4": 9, "one.mp4": 1, "two.mp4": 2}.get(name, FRAMES), scale))


def build_names(folder: Path, whole: Path) -> None:
    """The same video under every name of `NAMES`, in a folder of that name, too."""
    for name in NAMES:
        path = folder / name.removesuffix(".mp4") / name
        path.parent.mkdir(parents=True)
        shutil.copy(whole, path)
        annotate(path, landmarks())
