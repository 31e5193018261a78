"""No link between pages leads nowhere; `make docs` sees the rest, such as headings."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    links = [link.partition("#")[0] for link in LINK.findall(FENCED.sub("", page.read_text()))]
    inside = [link for link in links if link and "://" not in link]
    assert [link for link in inside if not (page.parent / unquote(link)).exists()] == []
    outside = [link for link in inside if not (page.parent / unquote(link)).resolve().is_relative_to(ROOT)]
    assert outside == []


def test_every_page_of_the_documentation_can_be_reached_from_its_first_one() -> None:
    index = ROOT / "docs/index.md"
    reached, to_read = {index}, [index]
    while to_read:
        page = to_read.pop()
        links = [link.partition("#")[0] for link in LINK.findall(page.read_text()) if "://" not in link]
        found = {(page.parent / link).resolve() for link in links if link.endswith(".md")} - reached
        reached |= found
        to_read += found
    assert [page for page in (ROOT / "docs").rglob("*.md") if page not in reached] == []
