"""The documentation site: Sphinx with MyST reads the Markdown files of this folder as they are, furo lays them out.

Built without a network (`make docs`), warnings are errors. Sphinx because its releases are frequent and autodoc reads
docstrings without a second copy of them; mkdocs has had none since 2024. furo because it is maintained and reads well
on a phone.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from facedeblur import __version__  # noqa: E402

project = "facedeblur"
author = "the facedeblur authors"
copyright = author  # noqa: A001
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
root_doc = "index"
highlight_language = "text"  # indented blocks are command lines
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
# README.md and the changelog are not numbered from a first heading of this folder
suppress_warnings = ["myst.header"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"facedeblur {release}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

# what lies beside this folder is included from where it is; its links are meant for a reader of the repository
LINKS = (
    (r"\]\(docs/preview\.jpg\)", "](preview.jpg)"),
    (r"\]\(docs/([\w-]+)\.md", r"](\1.md"),
    (r"\]\((?:\.\./)?facedeblur/weights/([\w.-]+)\.md\)", r"](cards.md#\1)"),
    (r"\]\((\.\./[\w/]+/SOURCE\.md)\)", r"](path:\1)"),
    (r"\]\((LICENSE|CONTRIBUTING\.md|CHANGELOG\.md)\)", lambda found: PAGES[found[1]]),
)
PAGES = {
    "LICENSE": "](../LICENSE)",
    "CONTRIBUTING.md": "](contributing.md)",
    "CHANGELOG.md": "](changelog.md)",
}


def _rewrite(text: str) -> str:
    for pattern, target in LINKS:
        text = re.sub(pattern, target, text)
    return text


def setup(app) -> None:
    """Links to files of the repository become links to the pages that hold them."""

    def read(_app, _name, content) -> None:
        content[0] = _rewrite(content[0])

    def include(_app, _path, _name, content) -> None:
        content[0] = _rewrite(content[0])

    app.connect("source-read", read)
    app.connect("include-read", include)
