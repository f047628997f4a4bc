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
myst_enable_extensions = ["dollarmath", "html_image"]
# README.md and the changelog are not numbered from a first heading of this folder
suppress_warnings = ["myst.header"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}  # else NumPy's union of everything
autodoc_inherit_docstrings = False  # what PyTorch says of its own methods is not repeated
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = f"facedeblur {release}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

# what lies beside this folder is included from where it is; its links are meant for a reader of the repository
LINKS = (
    (r"\]\(docs/([\w-]+\.(?:jpg|webp))\)", r"](\1)"),
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


LITERAL = re.compile(r"(?<![`:])`([^`]+)`(?!`)(\w?)")
COLUMN = re.compile(r"^(\w[\w ,./*-]*?)(?:  +|: )(\S.*)$")


def _escaped(text: str) -> str:
    return re.sub(r"(?<![`\w])([|*]+)(?!`)", lambda found: "".join(f"\\{c}" for c in found[1]), text)


def plain_docstring(_app, _what, _name, _object, _options, lines: list[str]) -> None:
    """Docstrings are written to be read as they are; here they become reStructuredText, before napoleon's sections.

    One backtick is code, what follows `::` is a block of it, bars and asterisks are themselves, and `name  what it is`
    in columns is a list.
    """
    made: list[str] = []
    in_column = in_section = in_example = in_block = False
    for line in lines:
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        in_block = (in_block and (not line or line.startswith(" "))) or bool(made and made[-1].endswith("::"))
        if in_example or in_block:
            made.append(line)
            continue
        if line and not line[0].isspace():
            in_section = bool(re.fullmatch(r"(Args|Returns|Raises|Yields|Attributes|Note):", line))
        line = LITERAL.sub(lambda found: f"``{found[1]}``" + (f"\\ {found[2]}" if found[2] else ""), line)
        line = "".join(part if part.startswith("``") else _escaped(part) for part in re.split(r"(``[^`]+``)", line))
        found = None if in_section or line.startswith(" ") else COLUMN.match(line)
        if found and "  " in line:
            made += ([] if in_column or not made or not made[-1] else [""]) + [f"- {found[1]}: {found[2].strip()}"]
            in_column = True
        elif in_column and line.startswith(" "):
            made.append(f"  {line.strip()}")
        elif not in_section and line.startswith(" "):
            made.append(line.strip())
        else:
            made += ["", line] if in_column and line else [line]
            in_column = False
    lines[:] = made


def setup(app) -> None:
    """Links to files of the repository become links to the pages that hold them."""

    def read(_app, name, content) -> None:
        content[0] = _rewrite(content[0])
        if name == root_doc:  # pages that its lists do not name come last
            listed = set(re.findall(r"^(?:.*<)?([\w/-]+)>?$", content[0], re.MULTILINE))
            pages = sorted(page.stem for page in Path(__file__).parent.glob("*.md"))
            content[0] = content[0].replace("MORE\n", "".join(f"{p}\n" for p in pages if p not in {*listed, root_doc}))

    def include(_app, _path, _name, content) -> None:
        content[0] = _rewrite(content[0])

    app.connect("autodoc-process-docstring", plain_docstring, priority=100)
    app.connect("source-read", read)
    app.connect("include-read", include)
