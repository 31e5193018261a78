"""The commands and files of docs/howto/systemd.md, so that what is tried is what is written there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/howto/systemd.md"

_FENCED = re.compile(r"^```(?P<kind>[a-z]+)(?: (?P<label>[a-z0-9-]+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def section(title: str) -> str:
    """What stands below a heading.

    Raises:
        KeyError: There is no such heading.
    """
    _, *parts = _HEADING.split(PAGE.read_text())
    return dict(zip(parts[::2], parts[1::2], strict=True))[title]


def commands(title: str, *labels: str) -> str:
    """The shell commands of a section: those for everybody, and those with one of these labels."""
    found = [
        fenced["text"]
        for fenced in _FENCED.finditer(section(title))
        if fenced["kind"] == "sh" and (fenced["label"] is None or fenced["label"] in labels)
    ]
    assert found, f"there are no commands below {title!r} in {PAGE}"
    return "".join(found)


def configuration(vault: str, token_url: str) -> str:
    """The configuration of the page with other addresses."""
    (text,) = (fenced["text"] for fenced in _FENCED.finditer(section("Configure")) if fenced["kind"] == "toml")
    for written, wanted in (("https://vault.example.com:8200", vault), ("https://auth.thx.network/token", token_url)):
        assert written in text
        text = text.replace(written, wanted)
    return text
