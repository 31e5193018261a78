"""What `status` prints: the fleet as a table, one credential in detail, or the JSON of either."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rotator.cli import asking
from rotator.cli.options import UnansweredError, UnknownError
from rotator.core import expiry
from rotator.operate import durations
from rotator.operate.status import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from rotator.operate.listening import HttpSettings

Document = dict[str, Any]

DAY = 86400.0

EVERY = 2.0
"""Seconds between two looks of `--watch`."""

MOST_TROUBLES, MOST_EVENTS = 5, 10

COLUMNS = ("CREDENTIAL", "STATE", "VALID FOR", "OUTAGE BUDGET", "NEXT MINT", "LAST RESULT", "SINKS")
MOST_TELLING = tuple(column for column in COLUMNS if column != "OUTAGE BUDGET")
WIDE = 120
"""Characters from which on all columns fit side by side; fewer get those that tell most, in fewer words."""

STYLES = {"expired": "bold red", "parked": "red", "failing": "yellow", "pending": "cyan", "fresh": "green"}
ORDER = {str(state): rank for rank, state in enumerate(State)}


def status(place: HttpSettings, name: str | None, output: str, *, watch: bool, check: bool) -> int:
    """Show how the running rotator is; the exit code.

    Raises:
        UnansweredError: Nobody answers.
        UnknownError: It has no such credential.
    """
    path = "/api/v1/status" if name is None else f"/api/v1/status/{name}"
    if watch:
        with suppress(KeyboardInterrupt):
            asyncio.run(_watch(place, path, output))
        return 0
    found = asking.answered(place, path)
    if output == "json":
        print(json.dumps(found, indent=2))  # noqa: T201  the command's output
    else:
        people = Console()
        people.print(_shown(found, people.width))
    return 1 if check and not _well(found) else 0


def _well(found: Document) -> bool:
    """Whether nothing needs a person."""
    if "credentials" not in found:
        return bool(found["state"] == State.FRESH)
    return bool(found["healthy"]) and all(one["state"] == State.FRESH for one in found["credentials"])


async def _watch(place: HttpSettings, path: str, output: str) -> None:
    people = Console()
    if output == "json" or not people.is_terminal:
        while True:
            print(json.dumps(await asking.document(place, path)), flush=True)  # noqa: T201  one document a line
            await asyncio.sleep(EVERY)
    with Live(console=people, auto_refresh=False, screen=False, vertical_overflow="ellipsis") as live:
        while True:
            live.update(await _look(place, path, people.width), refresh=True)
            await asyncio.sleep(EVERY)


async def _look(place: HttpSettings, path: str, width: int) -> RenderableType:
    """What there is to see now; that it has gone is to be seen as well, and does not end the watch."""
    try:
        return _shown(await asking.document(place, path), width)
    except UnansweredError as error:
        return Text(str(error), style="red")
    except UnknownError:
        return Text("no credential of this name any more", style="red")


def _shown(found: Document, width: int) -> Group:
    return _fleet(found, wide=width >= WIDE) if "credentials" in found else _detail(found)


def _fleet(found: Document, *, wide: bool) -> Group:
    credentials = sorted(
        found["credentials"], key=lambda one: (ORDER[one["state"]], one["valid_for_s"], one["credential"])
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in COLUMNS if wide else MOST_TELLING:
        table.add_column(title, overflow="fold", no_wrap=title not in {"CREDENTIAL", "LAST RESULT"})
    for one in credentials:
        row = _row(one, wide=wide)
        table.add_row(*(row[title] for title in (COLUMNS if wide else MOST_TELLING)))
    return Group(_head(found), Text(), table, *_troubles(credentials))


def _head(found: Document) -> Text:
    well = "healthy" if found["healthy"] else "NOT HEALTHY"
    ready = "ready" if found["ready"] else "not ready"
    counts = ", ".join(f"{count} {state}" for state, count in found["summary"].items() if count)
    parts = [f"rotator {found['version']}", f"{well}, {ready}", _vault(found["vault"])]
    parts += [_vault(one, f" {one['vault']}") for one in found["vaults"]]
    parts.append(counts or "no credentials")
    parts += [f"{one['provider']}: in an outage" for one in found["providers"] if one["in_outage"]]
    parts += [] if found["reload_ok"] else ["the configuration last offered was rejected"]
    head = Text("  ·  ".join(parts), style="bold" if found["healthy"] and found["ready"] else "bold red")
    for reason in found["reasons"]:
        head.append(f"\n{reason}", style="red")
    return head


def _vault(vault: Document, name: str = "") -> str:
    return f"Vault{name}: logged in" if vault["authenticated"] else f"Vault{name}: {vault['error'] or 'not logged in'}"


def _row(one: Document, *, wide: bool) -> dict[str, Text]:
    """What stands in each column; on a narrow terminal in fewer words, for `podman exec` gives 80 characters."""
    failure = one["failure"]
    why = f", {one['next_mint_reason']}" if wide else ""
    result = Text("ok")
    if failure is not None:
        said = _run(failure) if wide else failure["error"]
        result = Text(said, style="yellow" if failure["retryable"] else "red")
    served = sum(not sink["behind"] and sink["valid_for_s"] > 0 for sink in one["sinks"])
    return {
        "CREDENTIAL": Text(one["credential"]),
        "STATE": Text(one["state"], style=STYLES[one["state"]]),
        "VALID FOR": Text(span(one["valid_for_s"])),
        "OUTAGE BUDGET": Text(span(one["outage_budget_s"])),
        "NEXT MINT": Text(f"in {span(one['next_mint_in_s'])}{why}"),
        "LAST RESULT": result,
        "SINKS": Text(f"{served}/{len(one['sinks'])}"),
    }


def _run(failure: Document) -> str:
    times = f", {failure['attempts']} times" if failure["attempts"] > 1 else ""
    return f"{failure['error']}{times}, since {failure['since'][11:]}"


def _troubles(credentials: Iterable[Document]) -> list[Text]:
    """What went wrong, each kind once, with what to do about it."""
    kinds: dict[tuple[str, str], list[Document]] = {}
    for one in credentials:
        if one["failure"] is not None:
            kinds.setdefault((one["failure"]["error"], one["provider"]), []).append(one)
    lines = [Text()] if kinds else []
    for (error, provider), hit in list(kinds.items())[:MOST_TROUBLES]:
        failure = hit[0]["failure"]
        since = min(one["failure"]["since"] for one in hit)
        left = min(one["valid_for_s"] for one in hit)
        names = hit[0]["credential"] if len(hit) == 1 else f"{len(hit)} credentials"
        until = f"consumers are served for {span(left)} more" if left else "some consumers hold no good token"
        lines.append(Text(f"{error}: {names} of {provider}, since {since}; {until}", style="bold"))
        lines += [Text(f"  found   {failure['detail']}"), Text(f"  cure    {failure['cure']}")]
    if len(kinds) > MOST_TROUBLES:
        lines.append(Text(f"and {len(kinds) - MOST_TROUBLES} more kinds of trouble", style="dim"))
    return lines


def _detail(one: Document) -> Group:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for what, value in _facts(one):
        table.add_row(what, value)
    events = [Text(_event(told), style="dim") for told in one["events"][:MOST_EVENTS]]
    return Group(table, Text(), *_troubles([one]), *([Text("last events", style="bold")] if events else []), *events)


def _facts(one: Document) -> list[tuple[str, Text]]:
    token = one["token"]
    facts = [
        ("credential", Text(f"{one['credential']}, of {one['provider']}")),
        ("state", Text(f"{one['state']}: {one['meaning']}", style=STYLES[one["state"]])),
        ("valid for", Text(f"{span(one['valid_for_s'])}, until {one['served_until'] or 'now'}")),
        ("outage budget", Text(span(one["outage_budget_s"]))),
        (
            "next mint",
            Text(f"{one['next_mint_at']}, in {span(one['next_mint_in_s'])}, because {one['next_mint_reason']}"),
        ),
        ("last success", Text(one["last_success_at"] or "none yet")),
    ]
    if one["client_secret_expires_at"] is not None:
        facts.append(("client secret", _secret(one["client_secret_expires_at"], one["client_secret_valid_for_s"])))
    if token is not None:
        life = f"{token['fingerprint']}, issued {token['issued_at']}, expires {token['expires_at']}"
        facts.insert(2, ("token", Text(life)))
    facts += [
        (sink["kind"], Text(_sink(sink), style="" if sink["failure"] is None else "yellow")) for sink in one["sinks"]
    ]
    return facts


def _secret(expires_at: str, left: float) -> Text:
    """When the client secret ends, the more striking the nearer that is."""
    style = "red" if left <= expiry.URGENT * DAY else "yellow" if left <= max(expiry.DAYS) * DAY else ""
    return Text(f"ends {expires_at}, in {span(left)}" if left else f"ended {expires_at}", style=style)


def _sink(sink: Document) -> str:
    held = (
        f"holds {sink['fingerprint']}, valid for {span(sink['valid_for_s'])}"
        if sink["fingerprint"]
        else "holds nothing"
    )
    behind = ", behind" if sink["behind"] else ""
    failed = "" if sink["failure"] is None else f"; {_run(sink['failure'])}"
    return f"{sink['sink'].partition(':')[2]} {held}{behind}{failed}"


def _event(told: Document) -> str:
    fields = {key: value for key, value in told.items() if key not in {"timestamp", "event", "credential", "cure"}}
    return f"{told['timestamp']}  {told['event']:<22} " + "  ".join(f"{key}={value}" for key, value in fields.items())


def span(seconds: float | None) -> str:
    """A duration for people; the API has null for what has no end."""
    return durations.span(math.inf if seconds is None else seconds)
