"""What `status` prints: the worst first, since when, how long consumers are safe, and what to do."""

from __future__ import annotations

import json
import re

import pytest
from rich.console import Console

from rotator.cli import watching
from rotator.core.errors import Code
from rotator.operate import report
from rotator.operate.status import VaultStatus
from tests.support.fleets import NOW, Case, history, night, night_status, status


def shown(document: report.Document, width: int = 200) -> str:
    """As a program that takes the output sees it."""
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(watching._shown(json.loads(json.dumps(document)), width))
    return captured.get()


def the_night() -> report.Document:
    return report.whole(night_status(), history(night()).events)


def one(case: Case) -> report.Document:
    found = report.credential(status([case]).credentials[0], NOW)
    return {**found, "lives": [], "arithmetic": [], "events": [report.event(told) for told in history([case]).events]}


def test_the_worst_come_first_and_among_equals_who_has_least_time() -> None:
    lines = shown(the_night()).splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("CREDENTIAL"))
    rows = [line.split() for line in lines[begin + 1 : begin + 1 + len(night())]]
    order = [row[1] for row in rows]
    assert order == sorted(order, key=["expired", "parked", "failing", "pending", "fresh"].index)
    assert {row[0] for row in rows} == {case.name for case in night()}


def test_each_kind_of_trouble_is_told_once_with_since_when_how_long_it_lasts_and_the_cure() -> None:
    text = shown(the_night())
    assert text.count(Code.PROVIDER_UNREACHABLE.cure) == 1
    assert "provider_unreachable: 4 credentials of thx, since 2026-11-24T03:02:53Z; some consumers hold no good" in text
    assert "thx: in an outage" in text
    assert "healthy, not ready" in text
    assert "consumers hold no good token of asset-pool, reports" in text


def test_a_single_one_is_told_by_its_name_and_for_how_long_its_consumers_are_safe() -> None:
    full = next(case for case in night() if case.name == "ledger")
    text = shown(report.whole(status([full])))
    assert "file_no_space: ledger of keycloak, since 2026-11-24T03:10:30Z; consumers are served for 3 min 59 s" in text
    assert "1/2" in text


def test_what_is_wrong_with_rotator_itself_comes_first() -> None:
    away = VaultStatus("https://v", True, False, None, Code.VAULT_UNAVAILABLE, "sealed")
    document = report.whole(
        status([], faults=["the elapsed clock has stood still for 21 s"], vault=away, reloaded=False)
    )
    head = shown(document).splitlines()
    assert "NOT HEALTHY" in head[0]
    assert "Vault: vault_unavailable" in head[0]
    assert "no credentials" in head[0]
    assert "the configuration last offered was rejected" in head[0]
    assert head[1] == "the elapsed clock has stood still for 21 s"


def test_eighty_characters_break_neither_a_name_nor_a_state() -> None:
    text = shown(the_night(), 80)
    assert re.search("^CREDENTIAL +STATE +VALID FOR +NEXT MINT +LAST RESULT +SINKS$", text, re.MULTILINE)
    assert "OUTAGE BUDGET" not in text
    assert all(re.search(rf"^{re.escape(case.name)} ", text, re.MULTILINE) for case in night())


def test_one_credential_is_shown_in_detail() -> None:
    case = next(case for case in night() if case.name == "ledger")
    text = shown(one(case))
    token = case.tokens()[0]
    for words in (
        "ledger, of keycloak",
        "failing: the last attempt failed",
        token.fingerprint,
        "secret/tokens/ledger holds",
        "behind; file_no_space, 6 times, since 03:10:30Z",
        "last events",
        "token.delivery_failed",
        Code.FILE_NO_SPACE.cure,
    ):
        assert words in text


@pytest.mark.parametrize(
    ("ends_in", "text"),
    [
        (6.5, "client secret ends 2026-11-30T15:12:05Z, in 6 d 12 h"),
        (-1.0, "client secret ended 2026-11-23T03:12:05Z"),
        (None, ""),
    ],
)
def test_the_end_of_a_client_secret_is_shown_in_detail(ends_in: float | None, text: str) -> None:
    found = " ".join(shown(one(Case("billing", secret_ends_in=ends_in))).split())
    assert text in found
    assert ("client secret" in found) is bool(text)


def test_what_was_never_minted_says_so() -> None:
    text = shown(one(Case("reports", ages=(), looked=False)))
    assert "none yet" in text
    assert "holds nothing" in text
    assert "until now" in text


def test_names_that_look_like_markup_are_names() -> None:
    assert "[red]x[/red]" in shown(report.whole(status([Case("[red]x[/red]")])))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (None, "for ever")],
)
def test_a_duration_is_spelt_for_people_and_never_longer_than_it_is(seconds: float | None, text: str) -> None:
    assert watching.span(seconds) == text


@pytest.mark.parametrize(
    ("document", "well"),
    [
        (report.whole(status([Case("billing")])), True),
        (report.whole(status([Case("billing")], faults=["stopped"])), False),
        (report.whole(night_status()), False),
        (report.whole(status([])), True),
        (one(Case("billing")), True),
        (one(Case("reports", ages=(), looked=False)), False),
    ],
    ids=["fresh", "stopped", "a night", "nobody", "one that is fresh", "one that is not"],
)
def test_all_is_well_when_everything_is_fresh_and_goes_on(document: report.Document, *, well: bool) -> None:
    assert watching._well(document) is well
