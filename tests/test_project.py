"""The files around the package say what is true: versions, CI, hooks, container, links of the documentation."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import facedeblur

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_stands_in_one_place():
    assert "version" not in PROJECT and PROJECT["dynamic"] == ["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in changelog and f"## [{facedeblur.__version__}]" in changelog
    assert "version:" not in (ROOT / "CITATION.cff").read_text().replace("cff-version:", "")


def test_importing_the_package_loads_nothing():
    probe = "import sys; before = set(sys.modules); import facedeblur; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
    assert not {"torch", "numpy", "cv2", "pyarrow"} & set(loaded.stdout.split())
    assert (ROOT / "facedeblur" / "py.typed").is_file()


def test_nothing_claims_to_be_on_an_index():
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("**/*.md"), *(ROOT / "facedeblur").glob("**/*.py")]
    assert [str(text) for text in texts if re.search(r"pip install \"?'?facedeblur[\[\s\"']", text.read_text())] == []


def test_ci_runs_what_contributors_run():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    steps = [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    assert ".ci/run" in steps
    assert all((ROOT / ".ci" / "run").read_text().count(f"make {target} ") == 1 for target in ("setup", "lint", "test"))
    for template in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        assert yaml.safe_load(template.read_text())


def test_hooks_are_the_checks_of_make_lint():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]  # nothing is downloaded
    programs = {hook["entry"].split()[0].rsplit("/", 1)[-1] for hook in config["repos"][0]["hooks"]}
    lint = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    assert programs == set(re.findall(r"\$\(BIN\)/([\w-]+)", lint)) == {"ruff", "lint-imports"}


def test_levels_of_installing_hold_one_another():
    makefile = (ROOT / "Makefile").read_text()
    levels = [set(found.split(",")) for found in re.findall(r"EXTRAS = (\S+)", makefile)]
    assert len(levels) == 3 and levels[0] < levels[1] < levels[2]
    assert set().union(*levels) == set(PROJECT["optional-dependencies"]) - {"slurm", "ray"}


def test_a_level_is_not_installed_twice(tmp_path, make_environment):
    """Of an environment that has everything, make wants nothing; of an older one, only what is asked for."""
    (tmp_path / "bin").mkdir()
    make = ["make", "-n", f"VENV={tmp_path}", "IN=photo.jpg"]

    def planned(target: str) -> list[str]:
        options = {"cwd": ROOT, "env": make_environment, "timeout": 60, "check": True}
        done = subprocess.run([*make, target], capture_output=True, text=True, **options)
        return re.findall(r'-e "\.\[(\S+)\]"', done.stdout)

    (deblur,), (serve,), (train,), (test,) = (planned(target) for target in ("deblur", "serve", "train", "test"))
    assert deblur == serve and "faces" in deblur and not {"train", "dev"} & set(deblur.split(","))
    assert "train" in train and "dev" not in train and {"docs", "dev"} <= set(test.split(","))
    for stamp in (".installed-use", ".installed-train", ".installed"):
        (tmp_path / stamp).touch()
    assert [planned(target) for target in ("deblur", "train", "test", "lint", "docs")] == [[]] * 5


def test_the_container_copies_what_is_there():
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE) for word in line.split()[:-1]]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied) and set(copied) == allowed
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][-1]["pip"]
    for text in (dockerfile, conda[-1]):
        wanted = re.search(r"EXTRAS=(\S+)|\.\[([\w,]+)\]", text)
        assert set((wanted[1] or wanted[2]).split(",")) <= set(PROJECT["optional-dependencies"])


@pytest.mark.system
def test_the_site_builds_without_a_warning(tmp_path):
    """Every page, and every link inside the site; nothing is read from a network."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", tmp_path / "trees"]
    command += [ROOT / "docs", tmp_path / "site"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    front = (tmp_path / "site" / "index.html").read_text()
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert (tmp_path / "site" / f"{page.stem}.html").is_file()
        assert f'href="{page.stem}.html"' in front or page.stem == "index", (
            f"{page.name} is in no list of docs/index.md"
        )
    assert not re.search(r'(src|href)="(https?:)?//[^"]+\.(css|js)"', front)
