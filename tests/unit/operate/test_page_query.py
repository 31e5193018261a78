"""What is asked of the page: parameters that nobody checked, the list they choose, and the words for times."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.errors import Code
from rotator.core.observation import NEVER, Stage
from rotator.operate.durations import span
from rotator.operate.page.query import LONGEST, Query
from rotator.operate.page.rows import PAGE, select
from rotator.operate.page.words import instant, several, told
from rotator.operate.status import State
from tests.support.fleets import NOW, Case, failure, status

KEYS = ["q", "state", "provider", "page", "name"]


def test_what_makes_sense_is_taken() -> None:
    asked = {"q": "ledger", "state": "failing", "provider": "thx", "page": "3", "name": "billing"}
    assert Query.parse(asked) == Query("ledger", State.FAILING, "thx", 3, "billing")


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("state", "sad", "There is no such state; there are expired, parked, failing, pending, fresh. All are shown."),
        ("page", "0", "There is no such page; the first one is shown."),
        ("page", "-1", "There is no such page; the first one is shown."),
        ("page", "1.5", "There is no such page; the first one is shown."),
        ("page", "9" * 5000, "There is no such page; the first one is shown."),
        ("page", "\N{SUPERSCRIPT TWO}", "There is no such page; the first one is shown."),
        ("q", "x" * 300, "q is cut after 200 characters."),
    ],
)
def test_what_makes_none_is_left_out_and_said(key: str, value: str, complaint: str) -> None:
    query = Query.parse({key: value})
    assert query.complaints == (complaint,)
    assert (query.state, query.page, len(query.q)) == (None, 1, LONGEST if key == "q" else 0)


@given(st.dictionaries(st.sampled_from(KEYS), st.text()))
def test_no_parameter_raises_and_every_link_leads_back_to_its_query(parameters: dict[str, str]) -> None:
    query = replace(Query.parse(parameters), complaints=())
    asked = {key: values[0] for key, values in parse_qs(query.href.removeprefix("?")).items()}
    assert Query.parse(asked) == query


FLEET = [Case(f"c{number:03d}", "thx" if number % 2 else "entra", ages=(float(number),)) for number in range(120)]


def chosen(query: Query) -> list[str]:
    return [one.name for one in select(status(FLEET), query).shown]


def test_a_page_has_fifty_and_the_shortest_lived_come_first() -> None:
    assert chosen(Query()) == [f"c{number:03d}" for number in range(119, 69, -1)]


def test_pages_follow_each_other_without_gap_or_repetition() -> None:
    pages = [chosen(Query(page=number)) for number in (1, 2, 3)]
    assert [len(page) for page in pages] == [PAGE, PAGE, 20]
    assert sorted(sum(pages, [])) == [case.name for case in FLEET]  # noqa: RUF017  three short lists


def test_a_page_beyond_the_last_is_the_last() -> None:
    selection = select(status(FLEET), Query(page=99))
    assert (selection.page, selection.pages, selection.first, selection.last) == (3, 3, 101, 120)


def test_every_word_must_be_found_somewhere_in_any_case() -> None:
    refused = failure(Code.INVALID_SCOPE, Stage.GRANT, 60.0, 2)
    fleet = status([Case("Billing", sinks={"file:/run/Ledger": None}), Case("billing-old", "entra", mint=refused)])
    found = {words: [one.name for one in select(fleet, Query(q=words)).shown] for words in FOUND}
    assert found == FOUND


FOUND: dict[str, list[str]] = {
    "BILLING": ["billing-old", "Billing"],
    "ledger": ["Billing"],
    "billing entra": ["billing-old"],
    "invalid_scope": ["billing-old"],
    "billing nowhere": [],
}


def test_state_and_provider_narrow_the_list() -> None:
    refused = failure(Code.INVALID_SCOPE, Stage.GRANT, 60.0, 2)
    fleet = status([Case("a", mint=refused), Case("b", "entra", mint=refused), Case("c", "entra")])
    assert [one.name for one in select(fleet, Query(state=State.PARKED, provider="entra")).shown] == ["b"]


def test_nothing_found_is_one_page_of_nothing() -> None:
    selection = select(status(FLEET), Query(q="nowhere"))
    assert (selection.shown, selection.found, selection.pages, selection.first, selection.last) == ((), 0, 1, 0, 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.9, "0 s"),
        (59.99, "59 s"),
        (60.0, "1 min"),
        (252.0, "4 min 12 s"),
        (3600.0, "1 h"),
        (3605.0, "1 h"),
        (7300.0, "2 h 1 min"),
        (90000.0, "1 d 1 h"),
        (float("inf"), "for ever"),
        (-5.0, "0 s"),
    ],
)
def test_a_duration_is_told_in_two_units_and_never_longer_than_it_is(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("apart", "text", "relative"),
    [
        (0.4, "03:12:05 UTC", "now"),
        (252.0, "03:16:17 UTC", "in 4 min 12 s"),
        (-252.0, "03:07:53 UTC", "4 min 12 s ago"),
        (86400.0, "2026-11-25 03:12:05 UTC", "in 1 d"),
    ],
)
def test_an_instant_is_a_date_and_a_distance(apart: float, text: str, relative: str) -> None:
    found = instant(NOW.elapsed + apart, NOW)
    assert found is not None
    assert (found.text, found.relative) == (text, relative)
    assert found == told(NOW.wall + timedelta(seconds=apart), NOW)


@pytest.mark.parametrize("elapsed", [NEVER, float("inf"), 1e15])
def test_what_no_calendar_has_is_no_instant(elapsed: float) -> None:
    assert instant(elapsed, NOW) is None


@pytest.mark.parametrize(
    ("names", "total", "words"),
    [
        (["a"], 1, "a"),
        (["a", "b"], 2, "a and b"),
        (["a", "b", "c"], 3, "a, b and c"),
        (["a", "b"], 9, "a, b and 7 more"),
    ],
)
def test_an_enumeration_says_how_many_it_leaves_out(names: list[str], total: int, words: str) -> None:
    assert several(names, total) == words
