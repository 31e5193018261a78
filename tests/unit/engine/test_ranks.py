"""Names in the order of a number: a heap whose dead entries nobody sees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.engine.ranks import SPARE, Ranks

NAMES = st.sampled_from("abcdefgh")
STEPS = st.lists(st.tuples(NAMES, st.none() | st.floats(allow_nan=False)), max_size=300)


@given(steps=STEPS)
def test_whatever_is_put_and_dropped_the_lowest_comes_first_and_of_equal_ones_who_came_first(
    steps: list[tuple[str, float | None]],
) -> None:
    ranks, expected = Ranks(), dict[str, float]()
    for name, rank in steps:
        expected.pop(name, None)
        if rank is None:
            ranks.drop(name)
        else:
            ranks.put(name, rank)
            expected[name] = rank
    assert len(ranks) == len(expected)
    assert all((name in ranks) == (name in expected) for name in "abcdefgh")
    taken = [ranks.take() for _ in range(len(ranks))]
    assert taken == sorted(((rank, name) for name, rank in expected.items()), key=lambda entry: entry[0])
    assert ranks.first() is None


def test_nobody_can_be_taken_where_there_is_nobody() -> None:
    ranks = Ranks()
    ranks.put("gone", 1.0)
    ranks.drop("gone")
    with pytest.raises(LookupError):
        ranks.take()


def test_who_is_below_a_rank_is_told_without_taking_anybody_out() -> None:
    ranks = Ranks()
    for name, rank in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
        ranks.put(name, rank)
    assert (ranks.below(1.0), sorted(ranks.below(3.0)), len(ranks)) == ([], ["a", "c"], 3)


def test_the_dead_are_cleared_away_before_they_outnumber_the_living_by_much() -> None:
    ranks = Ranks()
    for number in range(100_000):
        ranks.put(f"name-{number % 10}", float(number))
    for number in range(10):
        ranks.drop(f"name-{number}")
    assert len(ranks._heap) <= SPARE


def test_who_is_first_when_all_others_were_ranked_anew_is_found_with_the_dead_cleared_away() -> None:
    ranks = Ranks()
    for number in range(10 * SPARE):
        ranks.put(f"name-{number}", float(number))
    for number in range(10 * SPARE - 1):
        ranks.put(f"name-{number}", 1e6 + number)
    assert ranks.first() == (10 * SPARE - 1, f"name-{10 * SPARE - 1}")
    assert len(ranks._heap) == 10 * SPARE
