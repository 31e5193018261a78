"""What `explain` prints: the arithmetic behind a credential's schedule, or what an error code means and what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rotator.cli import asking
from rotator.core.errors import Code

if TYPE_CHECKING:
    from rotator.operate.listening import HttpSettings

CODES = {code.text: code for code in Code}

FIELDS = (
    "credential",
    "provider",
    "state",
    "served_until",
    "next_mint_at",
    "next_mint_reason",
    "arithmetic",
    "failure",
)
"""Of what a rotator tells about a credential, what explains its schedule."""


def code(name: str, output: str) -> int:
    """Explain an error code; the exit code."""
    found = CODES[name]
    told = {"error": name, "retried": found.retryable, "meaning": found.meaning, "cure": found.cure}
    if output == "json":
        print(json.dumps(told, indent=2))  # noqa: T201  the command's output
        return 0
    again = "yes: rotator tries again by itself" if found.retryable else "no: a person, or a new secret, must mend it"
    _table((("error", name), ("meaning", found.meaning), ("tried again", again), ("cure", found.cure)))
    return 0


def credential(place: HttpSettings, name: str, output: str) -> int:
    """Explain a credential's schedule, as the running rotator has it; the exit code.

    Raises:
        UnansweredError: Nobody answers.
        UnknownError: It has no such credential.
    """
    found = asking.answered(place, f"/api/v1/status/{name}")
    if output == "json":
        print(json.dumps({field: found[field] for field in FIELDS}, indent=2))  # noqa: T201  the command's output
        return 0
    _show(found)
    return 0


def _show(found: dict[str, Any]) -> None:
    people = Console()
    people.print(Text(f"{found['credential']} is {found['state']}: {found['meaning']}.", style="bold"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("WHAT", no_wrap=True)
    table.add_column("FROM", overflow="fold")
    table.add_column("COMES TO", overflow="fold")
    for step in found["arithmetic"]:
        table.add_row(*(Text(step[key]) for key in ("what", "how", "value")))
    people.print(table)
    failure = found["failure"]
    if failure is not None:
        people.print(Text(f"\n{failure['error']}: {failure['detail']}", style="yellow"), soft_wrap=True)
        people.print(Text(f"cure: {failure['cure']}"), soft_wrap=True)


def _table(rows: tuple[tuple[str, str], ...]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for what, value in rows:
        table.add_row(what, Text(value))
    Console().print(table)
