"""Code of the user's own, named in a configuration or on the command line: where it is, what it must be, what it was.

A target is written as

    file.py:Name            a class or function in a file, relative to the folder the command runs in
    package.module.Name     one of an importable module
    name                    an entry point of the group `facedeblur.plugins` of an installed package

and in a configuration as `{_target_: <target>, <option>: <value>, ...}`. Before anything heavy loads only the file and
the name in it are looked at, as text (`check_target`); the import, and what it must be able to do, come after
(`load_target`, `make`). Code is imported because a configuration or a flag names it, never because a file of weights or
a checkpoint does.
"""

from facedeblur.plugins.loading import function_of, load_target, make, require, require_type
from facedeblur.plugins.records import SOURCE, as_text, described, from_text, source_of
from facedeblur.plugins.target import (
    GROUP,
    PLACES,
    STAGE_PLACES,
    TARGET,
    PluginError,
    as_plugins,
    check_plugins,
    check_target,
    is_plugin,
    is_target,
    normalised,
    registered,
    targets,
)
from facedeblur.plugins.trusted_code import TRUSTED, trust, trusted, trusted_target

__all__ = [
    "GROUP",
    "PLACES",
    "PluginError",
    "SOURCE",
    "STAGE_PLACES",
    "TARGET",
    "TRUSTED",
    "as_plugins",
    "as_text",
    "check_plugins",
    "check_target",
    "described",
    "from_text",
    "function_of",
    "is_plugin",
    "is_target",
    "load_target",
    "make",
    "normalised",
    "registered",
    "require",
    "require_type",
    "source_of",
    "targets",
    "trust",
    "trusted",
    "trusted_target",
]
