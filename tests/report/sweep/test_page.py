"""The page of a sweep: complete as a file, working in a browser, also while the sweep runs."""

from __future__ import annotations

import numpy as np
import pytest
from filelock import FileLock

from facedeblur.cli import main
from facedeblur.report.preview import cut_preview
from facedeblur.report.sweep import command
from facedeblur.report.sweep.configs import varied, varied_numbers
from facedeblur.report.sweep.faces import read_faces
from facedeblur.report.sweep.page import sweep_page
from facedeblur.report.sweep.read import read_sweep
from facedeblur.status import SWEEP_LOCK

from .conftest import GAINS


def test_the_command_writes_page_and_tables(sweep_folder, capsys):
    assert main(["report", str(sweep_folder)]) == 0
    printed = capsys.readouterr().out
    assert "no_identity" in printed
    runs = ",".join(f"{name}-s{seed}={sweep_folder}/{name}/s{seed}" for name in GAINS for seed in (0, 1))
    assert f"facedeblur evaluate name=ablations method={runs}" in printed
    written = {path.name for path in (sweep_folder / "report").iterdir()}
    assert written >= {
        "index.html",
        "variants.md",
        "variants.tex",
        "variants.csv",
        "cost.csv",
        "blurs.md",
        "figure.svg",
    }
    assert main(["report", str(sweep_folder)]) == 0  # its own folder is no run


def test_watching_ends_with_the_sweep(sweep_folder, monkeypatch):
    pages = []

    def finish(seconds):
        pages.append((sweep_folder / "report" / "index.html").read_text())
        names = (sweep_folder / "sweep.json").read_text().replace("late/s0", "final/s0")
        (sweep_folder / "sweep.json").write_text(names)

    monkeypatch.setattr(command.time, "sleep", finish)
    command.watch(sweep_folder, 5)
    assert len(pages) == 1 and 'http-equiv="refresh" content="5"' in pages[0]
    assert 'http-equiv="refresh"' not in (sweep_folder / "report" / "index.html").read_text()


def test_watching_waits_for_jobs_only_while_their_launcher_works(sweep_folder, monkeypatch):
    lock = FileLock(sweep_folder / SWEEP_LOCK).acquire().lock

    def end(seconds):
        assert lock.is_locked
        lock.release()

    monkeypatch.setattr(command.time, "sleep", end)
    command.watch(sweep_folder, 5)  # late/s0 waits for ever
    assert not lock.is_locked


def test_a_sweep_below_its_input_says_so(tmp_path, sweep_folder, run_folder):
    assert "below its input" not in sweep_page(read_sweep(sweep_folder))
    for variant, gain in (("final", -0.5), ("no_identity", -2.0)):
        run_folder(tmp_path / "bad" / variant / "s0", variant, 0, gain)
    assert "Every variant is below its input, the blurred images, whose PSNR is 24.00 dB" in sweep_page(
        read_sweep(tmp_path / "bad")
    )


def test_a_sweep_that_is_not_there_yet_is_named(tmp_path, capsys):
    assert main(["report", str(tmp_path / "later"), "--watch"]) == 2
    assert "no run here" in capsys.readouterr().err


def test_previews_are_cut_by_their_columns():
    picture = np.zeros((22 + 2 * 8, 5 * 8, 3), np.uint8)
    for column in range(5):
        picture[22:, 8 * column : 8 * column + 8] = column
    first, _ = cut_preview(picture, 8)
    assert [int(first[name].max()) for name in ("blurred", "restored", "sharp")] == [0, 2, 3]
    assert cut_preview(picture[:, :32], 8)[0]["restored"].max() == 1  # without an hourglass
    assert cut_preview(picture, 16) == [] and cut_preview(picture[:, :24], 8) == []


def test_faces_of_other_windows_are_left_out(sweep_folder, run_folder):
    other = sweep_folder / "identity_nohg" / "s0"
    run_folder(other, "identity_nohg", 0, model={"image_size": 16})
    faces = read_faces(read_sweep(sweep_folder))
    assert len(faces) == 2 and set(faces[0].restored) == {"final-s0", "no_identity-s0"}


def test_what_varies(tmp_path, run_folder):
    for p, r in ((2, 25), (2, 100), (8, 25), (8, 100)):
        run_folder(
            tmp_path / f"p{p}_r{r}" / "s0", f"p{p}_r{r}", 0, p + r / 100, experiment="final", loss={"p": p, "r": r}
        )
    sweep = read_sweep(tmp_path)
    assert set(varied_numbers(sweep)) == {"loss.p", "loss.r"} and "seed" not in varied(sweep)
    assert "Validation PSNR in dB, mean and standard deviation over seeds. Best: p8_r100, " in sweep_page(sweep)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(browser, sweep_folder, width):
    found = browser(
        sweep_page(read_sweep(sweep_folder)),
        """(() => {
          const pick = (name, value) => {
            const select = document.getElementById("choose-" + name);
            select.value = value;
            select.dispatchEvent(new window.Event("change"));
          };
          pick("left", "no_identity-s0"); pick("right", "sharp");
          pick("first", "final-s0"); pick("second", "no_identity-s1");
          const slider = document.querySelector(".slider");
          const [right, left] = slider.querySelectorAll("img");
          const faces = JSON.parse(document.getElementById("data-faces").textContent);
          return {
            overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
            sections: [...document.querySelectorAll("h2")].map(h => h.textContent),
            tiles: [...document.querySelectorAll(".tile")].map(t => t.textContent),
            sides: [left.src === faces[0]["no_identity-s0"], right.src === faces[0]["sharp"]],
            tags: [...slider.querySelectorAll(".tag")].map(t => t.textContent),
            keys: [...document.querySelectorAll("#difference tbody th")].map(c => c.textContent),
            badges: [...document.querySelectorAll(".badge")].map(b => b.textContent),
            broken: [...document.images].filter(i => i.complete && !i.naturalWidth).length,
            failures: document.querySelector("#failures").textContent,
          };
        })()""",
        width,
    )
    assert found["overflow"] == 0 and found["broken"] == 0
    assert found["sections"] == ["Result", "Jobs", "Variants", "Curves", "Faces", "Configurations", "Cost", "Failures"]
    assert "final" in found["tiles"][0] and "dB" in found["tiles"][1]
    assert found["sides"] == [True, True] and found["tags"] == ["no_identity-s0", "sharp"]
    assert set(found["keys"]) == {"experiment", "seed", "sweep.variant"}
    assert sorted(set(found["badges"])) == ["dead", "done", "failed", "waiting"]
    assert "ValueError: <bad>" in found["failures"] and "last words" in found["failures"]
