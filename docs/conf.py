"""How Sphinx makes the site of `make docs`.

The pages are Markdown that reads as well on a code forge: links between them are relative, also to files outside of
docs/, which the site offers for download. What is listed on a page `index.md` is the table of contents.
"""  # noqa: INP001  Sphinx reads this file; nobody imports it

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "rotator"
author = "the rotator authors"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_parser"]
# The sources are the whole checkout, so that links to what stands outside of docs/ are links that work.
include_patterns = ["docs/**.md", "SECURITY.md", "CHANGELOG.md"]
exclude_patterns = ["build", ".*", "**/node_modules", "rotator", "tests", "deploy"]
root_doc = "docs/index"
source_suffix = {".md": "markdown"}
nitpicky = True
myst_heading_anchors = 4

html_theme = "furo"
html_title = "rotator"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_additional_pages = {"index": "redirect.html"}
templates_path = ["site"]

_HEADING = re.compile(r"^##? (.+)$", re.MULTILINE)
_LISTED = re.compile(r"^- \[.*?\]\(([^):]+\.md)\)", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(([^):#]+)\)")


def contents(text: str) -> str:
    """The hidden tables of contents of an index page: one for each heading with a list of pages below it."""
    _, *parts = _HEADING.split(text)
    found = zip(parts[::2], (_LISTED.findall(part) for part in parts[1::2]), strict=True)
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"
        for caption, pages in found
        if pages
    )


def without_directories(text: str, folder: Path) -> str:
    """Links to directories are for code forges: a site has nothing to show for them."""

    def plain(link: re.Match[str]) -> str:
        return link[1] if (folder / link[2]).is_dir() else link[0]

    return _LINK.sub(plain, text)


def adapt(_: Sphinx, page: str, source: list[str]) -> None:
    """Make of a page what Sphinx wants to read."""
    source[0] = without_directories(source[0], (ROOT / page).parent)
    if page.endswith("/index"):
        source[0] += contents(source[0])


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    # What Pygments has under this name is Terraform's, and stumbles over policies.
    app.add_lexer("hcl", TextLexer)
    app.connect("source-read", adapt)
