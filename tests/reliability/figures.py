"""What a measurement of `make reliability` or `make bench` finds, and the page that shows it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        what: What was measured, as a sentence without its value.
        bar: What it must be: `0`, `≥ 99.99 %`; empty for one that is told for its own sake.
        found: What it was, with unit.
        holds: Whether the bar is met.
    """

    what: str
    bar: str
    found: str
    holds: bool = True


class Measurement(Protocol):
    """A module of this folder: its docstring says how it measures, in words for the page."""

    TITLE: str
    """The section's heading."""

    SEED: int
    """What decides everything that chance decides."""

    def measure(self, seed: int, say: Callable[[str], None]) -> Sequence[Figure]:
        """Measure; `say` shows progress, one line at a time."""


def keep(file: Path, name: str, taken: Mapping[str, Any]) -> None:
    """Keep one measurement's results beside those of the others."""
    results = read(file)
    results[name] = dict(taken)
    file.write_text(json.dumps(results, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def read(file: Path) -> dict[str, Any]:
    """The results kept so far."""
    return json.loads(file.read_text()) if file.exists() else {}


def taken(module: Any, command: str, figures: Sequence[Figure], seconds: float) -> dict[str, Any]:
    """A measurement's results as they are kept."""
    return {
        "title": module.TITLE,
        "how": (module.__doc__ or "").strip(),
        "command": command,
        "seconds": round(seconds),
        "figures": [asdict(figure) for figure in figures],
    }


def page(results: Iterable[Mapping[str, Any]]) -> str:
    """The page below its head."""
    return "\n".join(_section(result) for result in results)


def _section(result: Mapping[str, Any]) -> str:
    rows = "\n".join(
        f"| {figure['what']} | {figure['bar'] or 'none'} | {figure['found']} | {'✓' if figure['holds'] else '✗'} |"
        for figure in result["figures"]
    )
    took = f"{result['seconds'] // 60} min {result['seconds'] % 60} s"
    return (
        f"## {result['title']}\n\n{result['how']}\n\n| measured | bar | found | holds |\n|---|---|---|---|\n{rows}\n\n"
        f"`{result['command']}`, {took}\n"
    )
