"""`facedeblur deblur` from arguments to files, on everything that people have."""

from __future__ import annotations

import io
import json
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from facedeblur.cli import main
from facedeblur.errors import UsageError
from facedeblur.inference.api import FaceDeblurrer
from facedeblur.inference.files import Outcome, _Change

STAMPS = [0, 40, 80, 200, 240, 250, 400, 440, 480, 520, 1000, 1040]  # milliseconds: no constant frame rate


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def deblur(here, monkeypatch, unsharp, finder):
    """deblur("a.jpg", "-o", "out") -> exit status, with a network that sharpens and faces that are discs."""

    def load(weights, device):
        assert device == "auto"
        return FaceDeblurrer(unsharp, 64, str(weights), finder)

    monkeypatch.setattr("facedeblur.inference.load.load", load)
    return lambda *arguments: main(["deblur", *map(str, arguments)])


@pytest.fixture
def photo(here, picture):
    """photo("a.jpg", faces, mode) writes a picture of 150 x 200 pixels and returns its pixels."""

    def make(name="a.png", faces=((60, 70, 25), (150, 80, 30)), **options) -> np.ndarray:
        image = Image.fromarray(picture(150, 200, list(faces)))
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(here / name, **options)
        return np.asarray(Image.open(here / name).convert("RGB"))

    return make


@pytest.fixture
def video(here, picture):
    """video("a.mp4", frames, sound, stamps) writes a face that walks to the right."""

    def make(name="a.mp4", stamps=STAMPS, sound=True, face=True):
        with av.open(name, "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"crf": "8"})
            stream.height, stream.width, stream.pix_fmt = 100, 160, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            aac = container.add_stream("aac", rate=16000, layout="mono") if sound else None
            for i, stamp in enumerate(stamps):
                image = picture(100, 160, [(50 + 2 * i % 60, 50, 24)] if face else [])
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = stamp, Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
            for i in range(16 if sound else 0):
                chunk = av.AudioFrame.from_ndarray(np.full((1, 1024), 0.01 * i, np.float32), "fltp", "mono")
                chunk.rate, chunk.pts = 16000, i * 1024
                container.mux(aac.encode(chunk))
            if sound:
                container.mux(aac.encode(None))

    return make


def read(name) -> np.ndarray:
    return np.asarray(Image.open(name).convert("RGB"))


def decoded(name) -> list[av.VideoFrame]:
    with av.open(str(name)) as container:
        return list(container.decode(video=0))


def one_line(capsys, *words) -> str:
    """The last line that was printed, which must hold the words."""
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert all(word in line for word in words), line
    return line


def test_a_photo_becomes_a_png_that_differs_in_its_faces_alone(deblur, photo, capsys):
    given = photo("a.jpg", quality=95)
    assert deblur("a.jpg", "-o", "out", "--always") == 0
    done = read("out/a.png")
    changed = (done != given).any(axis=2)
    assert changed[60:80, 50:70].any() and changed[70:90, 140:160].any()
    assert not changed[:5].any() and not changed[-5:].any() and not changed[:, -1:].any()
    line = one_line(capsys, "a.jpg -> out/a.png: 2 faces; ", " % of the pixels changed, by ")
    share = changed.mean()
    assert f"; {100 * share:.2g} % of" in line and 0.01 < share < 0.6


@pytest.mark.parametrize(("share", "told"), ((0.00123, "0.12 %"), (0.0512, "5.1 %"), (0.154, "15 %"), (1.0, "100 %")))
def test_a_share_of_pixels_is_a_plain_number(share, told):
    assert f"; {told} of the pixels changed" in Outcome("a.jpg", "a.png", 1, 0, share, 2.0).text


def test_metadata_of_a_photo_are_kept(deblur, photo):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "a camera", 1
    photo("a.jpg", exif=exif, icc_profile=b"a profile", dpi=(72, 72))
    assert deblur("a.jpg", "-o", "b.jpg", "--always") == 0
    done = Image.open("b.jpg")
    assert done.getexif()[0x010F] == "a camera" and done.info["icc_profile"] == b"a profile"


def test_what_the_format_cannot_hold_names_the_photo(deblur, photo, here, capsys):
    exif = Image.Exif()
    exif[0x010E] = "a description" * 6_000
    photo("a.png", exif=exif)
    assert deblur("a.png", "-o", "b.jpg", "--always") == 2
    one_line(capsys, "error: a.png: ", "EXIF", "name the output .png")
    assert not (here / "b.jpg").exists()


def test_largest_and_compare(deblur, photo):
    given = photo()
    assert deblur("a.png", "-o", "b.png", "--always", "--faces", "largest", "--compare") == 0
    done = read("b.png")
    assert done.shape == (150, 400, 3) and np.array_equal(done[:, :200], given)
    assert np.array_equal(done[:, 200:290], given[:, :90]) and not np.array_equal(done[:, 290:], given[:, 90:])


def test_a_folder_with_everything_in_it(deblur, photo, video, here, capsys):
    photo("in/a.jpg")
    photo("in/b.png")
    photo("in/nobody.png", faces=())
    (here / "in/text.jpg").write_text("this is not a picture")
    (here / "in/cut.jpg").write_bytes((here / "in/a.jpg").read_bytes()[:2000])
    (here / "in/empty.mp4").touch()
    video("in/clip.mp4")
    assert deblur("in", "-o", "out", "--always") == 1
    assert sorted(file.name for file in (here / "out").iterdir()) == ["a.png", "b.png", "clip.mp4"]
    lines = capsys.readouterr().err
    for reason in (
        "skipped: in/nobody.png: no face found; nothing written",
        "skipped: in/text.jpg: not a picture",
        "skipped: in/cut.jpg: truncated or damaged",
        "skipped: in/empty.mp4: empty file",
        "3 of 7 done",
    ):
        assert reason in lines, lines


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("text.jpg", b"not a picture", "not a picture"),
        ("text.mp4", b"not a video" * 99, "not a video"),
        ("text", b"nothing known", "not a video"),
        ("gone.jpg", None, "no such file"),
    ],
)
def test_a_single_bad_input_is_one_line_and_status_2(deblur, here, capsys, name, content, says):
    if content is not None:
        (here / name).write_bytes(content)
    assert deblur(name, "-o", "out") == 2
    assert one_line(capsys, "error", name, says).startswith("facedeblur: error: ")
    assert not list((here / "out").glob("*") if (here / "out").exists() else [])


def test_nobody_in_a_photo_or_video(deblur, photo, video, here, capsys):
    photo("a.png", faces=())
    assert deblur("a.png", "-o", "b.png") == 2
    one_line(capsys, "a.png: no face found; nothing written; say where it is: --box")
    video(face=False)
    assert deblur("a.mp4", "-o", "b.mp4") == 2
    one_line(capsys, "a.mp4: no face found; nothing written; say where it is: --box", "first of its 12 frames")
    assert sorted(file.name for file in here.iterdir()) == ["a.mp4", "a.png"]


def test_results_are_not_overwritten_unless_forced(deblur, photo, here, capsys):
    photo()
    (here / "b.png").write_bytes(b"kept")
    assert deblur("a.png", "-o", "b.png") == 2
    one_line(capsys, "b.png: exists; --force overwrites")
    assert deblur("a.png", "-o", "b.png", "--resume") == 0 and (here / "b.png").read_bytes() == b"kept"
    assert deblur("a.png", "-o", "b.png", "--force") == 0 and read("b.png").shape == (150, 200, 3)


def test_a_read_only_folder_stops_before_any_work(deblur, photo, unsharp, capsys):
    photo()
    assert deblur("a.png", "-o", "/proc/out/") == 2
    one_line(capsys, "/proc/out: cannot be written to")
    assert not unsharp.seen


def test_from_standard_input_to_standard_output(deblur, photo, monkeypatch, here):
    given = photo("a.jpg")
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((here / "a.jpg").read_bytes())))
    monkeypatch.setattr(sys, "stdout", out)
    assert deblur("-", "-o", "-", "--always") == 0
    done = read(io.BytesIO(out.buffer.getvalue()))
    assert done.shape == given.shape and not np.array_equal(done, given)


def test_a_video_keeps_its_sound_and_its_irregular_times(deblur, video, capsys):
    video()
    assert deblur("a.mp4", "-o", "out/", "--always") == 0
    before, after = decoded("a.mp4"), decoded("out/a.mp4")
    assert [round(1000 * frame.time) for frame in after] == STAMPS
    for a, b in zip(before, after, strict=True):
        difference = np.abs(a.to_ndarray(format="gray").astype(int) - b.to_ndarray(format="gray"))
        assert difference[:, :8].mean() < 2 and difference[:, 8:].max() > 12
    with av.open("a.mp4") as one, av.open("out/a.mp4") as other:
        sounds = [[bytes(p) for p in c.demux(audio=0) if p.dts is not None] for c in (one, other)]
    assert sounds[0] == sounds[1] and len(sounds[0]) > 10
    one_line(capsys, "a.mp4 -> out/a.mp4: 1 face in 12 of 12 frames; ")


def test_a_video_without_sound_from_standard_input(deblur, video, monkeypatch, here):
    video(sound=False)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((here / "a.mp4").read_bytes())))
    assert deblur("-", "-o", "b.mkv", "--always") == 0
    with av.open("b.mkv") as container:
        assert not container.streams.audio
    assert len(decoded("b.mkv")) == len(STAMPS)


def test_a_video_side_by_side(deblur, video):
    video()
    assert deblur("a.mp4", "-o", "b.mp4", "--compare", "--aligned") == 0
    frame = decoded("b.mp4")[3]
    assert (frame.width, frame.height) == (320, 100)


def test_an_interruption_leaves_nothing_half_written(deblur, video, photo, here, monkeypatch, capsys):
    video()
    count = 0

    def interrupted(*arguments):
        nonlocal count
        count += 1
        if count > 5:
            raise KeyboardInterrupt
        return np.zeros((64, 64, 3), np.float32)

    monkeypatch.setattr("facedeblur.inference.video.network_crop", interrupted)
    assert deblur("a.mp4", "-o", "out/b.mp4", "--always") == 130
    assert not list((here / "out").iterdir()) and "interrupted" in capsys.readouterr().err


def test_contradicting_and_wrong_flags(deblur, photo, capsys):
    photo()
    assert deblur("a.png", "-o", "b.png", "--force", "--resume") == 2
    one_line(capsys, "--force, --resume")
    assert deblur("a.png", "-o", "b.png", "--batch", 0) == 2
    one_line(capsys, "--batch: must be a whole number of at least 1")
    assert deblur("a.png", "-o", "b.png", "--strength", 1.5) == 2
    one_line(capsys, "--strength: must be a number in [0, 1]")
    assert deblur("a.png", "-o", "-", "--json") == 2
    one_line(capsys, "--json, -o -")
    assert deblur("a.png", "--to", "3", "--from", "1:05") == 2
    one_line(capsys, "--to 3: must come after --from 65")
    assert deblur("a.png", "--to", "3") == 2
    one_line(capsys, "--from, --to: for videos")
    assert deblur("a.png", "a.png", "--box", "900,1,5,5") == 2
    one_line(capsys, "a.png: --box: 900,1,5,5 lies beside the picture of 200 x 150 pixels")
    for wrong in (["--box", "1,2,3"], ["--from", "soon"], ["--from", "-1"]):
        with pytest.raises(SystemExit) as ended:
            deblur("a.png", *wrong)
        assert ended.value.code == 2


def test_without_o_the_result_lies_in_the_default_folder_and_is_named(deblur, photo, here, capsys, monkeypatch):
    photo()
    assert deblur("a.png", "--always") == 0
    one_line(capsys, "a.png -> outputs/deblurred/a.png: 2 faces")
    assert (here / "outputs/deblurred/a.png").exists()
    assert deblur("a.png") == 2
    one_line(capsys, "exists; --force overwrites")
    monkeypatch.setenv("FACEDEBLUR_MAKE", "1")
    assert deblur("a.png") == 2
    one_line(capsys, "exists; ARGS=--force overwrites")


def test_programs_are_told_in_json(deblur, photo, video, here, capsys):
    photo("in/a.png")
    video("in/b.mp4")
    (here / "in/c.jpg").write_bytes(b"no picture")
    assert deblur("in", "-o", "out", "--always", "--json") == 1
    a, b, c = map(json.loads, capsys.readouterr().out.splitlines())
    assert (a["input"], a["output"], a["faces"], a["sharp"], a["frames"]) == ("in/a.png", "out/a.png", 2, 0, 0)
    assert (b["input"], b["output"], b["faces"], b["frames"], b["with_face"]) == ("in/b.mp4", "out/b.mp4", 1, 12, 12)
    assert 0 < a["changed"] < 0.6 and a["levels"] > 1
    assert c == {"input": "in/c.jpg", "error": "in/c.jpg: not a picture"}


def test_metadata_can_be_left_out(deblur, photo, video):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    photo("a.jpg", exif=exif, icc_profile=b"a profile", dpi=(72, 72))
    assert deblur("a.jpg", "-o", "b.jpg", "--always", "--strip-metadata") == 0
    done = Image.open("b.jpg")
    assert not done.getexif() and done.info["icc_profile"] == b"a profile" and done.info["dpi"] == (72, 72)


def test_a_part_of_a_video(deblur, video):
    video(stamps=[40 * i for i in range(40)])
    assert deblur("a.mp4", "-o", "b.mp4", "--always", "--from", "0.4", "--to", "1.2") == 0
    after = decoded("b.mp4")
    assert [round(1000 * frame.time) for frame in after] == [40 * i for i in range(20)]


def test_a_box_shows_the_face_that_is_not_found(deblur, photo, video, finder, monkeypatch):
    monkeypatch.setattr(finder.detector, "detect", lambda image: [])
    given = photo()
    assert deblur("a.png", "-o", "b.png", "--always") == 2
    assert deblur("a.png", "-o", "b.png", "--always", "--box", "36,46,48,48", "--box", "121,51,58,58") == 0
    changed = (read("b.png") != given).any(axis=2)
    assert changed[60:80, 50:70].any() and changed[70:90, 140:160].any() and not changed[:5].any()
    video()
    assert deblur("a.mp4", "-o", "b.mp4", "--always", "--box", "26,26,48,48") == 0
    before, after = decoded("a.mp4"), decoded("b.mp4")
    for number in (0, 6, 11):  # it is followed
        pictures = [frame[number].to_ndarray(format="gray").astype(int) for frame in (before, after)]
        assert np.abs(pictures[0] - pictures[1]).max() > 12


def test_from_python(deblur, video, unsharp, finder):
    video(stamps=[40 * i for i in range(20)])
    told = []
    model = FaceDeblurrer(unsharp, 64, "unsharp", finder)
    outcome = model.video(
        "a.mp4", "b.mp4", always=True, start=0.2, progress=lambda done, total: told.append((done, total))
    )
    assert (outcome.faces, outcome.frames, outcome.with_face, outcome.output) == (1, 15, 15, "b.mp4")
    assert len(decoded("b.mp4")) == 15 and told[-1] == (15, 15) and len(told) > 10
    with pytest.raises(UsageError, match="gone.mp4: file not found"):
        model.video("gone.mp4", "c.mp4")


@pytest.mark.parametrize("kind, white", [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_what_changed_is_counted_as_by_hand(kind, white):
    rng = np.random.default_rng(0)
    before = (rng.random((60, 50, 3)) * white).astype(kind)
    after = before.copy()
    after[40:50, 3:9, 1] = white - after[40:50, 3:9, 1]
    after[7, 20] = 0
    change = _Change()
    change.add(before, after)
    change.add(before, before.copy())
    by_hand = np.abs(before.astype(np.float64) - after).max(axis=2)
    assert change.share == np.count_nonzero(by_hand) / (2 * by_hand.size)
    assert change.levels == pytest.approx(255 / white * by_hand[by_hand > 0].mean(), rel=1e-5)
