"""The examples in the Markdown pages, so that what is tried is what is written there."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]

FENCED = re.compile(
    r"^(?P<indent> *)```(?P<kind>[a-z]+)(?: (?P<label>[a-z0-9.-]+))?\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Example:
    """A fenced block.

    Attributes:
        page: Where it stands, from the root of the checkout.
        line: Where it begins.
        kind: The language.
        label: What stands behind it; empty when nothing does.
        text: What is in it.
    """

    page: str
    line: int
    kind: str
    label: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def examples(page: str, *kinds: str) -> list[Example]:
    """The blocks of these languages on a page, in their order."""
    text = (ROOT / page).read_text()
    found = [
        Example(page, text.count("\n", 0, at.start()) + 1, at["kind"], at["label"] or "", textwrap.dedent(at["text"]))
        for at in FENCED.finditer(text)
    ]
    return [one for one in found if one.kind in kinds]


def example(page: str, label: str) -> str:
    """The one block on a page that has this label.

    Raises:
        KeyError: There is none, or there are several.
    """
    text = (ROOT / page).read_text()
    found = [textwrap.dedent(at["text"]) for at in FENCED.finditer(text) if at["label"] == label]
    if len(found) != 1:
        raise KeyError(f"{page} has {len(found)} blocks labelled {label}")
    return found[0]


def unsaid(wanted: Iterable[str], told: str) -> list[str]:
    """The lines of a page's output that a real one does not have, in this order; … stands for anything."""
    missing, rest = [], told
    for line in wanted:
        pattern = ".*?".join(re.escape(part) for part in line.strip().split("…"))
        match = re.search(pattern, rest)
        if match is None:
            missing.append(line)
        else:
            rest = rest[match.end() :]
    return missing
