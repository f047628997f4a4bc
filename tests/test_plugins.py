"""Plug-ins by their targets: looked at as text first, imported after, and every mistake in one line."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from facedeblur import plugins
from facedeblur.plugins import (
    TARGET,
    PluginError,
    check_plugins,
    check_target,
    described,
    function_of,
    load_target,
    make,
    require,
)

SOURCE = """
import sys
sys.imported_by_a_plugin = True
try:
    from math import sqrt as root
except ImportError:
    root = None
FACTOR, (OTHER, *REST) = 2, (3, 4)
class Scale:
    def __init__(self, factor=1, offset=0):
        self.factor, self.offset = factor, offset
    def __call__(self, value):
        return self.factor * value + self.offset
def broken(): raise RuntimeError("a second\\nline")
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.delattr(sys, "imported_by_a_plugin", raising=False)
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize("name", ("Scale", "broken", "FACTOR", "OTHER", "REST", "root", "sys"))
def test_names_are_found_without_an_import(file, name):
    check_target(f"{file}:{name}", "model.generator")
    assert not hasattr(sys, "imported_by_a_plugin")


def test_a_wrong_target_is_one_line_with_the_remedy(file, tmp_path):
    (tmp_path / "typo.py").write_text("class Net(:\n")
    for target, told in (
        (f"{file}:Scal", f"loss.mine: {file} has no Scal; did you mean Scale?"),
        (f"{file}:Xyz", "it has FACTOR, OTHER, REST, Scale, broken, root, sys"),
        (f"{tmp_path}/none.py:Net", "none.py: no such file"),
        (f"{tmp_path}/typo.py:Net", "typo.py:1: invalid syntax"),
        ("no_such_package.Net", "no_such_package: no such module on the path"),
        ("json.no_such.Net", "json.no_such: no such module"),
        ("json.decoder.JSONDecode", "did you mean JSONDecode"),
        ("table3", "is no <file>.py:<Name>"),
        (7, "must be text"),
    ):
        with pytest.raises(PluginError) as caught:
            check_target(target, "loss.mine")
        assert str(caught.value).startswith("loss.mine: ") and told in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not hasattr(sys, "imported_by_a_plugin")


def test_modules_are_looked_at_without_being_imported():
    probe = (
        "import sys; from facedeblur.plugins import check_target; check_target('torch.optim.AdamW', 'k'); "
        "check_target('email.mime.text.MIMEText', 'k'); check_target('time.sleep', 'k'); "
        "print('torch' in sys.modules, 'email.mime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_options_are_arguments(file):
    scale = make({"_target_": f"{file}:Scale", "factor": 3}, "k", offset=1)
    assert scale(5) == 16
    assert make({"_target_": "datetime.timedelta", "minutes": 2}, "k").total_seconds() == 120
    assert load_target(f"{file}:Scale", "k") is type(scale)  # imported once


def test_what_a_plugin_throws_names_it(file, tmp_path):
    (tmp_path / "bad.py").write_text("import json\nraise KeyError('x')\nclass Net: pass\n")
    for plugin, told in (
        ({"_target_": f"{file}:broken"}, f"{file}:broken (line 14): RuntimeError: a second"),
        (
            {"_target_": f"{file}:Scale", "size": 3},
            "unexpected keyword argument 'size'; it is Scale(factor=1, offset=0)",
        ),
        ({"_target_": f"{file}:FACTOR"}, "must be a class or a function, got int"),
        ({"_target_": f"{tmp_path}/bad.py:Net"}, "cannot be imported: KeyError: 'x'"),
    ):
        with pytest.raises(PluginError) as caught:
            make(plugin, "model.generator")
        assert str(caught.value).startswith("model.generator: ") and told in str(caught.value)
        assert "\n" not in str(caught.value)


def test_what_a_function_throws_when_it_is_called_names_it_and_its_line(tmp_path):
    (tmp_path / "mine.py").write_text("def half(x, by=2):\n    y = x / by\n    return y\n")
    target = f"{tmp_path}/mine.py:half"
    assert function_of({TARGET: target, "by": 4}, "k")(2) == 0.5
    with pytest.raises(PluginError, match=r"^k: .*mine\.py:half \(line 2\): ZeroDivisionError: division by zero$"):
        function_of({TARGET: target, "by": 0}, "k")(1)
    with pytest.raises(PluginError, match=r"^k: .*mine\.py:half: .*'bye'; it is half\(x, by=2\)$"):
        function_of({TARGET: target, "bye": 0}, "k")
    assert function_of({TARGET: target}, "k", ignored=("weight",))(8) == 4


def test_an_interface_is_named():
    with pytest.raises(PluginError, match=r"^k: dict must be a first step; it has no restore\(\)$"):
        require({}, "k", "a first step", ("keys", "restore"))


def test_a_configuration_is_searched_and_written_down(file):
    plain = {
        "loss": {"terms": {"edge": {"_target_": f"{file}:Scale", "weight": 2}}},
        "list": [{"_target_": "time.sleep"}],
    }
    check_plugins(plain)
    sha = hashlib.sha256(file.read_bytes()).hexdigest()
    assert described(plain) == {
        "loss.terms.edge": {"target": f"{file}:Scale", "file": str(file), "sha256": sha},
        "list[0]": {"target": "time.sleep"},
    }
    plain["list"].append({"_target_": f"{file}:None_"})
    with pytest.raises(PluginError, match=r"^list\[1\]: "):
        check_plugins(plain)


def test_entry_points_have_names(monkeypatch, request):
    request.addfinalizer(plugins.registered.cache_clear)
    points = [
        EntryPoint("half", "datetime:timedelta", plugins.GROUP),
        EntryPoint("half", "datetime:timedelta", plugins.GROUP),
    ]
    monkeypatch.setattr("facedeblur.plugins.target.entry_points", lambda group: EntryPoints(points))
    plugins.registered.cache_clear()
    assert load_target("half", "k").__name__ == "timedelta"
    points.append(EntryPoint("half", "time:sleep", plugins.GROUP))
    plugins.registered.cache_clear()
    with pytest.raises(PluginError, match="two installed packages have a plug-in of this name"):
        check_target("half", "k")
