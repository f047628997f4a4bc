"""A video with other pictures: everything else must come through."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest

from facedeblur.video.outline import outline
from facedeblur.video.rewrite import rewrite_video
from facedeblur.video.source import VideoError

HEIGHT, WIDTH = 96, 128
IRREGULAR = [0, 40, 80, 200, 240, 250, 400, 440, 480, 520, 1000, 1040]  # milliseconds


def flat(i: int) -> np.ndarray:
    """Grey levels that tell the frames apart, red on the left, a white upper edge that tells what is up."""
    frame = np.full((HEIGHT, WIDTH, 3), 20 * (i % 12), np.uint8)
    frame[:, : WIDTH // 4] = (200, 40, 60)
    frame[: HEIGHT // 4] = 250
    return frame


def make(path, stamps=IRREGULAR, rotation=0, matrix=2, audio="aac", size=(HEIGHT, WIDTH), trc=2):
    """A video of `flat` frames; `stamps` in milliseconds."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "4", "bf": "2"})
        video.height, video.width = size
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        video.codec_context.colorspace = matrix
        video.codec_context.color_trc = trc
        if rotation:
            video.set_display_rotation(rotation)
        container.metadata["title"] = "a title"
        sound = container.add_stream(audio, rate=16000, layout="mono", bit_rate=32000) if audio else None
        for i, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(flat(i)[: size[0], : size[1]].copy(), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace={1: 1}.get(matrix))
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        for i in range(16 if audio else 0):
            wave = (0.3 * np.sin(np.arange(1024) * (0.02 + 0.01 * i))).astype(np.float32)[None]
            chunk = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            chunk.rate, chunk.pts = 16000, i * 1024
            container.mux(sound.encode(chunk))
        if audio:
            container.mux(sound.encode(None))
    return path


def frames_of(path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def sound_of(path) -> list[tuple]:
    with av.open(str(path)) as container:
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(audio=0) if p.dts is not None]


def same(frames):
    return frames


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_timestamps_sound_and_tags_come_through(tmp_path, suffix):
    source, target = make(tmp_path / "in.mp4"), tmp_path / f"out{suffix}"
    assert rewrite_video(source, target, same) == len(IRREGULAR)
    before, after = frames_of(source), frames_of(target)
    # Matroska knows no time before 0, where AAC begins: it starts everything later, by the same
    shift = 64 if suffix == ".mkv" else 0
    assert [round(1000 * frame.time) - shift for frame in after] == IRREGULAR
    assert [data for _, data in sound_of(target)] == [data for _, data in sound_of(source)]
    for (a, _), (b, _) in zip(sound_of(source), sound_of(target), strict=True):
        assert abs(b - a - shift / 1000) < 0.0011  # Matroska counts milliseconds
    for a, b in zip(before, after, strict=True):
        assert np.abs(a.to_ndarray(format="gray").astype(int) - b.to_ndarray(format="gray")).mean() < 2
    with av.open(str(target)) as container:
        assert {k.lower(): v for k, v in container.metadata.items()}["title"] == "a title"
    assert not list(tmp_path.glob(".*"))


def test_without_sound(tmp_path):
    source = make(tmp_path / "in.mp4", audio=None)
    rewrite_video(source, tmp_path / "out.mp4", same)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio
    assert outline(source).audio == ()


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotated_frames_are_handed_over_upright_and_stored_as_they_were(tmp_path, rotation):
    source, target, seen = make(tmp_path / "in.mp4", rotation=rotation), tmp_path / "out.mp4", []

    def change(frames):
        for frame in frames:
            seen.append(frame)
            yield frame

    rewrite_video(source, target, change)
    before, after = frames_of(source)[0], frames_of(target)[0]
    assert after.rotation == before.rotation != 0
    assert (after.width, after.height) == (before.width, before.height)
    difference = before.to_ndarray(format="gray").astype(int) - after.to_ndarray(format="gray")
    assert np.abs(difference).mean() < 2
    facts = outline(source)
    assert seen[0].shape == (facts.height, facts.width, 3)
    expected = np.rot90(flat(0), {90: 1, 180: 2, -90: 3}[rotation])
    assert np.abs(seen[0].astype(int) - expected).mean() < 4


@pytest.mark.parametrize("matrix", [1, 2, 6])
def test_colours_and_their_tags_come_through(tmp_path, matrix):
    source, target = make(tmp_path / "in.mp4", matrix=matrix), tmp_path / "out.mp4"
    rewrite_video(source, target, same, crf=4)
    before, after = frames_of(source)[3], frames_of(target)[3]
    assert after.colorspace == before.colorspace == matrix
    for plane in range(3):  # of what is stored: luminance and both colour differences
        a, b = (np.frombuffer(frame.planes[plane], np.uint8).astype(int) for frame in (before, after))
        assert abs(a.mean() - b.mean()) < 1.0
    red = after.to_ndarray(format="rgb24")[HEIGHT // 2 :, : WIDTH // 5].mean(axis=(0, 1))
    assert np.abs(red - (200, 40, 60)).max() < 8


def test_other_pictures_of_another_size_are_written(tmp_path):
    source, target = make(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    rewrite_video(source, target, lambda frames: (np.hstack([255 - frame, frame])[:-1] for frame in frames))
    after = frames_of(target)[1].to_ndarray(format="rgb24")
    assert after.shape == (HEIGHT, 2 * WIDTH, 3)
    assert after[-8, WIDTH - 8].mean() > 220 and after[-8, -8].mean() < 40


def test_change_may_read_ahead(tmp_path):
    def late(frames):
        kept = list(islice(frames, 5))
        for frame in frames:
            kept.append(frame)
            yield kept.pop(0)
        yield from kept

    target = tmp_path / "out.mp4"
    rewrite_video(make(tmp_path / "in.mp4"), target, late)
    assert [round(1000 * frame.time) for frame in frames_of(target)] == IRREGULAR


@pytest.mark.parametrize(
    "change", [lambda f: islice(f, 3), lambda f: (x for i in f for x in (i, i)), lambda f: iter(())]
)
def test_another_number_of_frames_is_refused(tmp_path, change):
    with pytest.raises(ValueError, match="frames"):
        rewrite_video(make(tmp_path / "in.mp4"), tmp_path / "out.mp4", change)
    assert [file.name for file in tmp_path.iterdir()] == ["in.mp4"]


def test_what_change_raises_leaves_no_file(tmp_path):
    def broken(frames):
        yield next(frames)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrite_video(make(tmp_path / "in.mp4"), tmp_path / "out.mp4", broken)
    assert [file.name for file in tmp_path.iterdir()] == ["in.mp4"]


def test_sound_that_does_not_fit_is_named_with_a_way_out(tmp_path):
    source = make(tmp_path / "in.mkv", audio="tta")
    with pytest.raises(VideoError, match=r"\.mp4 cannot hold the sound \(tta\): name the output \.mkv"):
        rewrite_video(source, tmp_path / "out.mp4", same)
    assert rewrite_video(source, tmp_path / "out.mkv", same) == len(IRREGULAR)
    with pytest.raises(VideoError, match="wmav2.*convert it first"):
        rewrite_video(make(tmp_path / "in.wmv", audio="wmav2"), tmp_path / "other.mkv", same)


@pytest.mark.parametrize("kind", ["empty", "text", "audio", "half", "headless", "missing"])
def test_damaged_files_are_named(make_damaged, tmp_path, kind):
    source = make_damaged(kind)
    with pytest.raises(VideoError, match=kind):
        rewrite_video(source, tmp_path / "out.mp4", same)
    assert not (tmp_path / "out.mp4").exists() and not list(tmp_path.glob(".*"))


def test_hdr_is_refused(tmp_path):
    with pytest.raises(VideoError, match="HDR"):
        outline(make(tmp_path / "in.mp4", trc=16))


def film(path, stamps, last, hold=None, start=0, step=Fraction(1, 1000), sound=True, **streams):
    """Frames of `flat` at `stamps` + `start` ms, the last shown for `last` ms; 0.1 s pieces of a rising tone."""
    with av.open(str(path), "w", options={"copyts": "1"} if hold else {}) as container:
        for key, value in streams.pop("tags", {}).items():
            container.metadata[key] = value
        video = container.add_stream("libx264", rate=25, options={"crf": "4", "bf": "0"})
        video.height, video.width, video.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        video.codec_context.time_base = step
        audio = container.add_stream("mp2", rate=16000, layout="mono") if sound else None
        for i, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(flat(i), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = int((stamp + start) / 1000 / step), step
            for packet in video.encode(frame):
                container.mux(packet)
        for packet in video.encode():
            if packet.pts * packet.time_base * 1000 == stamps[-1] + start:
                packet.duration = int(last / 1000 / packet.time_base)
            container.mux(packet)
        if sound:
            for i in range((stamps[-1] + last) // 36):
                wave = (9000 * np.sin(np.arange(576) * (0.02 + 0.01 * i))).astype(np.int16)[None]
                chunk = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
                chunk.rate, chunk.pts = 16000, i * 576 + 16 * start
                container.mux(audio.encode(chunk))
            container.mux(audio.encode(None))
    return path


EVEN = [40 * i for i in range(10)]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("stamps", [EVEN, IRREGULAR], ids=["even", "irregular"])
def test_the_last_frame_is_shown_for_as_long_as_it_was(tmp_path, stamps, suffix):
    source, target = film(tmp_path / "in.mp4", stamps, last=2600, sound=False), tmp_path / f"out{suffix}"
    rewrite_video(source, target, same)
    after = frames_of(target)
    assert [round(1000 * frame.time) for frame in after] == stamps
    assert 1000 * after[-1].duration * after[-1].time_base == pytest.approx(2600, abs=1)
    with av.open(str(target)) as container:
        assert container.duration / 1000 == pytest.approx(stamps[-1] + 2600, abs=1)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("container", ["ts", "mkv"])
def test_a_recording_that_starts_late_starts_at_0_with_its_sound_in_step(tmp_path, container, suffix):
    source, target = film(tmp_path / f"in.{container}", EVEN, 40, start=5000), tmp_path / f"out{suffix}"
    given = [frames_of(source)[0].time, sound_of(source)[0][0]]
    assert min(given) > 1  # it does start late
    rewrite_video(source, target, same)
    after, sound = frames_of(target), sound_of(target)
    with av.open(str(target)) as written:
        assert written.start_time / 1e6 == pytest.approx(0, abs=0.001)
    assert after[0].time - sound[0][0] == pytest.approx(given[0] - given[1], abs=0.0011)
    assert [round(1000 * (frame.time - after[0].time)) for frame in after] == EVEN
    assert [data for _, data in sound] == [data for _, data in sound_of(source)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_joined_recordings_go_on_one_after_the_other(tmp_path, suffix):
    one = film(tmp_path / "one.ts", EVEN, 40)
    joined, target = tmp_path / "joined.ts", tmp_path / f"out{suffix}"
    joined.write_bytes(one.read_bytes() * 3)
    gap = frames_of(one)[0].time - sound_of(one)[0][0]
    seen = []

    def change(frames):
        for frame in frames:
            seen.append(frame)
            yield frame

    assert rewrite_video(joined, target, change) == 30
    after, sound = frames_of(target), sound_of(target)
    start = after[0].time
    assert [round(1000 * (frame.time - start)) for frame in after] == [40 * i for i in range(30)]
    assert min(start, sound[0][0]) == pytest.approx(0, abs=0.001)
    # each piece of sound lies where it lay beside its own pictures, but for what would overlap
    first = sound_of(one)[0][0]
    times = {data: time - first for time, data in sound_of(one)}
    assert len(times) == len(sound_of(one))
    for time, data in sound:
        piece = (time - start + gap - times[data]) / 0.4
        assert abs(piece - round(piece)) < 0.003 and round(piece) in (0, 1, 2)
    assert len(sound) >= 3 * len(times) - 4 and sorted(t for t, _ in sound) == [t for t, _ in sound]


def test_a_part_of_a_video_starts_at_0_with_its_sound(tmp_path):
    source, target = film(tmp_path / "in.mkv", [40 * i for i in range(50)], 40), tmp_path / "out.mp4"
    assert rewrite_video(source, target, same, part=(0.5, 1.2)) == 17  # frames at 0.52 ... 1.16
    after, sound = frames_of(target), sound_of(target)
    assert round(1000 * after[0].time) == 20 and round(1000 * after[-1].time) == 660
    whole = dict((data, time) for time, data in sound_of(source))
    assert 8 <= len(sound) <= 11  # of 72 ms each
    for time, data in sound:
        assert whole[data] - time == pytest.approx(0.5, abs=0.002)
    grey = after[0].to_ndarray(format="rgb24")[-8, -8]
    assert np.abs(grey.astype(int) - 20 * (13 % 12)).max() < 6


TELEPHONE = {
    "com.apple.quicktime.make": "Apple",
    "com.apple.quicktime.location.ISO6709": "+52.5-013.4/",
    "title": "家族の夏休み",
}


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_the_keys_of_telephones_come_through(tmp_path, suffix):
    path = tmp_path / "in.mov"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(TELEPHONE)
        video = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for i in range(3):
            container.mux(video.encode(av.VideoFrame.from_ndarray(flat(i), format="rgb24").reformat(format="yuv420p")))
        container.mux(video.encode())
    rewrite_video(path, tmp_path / f"out{suffix}", same)
    rewrite_video(path, tmp_path / f"bare{suffix}", same, metadata=False)
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        kept = {key.lower(): value for key, value in container.metadata.items()}
    assert {key.lower(): value for key, value in TELEPHONE.items()}.items() <= kept.items()
    with av.open(str(tmp_path / f"bare{suffix}")) as container:
        assert not {key.lower() for key in TELEPHONE} & {key.lower() for key in container.metadata}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_languages_and_dispositions_of_streams_come_through(tmp_path, suffix):
    path, target = tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        tracks = [container.add_stream("aac", rate=16000, layout="mono") for _ in range(2)]
        for track, language, disposition in zip(tracks, ("deu", "fra"), (0, 1), strict=True):
            track.metadata["language"] = language
            track.disposition = disposition
        container.mux(video.encode(av.VideoFrame.from_ndarray(flat(0), format="rgb24").reformat(format="yuv420p")))
        container.mux(video.encode())
        for track in tracks:
            chunk = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            chunk.rate = 16000
            container.mux([*track.encode(chunk), *track.encode(None)])
    rewrite_video(path, target, same)
    with av.open(str(path)) as one, av.open(str(target)) as other:
        given, kept = ([(s.language, int(s.disposition) & 1) for s in c.streams.audio] for c in (one, other))
    assert kept == given and [language for language, _ in given] == ["deu", "fra"]


def test_interlaced_video_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "in.mpg"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme"})
        video.height, video.width, video.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        graph = av.filter.Graph()
        given = graph.add_buffer(width=WIDTH, height=HEIGHT, format="yuv420p", time_base=Fraction(1, 25))
        fields, sink = graph.add("setfield", "tff"), graph.add("buffersink")
        given.link_to(fields)
        fields.link_to(sink)
        graph.configure()
        for i in range(4):
            frame = av.VideoFrame.from_ndarray(flat(i), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            given.push(frame)
            container.mux(video.encode(sink.pull()))
        container.mux(video.encode())
    for work in (outline, lambda source: rewrite_video(source, tmp_path / "out.mp4", same)):
        with pytest.raises(VideoError, match=r"in\.mpg: interlaced video.*-vf bwdif"):
            work(path)
    assert not (tmp_path / "out.mp4").exists()
