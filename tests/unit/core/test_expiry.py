"""When the end of a client secret is told: which day has been reached, and each once, whatever the wall clock does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.expiry import DAYS, SecretEnd, Told
from rotator.testing import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterable

END = SecretEnd("v1", EPOCH)
LOOKS = st.lists(st.integers(-400 * 24, 400 * 24).map(lambda hours: hours / 24), min_size=1)
SECOND = 1 / 86400


def told(days_left: Iterable[float], end: SecretEnd = END, before: Told | None = None) -> list[int]:
    """What is told at looks so many days before the end."""
    known, found = before or Told(), []
    for left in days_left:
        days, known = known.look(end, end.at - timedelta(days=left))
        found += [] if days is None else [days]
    return found


@pytest.mark.parametrize(
    ("left", "within"),
    [
        (1000, None),
        (30 + SECOND, None),
        (30, 30),
        (7 + SECOND, 30),
        (7, 7),
        (1 + SECOND, 7),
        (1, 1),
        (SECOND, 1),
        (0, 0),
        (-SECOND, 0),
        (-1000, 0),
    ],
)
def test_the_day_that_has_been_reached_is_the_least_one(left: float, within: int | None) -> None:
    assert END.within(END.at - timedelta(days=left)) == within


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([400, 31], [], id="more than 30 days before the end nothing is told"),
        pytest.param([30], [30], id="a start within 30 days is told at once"),
        pytest.param([3], [7], id="a start within 7 days tells the nearest day only"),
        pytest.param([-5], [0], id="a start after the end tells that"),
        pytest.param([31, 30, 29, 8, 7, 6, 1, 0.5, 0, -1, -100], [30, 7, 1, 0], id="each day is told once"),
        pytest.param([31, -1], [0], id="a machine that slept over some days tells the last of them"),
        pytest.param([6, 8, 6, 8, 6], [7], id="a clock that is set back and forth over a day tells it once"),
        pytest.param([6, 20], [7], id="a clock that is set back tells no day that is less urgent"),
        pytest.param([400, -1, 400, -1, 400], [0], id="a clock that is ahead by years twice tells it once"),
        pytest.param([400, -1, 400, 29, 6, 0.5], [0, 30, 7, 1], id="a clock that was ahead silences no day to come"),
        pytest.param([6, -1, 6, 0.9], [7, 0, 1], id="nor does one that was ahead within the last days"),
    ],
)
def test_what_is_told_at_a_run_of_looks(looks: list[float], expected: list[int]) -> None:
    assert told(looks) == expected


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(END, version="v2"), id="a new version of the document"),
        pytest.param(replace(END, at=END.at + timedelta(days=1)), id="another end of the same secret"),
    ],
)
def test_of_another_secret_everything_is_told_anew(other: SecretEnd) -> None:
    _, known = Told().look(END, END.at - timedelta(days=6))
    assert told([5], END, known) == []
    assert told([5], other, known) == [7]


@given(LOOKS)
def test_whatever_the_clock_does_no_day_is_told_twice_nor_before_it_was_reached(looks: list[float]) -> None:
    days = told(looks)
    assert len(days) == len(set(days))
    assert all(min(looks) <= day for day in days)
    assert set(days) <= set(DAYS)


@given(LOOKS)
def test_with_a_clock_that_is_right_the_last_thing_told_is_the_day_that_has_been_reached(looks: list[float]) -> None:
    looks.sort(reverse=True)
    reached = END.within(END.at - timedelta(days=looks[-1]))
    assert told(looks)[-1:] == ([] if reached is None else [reached])
