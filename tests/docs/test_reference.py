"""The reference is what the code says today."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rotator.files.formats import RECORD_FIELDS
from tests.support.reference.pages import PAGES

ROOT = Path(__file__).parents[2]
ROUTE = re.compile(r'\("(GET|POST)", "([^"]+)"\): self\.')
EVENT = re.compile(r"^\| `([a-z]+\.[a-z_]+)` \|", re.MULTILINE)


@pytest.mark.parametrize("place", PAGES)
def test_a_page_that_is_made_from_the_code_is_as_the_code_makes_it(place: str) -> None:
    assert (ROOT / place).read_text() == PAGES[place](), "make it anew: .venv/bin/python -m tests.support.reference"


def test_every_route_of_the_http_server_is_in_the_reference_and_no_other() -> None:
    served = {f"{method} {path}" for method, path in ROUTE.findall((ROOT / "rotator/operate/http.py").read_text())}
    told = re.findall(r"^\| `((?:GET|POST) [^`]+)` \|", (ROOT / "docs/reference/http.md").read_text(), re.MULTILINE)
    assert len(served) > 5
    assert sorted(told) == sorted(served)


def test_every_field_of_the_record_is_in_the_reference() -> None:
    page = (ROOT / "docs/reference/record.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \| `", page, re.MULTILINE)) == RECORD_FIELDS


def test_every_event_in_the_documentation_is_one_that_the_code_tells() -> None:
    code = "".join(file.read_text() for file in (ROOT / "rotator").rglob("*.py"))
    told = EVENT.findall((ROOT / "docs/events.md").read_text())
    assert len(told) > 30
    assert [name for name in told if f'"{name}"' not in code] == []


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed here")
def test_the_man_page_is_well_formed() -> None:
    page = ROOT / "docs/man/rotator.1"
    told = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False)
    # Without a date the page stays the same from build to build.
    assert [line for line in told.stdout.splitlines() if "missing date" not in line] == []


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed here")
def test_the_man_page_can_be_read_and_has_every_command() -> None:
    shown = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", ROOT / "docs/man/rotator.1"],
        capture_output=True,
        text=True,
        check=True,
        env={"MANWIDTH": "100", "PATH": "/usr/bin:/bin", "MANPAGER": "cat"},
    )
    assert shown.stderr == ""
    commands = re.findall(r"^## rotator (\w+)$", (ROOT / "docs/reference/commands.md").read_text(), re.MULTILINE)
    assert len(commands) > 9
    assert [name for name in commands if f"rotator {name} [OPTIONS]" not in shown.stdout] == []
