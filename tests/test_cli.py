"""The console script from outside: help, and errors before torch is loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from facedeblur import __version__
from facedeblur.baselines.names import CLASSICAL, LEARNED
from facedeblur.cli import main


def run(*arguments, **options):
    command = [sys.executable, "-m", "facedeblur", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_help_and_version(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "train" in text and "prepare" in text and "doctor" in text
    assert main(["--version"]) == 0 and capsys.readouterr().out.strip() == __version__


def test_train_help_lists_every_group(capsys):
    assert main(["train", "--help"]) == 0
    text = capsys.readouterr().out
    for word in ("experiment", "identity_nohg_only2mf2", "scale", "paper", "camera_shake", "resume=auto"):
        assert word in text


def test_evaluate_help_lists_every_compared_method(capsys):
    assert main(["evaluate", "--help"]) == 0
    text = capsys.readouterr().out
    for word in (*CLASSICAL, *(f"{name}:<file>" for name in LEARNED), "method=all,", "camera_shake"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 128


def test_unknown_command(capsys):
    assert main(["trian"]) == 2
    assert "trian" in capsys.readouterr().err


@pytest.mark.system
def test_a_wrong_key_stops_before_torch(tmp_path):
    probe = (
        "import sys; from facedeblur.cli import main; status = main(sys.argv[1:]); "
        "print('torch' in sys.modules, status)"
    )
    command = [sys.executable, "-c", probe, "train", "trainer.epoch=3", f"output={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.stdout.split() == ["False", "2"]
    assert "trainer.epoch" in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.mark.system
def test_a_reader_that_has_seen_enough_is_no_error():
    """`facedeblur --help | head -1`: the pipe is closed before all is written."""
    command = [sys.executable, "-m", "facedeblur", "--help"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(timeout=60) == 1
    process.stderr.close()


def test_help_loads_nothing_heavy():
    probe = (
        "import sys; from facedeblur.cli import main; main(['--help']); "
        "print([m for m in ('torch', 'numpy', 'cv2', 'hydra', 'pytorch_lightning') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip().endswith("[]")


def test_threads_wait_asleep_under_a_command_and_as_ever_under_an_import():
    program = "import os, facedeblur; print(os.environ.get('OMP_WAIT_POLICY')); "
    program += "from facedeblur.cli import main; main(['--version']); print(os.environ['OMP_WAIT_POLICY'])"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    told = {}
    for asked in (None, "ACTIVE"):
        given = environment | ({"OMP_WAIT_POLICY": asked} if asked else {})
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=given)
        told[asked] = done.stdout.split()
    assert told == {None: ["None", __version__, "PASSIVE"], "ACTIVE": ["ACTIVE", __version__, "ACTIVE"]}


def test_help_of_doctor_checks_nothing(monkeypatch, capsys):
    from facedeblur.training import doctor

    monkeypatch.setattr(doctor, "_step", lambda *given: pytest.fail("a step was timed"))
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--help"])
    assert ended.value.code == 0 and "usage: facedeblur doctor" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "told", "not_told"),
    [
        ("model._target_=mine.py:Net", "model.plugins.generator", "did you mean"),
        ("model.image_sise=64", "did you mean model.image_size?", "plugins"),
        ("blur=pravg8", "pravg7", "base"),
    ],
)
def test_what_is_offered_instead_exists_and_is_meant(word, told, not_told, capsys):
    assert main(["train", word]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line and not_told not in line.split()


@pytest.mark.system
def test_warnings_of_pillow_do_not_reach_the_terminal(tmp_path):
    """A TIFF inside of EXIF that breaks off: Pillow warns with the path of its own source."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x8769] = {0x9003: "2020:01:01 00:00:00"}
    Image.new("RGB", (64, 64)).save(tmp_path / "a.jpg", exif=exif.tobytes()[:30])
    code = "from PIL import Image; import sys; Image.open(sys.argv[1])._getexif()"
    told = subprocess.run([sys.executable, "-c", code, tmp_path / "a.jpg"], capture_output=True, text=True).stderr
    assert "Warning" in told, "else this proves nothing"
    command = [sys.executable, "-m", "facedeblur", "deblur", "a.jpg", "-o", "out/", "--weights", "blurred", "--aligned"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert (tmp_path / "out" / "a.png").is_file(), done.stderr
    assert "Warning" not in done.stderr and "PIL" not in done.stderr
