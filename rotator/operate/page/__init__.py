"""The status page: one status as HTML, made here and finished; no script, nothing fetched, nothing to be changed by it.

It is read by somebody who was woken up: on top stands what is wrong, since when, how long consumers are still safe, and
what to do. Secrets are no part of it, and what came from elsewhere (details, names) is redacted and escaped.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from rotator.operate.page import around
from rotator.operate.page.findings import finding, findings
from rotator.operate.page.query import Query
from rotator.operate.page.rows import row, select
from rotator.operate.page.words import told
from rotator.operate.status import State

if TYPE_CHECKING:
    from jinja2 import Template

    from rotator.operate.history import History
    from rotator.operate.status import Status

__all__ = ["HEADERS", "Query", "render"]

EVENTS = 25
"""Events on the page, the newest first."""

STYLE = (Path(__file__).parent / "page.css").read_text("utf-8")

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    # The stylesheet is allowed by its digest, so no injected style applies; the icon is a picture within the page.
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Headers that the page is to be sent with."""

MARKS = {State.EXPIRED: "✕", State.PARKED: "■", State.FAILING: "▲", State.PENDING: "○", State.FRESH: "●"}
"""Shapes of the states: nobody needs to tell their colours apart."""


def render(status: Status, history: History, query: Query) -> bytes:
    """The page, in UTF-8. May run in any thread.

    Args:
        status: How the rotator is.
        history: What happened lately.
        query: What of it is to be shown; what does not exist is said, and the list shown instead.
    """
    chosen = next((one for one in status.credentials if one.name == query.name), None) if query.name else None
    complaints = [*query.complaints, *_complaints(status, query, found=chosen is not None)]
    common = {
        "status": status,
        "query": query,
        "complaints": complaints,
        "as_of": told(status.now.wall, status.now),
        "started": told(status.started.wall, status.now),
        "style": STYLE,
        "marks": MARKS,
        "states": list(State),
        "summary": around.summary(status),
    }
    if chosen is None:
        text = _template("list.html.j2").render(**common, **_list(status, history, query))
    else:
        text = _template("detail.html.j2").render(
            **common,
            one=row(chosen, status, history),
            finding=finding(chosen, status.now),
            events=around.happenings(history.last(chosen.name, EVENTS), status.now),
        )
    return text.encode(errors="replace")


def _list(status: Status, history: History, query: Query) -> dict[str, object]:
    selection = select(status, query)
    shown = around.providers(status, query)
    latest = list(history.events)[: -EVENTS - 1 : -1]
    return {
        "findings": findings(status),
        "counts": around.counts(status, query),
        "vault": around.vault(status.vault, status.now),
        "providers": shown,
        "more_providers": len(status.providers) - len(shown),
        "provider_names": [one.name for one in status.providers],
        "selection": selection,
        "rows": [row(one, status, history) for one in selection.shown],
        "events": around.happenings(latest, status.now),
    }


def _complaints(status: Status, query: Query, *, found: bool) -> list[str]:
    """What was asked for and does not exist."""
    complaints = []
    if query.name and not found:
        complaints.append("There is no credential of that name; the list is shown.")
    if query.provider and all(one.name != query.provider for one in status.providers):
        complaints.append("There is no provider of that name.")
    return complaints


@cache
def _template(name: str) -> Template:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    # Made at the first use: commands that show no page do not wait for it.
    return Environment(
        loader=PackageLoader(__name__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
