"""Who is next: those whose token has ended or nears its end, those who never had one, those who have enough."""

from __future__ import annotations

import pytest

from rotator.core.model import BearerToken, Moment, Secret
from rotator.core.observation import NEVER, Observation
from rotator.engine.line import Line, Need, need_of
from rotator.testing import EPOCH

NOTHING = Need(NEVER, NEVER)


def lined_up(needs: dict[str, Need], now: float) -> list[str]:
    line = Line()
    for name, need in needs.items():
        line.join(name, need)
    return [line.take(now)[0] for _ in range(len(line))]


def test_who_nears_the_end_goes_before_who_has_nothing_and_that_one_before_who_has_enough() -> None:
    needs = {"enough": Need(900.0, 750.0), "nothing": NOTHING, "near its end": Need(600.0, 450.0)}
    assert lined_up(needs, now=500.0) == ["near its end", "nothing", "enough"]


def test_whoever_lost_its_token_first_goes_first_and_before_who_never_had_one_r03_h05() -> None:
    needs = {"late": Need(90.0, 80.0), "early": Need(30.0, 20.0), "never": NOTHING}
    assert lined_up(needs, now=100.0) == ["early", "late", "never"]


def test_among_those_that_near_the_end_and_among_those_that_have_enough_the_least_life_goes_first_c10() -> None:
    near = {"near, later": Need(120.0, 90.0), "near, sooner": Need(110.0, 95.0)}
    enough = {"enough, later": Need(900.0, 700.0), "enough, sooner": Need(800.0, 600.0)}
    assert lined_up(enough | near, now=100.0) == ["near, sooner", "near, later", "enough, sooner", "enough, later"]


def test_who_comes_near_its_end_or_loses_its_token_while_it_waits_is_ordered_by_that() -> None:
    line = Line()
    for name, need in {
        "nothing": NOTHING,
        "also nothing": NOTHING,
        "a": Need(50.0, 40.0),
        "b": Need(70.0, 65.0),
    }.items():
        line.join(name, need)
    assert [line.take(now)[0] for now in (30.0, 45.0, 60.0, 68.0)] == ["nothing", "a", "also nothing", "b"]


def test_whoever_has_expired_while_it_waited_goes_before_who_nears_its_end_h05() -> None:
    needs = {"near its end": Need(70.0, 55.0), "expired": Need(50.0, 40.0)}
    assert lined_up(needs, now=60.0) == ["expired", "near its end"]


def test_who_has_left_is_not_taken_and_may_come_again() -> None:
    line = Line()
    line.join("a", NOTHING)
    line.join("a", Need(10.0, 5.0))
    line.leave("a")
    line.leave("a")
    assert (len(line), "a" in line) == (0, False)
    line.join("a", Need(10.0, 5.0))
    assert line.take(0.0) == ("a", Need(10.0, 5.0))
    with pytest.raises(LookupError):
        line.take(0.0)


def test_the_need_of_a_credential_is_that_of_its_longest_lived_token_and_near_in_its_last_quarter() -> None:
    token = BearerToken(Secret("t"), Moment(EPOCH, 100.0), 600.0, "", "inputs", "fingerprint")
    assert need_of(Observation(in_hand=token)) == Need(700.0, 550.0)
    assert need_of(Observation()) == NOTHING
