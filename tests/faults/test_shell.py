"""No file name ever reaches a shell: nothing in the package starts one."""

from __future__ import annotations

import ast
from pathlib import Path

import facedeblur

SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell", "spawnlp", "execlp"}


def calls(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield node, name


def test_nothing_starts_a_shell():
    package = Path(facedeblur.__file__).parent
    files = [*package.rglob("*.py"), *(package.parent / "hydra_plugins").rglob("*.py")]
    assert len(files) > 100
    for file in files:
        for node, name in calls(ast.parse(file.read_text(encoding="utf-8"))):
            where = f"{file}:{node.lineno}"
            assert name not in SHELLS, where
            shell = [word.value for word in node.keywords if word.arg == "shell"]
            assert not shell or getattr(shell[0], "value", True) is False, where


def test_the_check_sees_a_shell():
    found = [name for _, name in calls(ast.parse("import os\nos.system('ls')\nsubprocess.run('ls', shell=True)"))]
    assert found == ["system", "run"]
