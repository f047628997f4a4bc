"""Shared fixtures: the devices there are, the composed configuration as plain dictionaries, a browser for pages."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from html import unescape
from pathlib import Path

import pytest

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("WANDB_MODE", "offline")
# Threads of tests beside one another spin while they wait for a core: small tensors then cost many times their work
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Beside other workers, whole commands come first: no worker waits for a long test of another's at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("system") is None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `device` runs on the CPU, and on a GPU where there is one."""
    if "device" in metafunc.fixturenames:
        import torch

        metafunc.parametrize("device", ["cpu", *["cuda"] * torch.cuda.is_available()])


@pytest.fixture
def compose(tmp_path):
    """`compose("key=value", ...)` -> the plain configuration, with output in a temporary folder."""
    from facedeblur.hydra_commands import checked
    from facedeblur.overrides import compose_run, quoted, with_init

    def composed(*overrides: str) -> dict:
        given = [quoted(override) for override in (*overrides, f"output={tmp_path / 'outputs'}")]
        return checked(compose_run(with_init(given)))[1]

    return composed


@pytest.fixture
def make_environment(monkeypatch):
    """The environment for a `make` of a test's own: without what the one around the tests hands down.

    CI runs the tests by `make test ARGS=...`, and make exports what it is given; so ARGS is set here in every run.
    """
    monkeypatch.setenv("ARGS", "-n 2")
    makefile = (Path(__file__).resolve().parents[1] / "Makefile").read_text()
    read = {*re.findall(r"\$\((\w+)\)", makefile), "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
    assert "ARGS" in read
    return {key: value for key, value in os.environ.items() if key not in read}


@pytest.fixture
def inspect_wandb():
    """`inspect_wandb(run, *flags)` -> the lines of wandb's own reader about an offline run's folder, as JSON text."""

    def inspect(run: Path, *flags: str) -> str:
        program = shutil.which("wandb", path=str(Path(sys.executable).parent)) or shutil.which("wandb")
        (log,) = run.glob("*.wandb")
        command = [program, "leet", "inspect", *flags, "--json", str(log)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    return inspect


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """`browser(document, script, width)` -> the JSON value of a JavaScript expression, evaluated in a page at `width`.

    The page runs in headless Chromium without any network, inside a frame of `width` x 800 pixels, as headless windows
    cannot be as narrow as a phone. The expression sees its `window` and `document`; `await` is allowed. Skips where no
    Chromium is installed.
    """
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is on the path")
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage"
    )

    def evaluated(document: str, script: str, width: int = 1280):
        folder = tmp_path_factory.mktemp("browser")
        harness = f"""<!doctype html><meta charset="utf-8">
          <iframe id="page" style="border:0;width:{width}px;height:800px"></iframe><pre id="answer"></pre><script>
          const frame = document.getElementById("page");
          frame.addEventListener("load", async () => {{
            const window = frame.contentWindow, document = window.document;
            let answer;
            try {{ answer = await (async () => ({script}))(); }}
            catch (error) {{ answer = {{ failed: String(error) }}; }}
            self.document.getElementById("answer").textContent = JSON.stringify(answer);
          }});
          frame.srcdoc = new TextDecoder().decode(Uint8Array.from(atob("{b64encode(document.encode()).decode()}"),
                                                                  c => c.charCodeAt(0)));
          </script>"""
        (folder / "harness.html").write_text(harness)
        command = [
            program,
            *flags.split(),
            f"--user-data-dir={folder / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=10000",
            "--dump-dom",
            (folder / "harness.html").as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        answer = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.DOTALL)
        assert answer and answer[1], f"the page did not answer: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return json.loads(unescape(answer[1]))

    return evaluated


@pytest.fixture(scope="session")
def rendered_face():
    """`rendered_face(person, size)` -> a still, RGB uint8 (size, size, 3), and its landmarks (68, 2), of the demo."""
    from facedeblur.data.demo.identity import draw_identities
    from facedeblur.data.demo.motion import STYLES, draw_trajectory
    from facedeblur.data.demo.scene import Person, Scene

    def render(person: int, size: int):
        shot = draw_trajectory(STYLES["A"], 1, 25.0, (person,))[0]
        return Scene(Person(draw_identities(person + 1, 0)[person]), "A", size, (person,)).draw(shot)

    return render
