"""Each promise, and a history by hand that breaks it and no other."""

from __future__ import annotations

import pytest

from rotator.core.model import CredentialSpec
from rotator.engine.gate import Limits
from rotator.simulation.history import History
from rotator.simulation.invariants import broken
from rotator.simulation.plant import (
    Blow,
    CredentialModel,
    Plant,
    ProviderModel,
    Shock,
    SinkModel,
    Spell,
    Trouble,
    Weather,
)

SINK = "vault:billing"
PLANT = Plant(
    {"thx": ProviderModel(Limits(2, 1.0, 2), 600.0)},
    (CredentialModel(CredentialSpec("billing", "thx", ()), (SinkModel(SINK),)),),
)
DAY = Weather(3000.0)


def history(*tokens: tuple[float, float], requests: tuple[float, ...] = ()) -> History:
    """A history in which the sink got these tokens, each with when it came and when it ends."""
    made = History()
    for at, expires in tokens:
        made.timelines[SINK].hold(at, expires)
        made.timelines[SINK].writes += 1
    for at in requests:
        made.requests["thx"].at.append(at)
        made.requests["thx"].by.append(0)
        made.requests["thx"].granted.append(1)
    return made


GOOD = [(300.0 * number, 300.0 * number + 600.0) for number in range(10)]


def problems(made: History, weather: Weather = DAY) -> list[str]:
    return broken(PLANT, weather, made)


def test_a_history_as_it_should_be_breaks_nothing() -> None:
    assert problems(history(*GOOD, requests=tuple(at for at, _ in GOOD))) == []


def test_a_token_that_nobody_minted_is_a_problem() -> None:
    made = history(*GOOD)
    made.problems.append("300.0 s: vault:billing was given a token that nobody minted")
    assert problems(made) == made.problems


def test_a_sink_that_goes_back_is_a_problem() -> None:
    back = [*GOOD[:4], (1000.0, 1400.0), *GOOD[4:]]
    assert ["went back" in problem for problem in problems(history(*back))] == [True]


def test_a_write_without_a_new_token_is_a_problem() -> None:
    made = history(*GOOD)
    made.timelines[SINK].writes += 1
    assert problems(made) == ["vault:billing was written 1 times without a new token"]


def test_a_second_write_of_the_token_is_none_once_somebody_emptied_the_sink() -> None:
    made = history(*GOOD)
    made.timelines[SINK].writes += 1
    assert problems(made, Weather(3000.0, shocks=(Shock(1.0, Blow.DRIFT),))) == []


def test_more_requests_than_the_rate_is_a_problem() -> None:
    made = history(*GOOD, requests=(0.0, 10.0, 20.0))
    made.requests["thx"].at[1:] = type(made.requests["thx"].at)("d", [0.1, 0.9])
    made.requests["thx"].granted[:] = type(made.requests["thx"].granted)("b", [0, 0, 0])
    assert problems(made) == ["0.9 s: thx got more than 2 requests within 1 s"]


def test_more_requests_in_flight_than_allowed_is_a_problem() -> None:
    made = history(*GOOD)
    made.requests["thx"].most_in_flight = 3
    assert problems(made) == ["thx had 3 requests in flight; allowed are 2"]


def test_two_tokens_within_five_seconds_are_a_problem_unless_a_restart_forgot_the_first() -> None:
    made = history(*GOOD, requests=(100.0, 104.0))
    assert problems(made) == ["104.0 s: credential 0 asked thx again 4.00 s after a token"]
    assert problems(made, Weather(3000.0, shocks=(Shock(102.0, Blow.RESTART),))) == []


@pytest.mark.parametrize(("seconds", "complaints"), [(5.0, 0), (2.0, 1)])
def test_h05_a_provider_that_is_away_for_long_is_asked_about_once_in_five_seconds(
    seconds: float, complaints: int
) -> None:
    away = Weather(3000.0, {"thx": (Spell(0.0, 3000.0),)})
    requests = tuple(seconds * number for number in range(int(3000 / seconds)))
    made = history((0.0, 3600.0), requests=requests)
    made.requests["thx"].granted[:] = type(made.requests["thx"].granted)("b", bytes(len(requests)))
    assert len([problem for problem in problems(made, away) if "in an outage" in problem]) == complaints


LATE = [*GOOD[:3], (1250.0, 1850.0), (1500.0, 2100.0), *GOOD[6:]]
"""Without a token from 1200 to 1250 s; the token that ended then was due for replacement from 900 s on."""


def test_a_gap_that_nothing_forced_is_a_problem() -> None:
    found = problems(history(*LATE))
    assert found == ["1200.0 s: vault:billing held no token for 50.0 s, and nothing forced it"]


@pytest.mark.parametrize(
    "weather",
    [
        Weather(3000.0, {"thx": (Spell(900.0, 1240.0),)}),
        Weather(3000.0, vault=(Spell(900.0, 1240.0),)),
        Weather(3000.0, {"thx": (Spell(900.0, 1000.0, Trouble.THROTTLING, retry_after=240.0),)}),
        Weather(3000.0, shocks=(Shock(900.0, Blow.SUSPEND, 340.0),)),
        Weather(3000.0, shocks=(Shock(900.0, Blow.RESTART, 340.0),)),
        Weather(3000.0, {"thx": (Spell(900.0, 1180.0, Trouble.FAILING, 0.5), Spell(1180.0, 1240.0))}),
    ],
    ids=["provider away", "Vault away", "throttled", "asleep", "killed", "failing and then away"],
)
def test_a_gap_that_something_forced_is_none(weather: Weather) -> None:
    assert problems(history(*LATE), weather) == []


@pytest.mark.parametrize(
    "weather",
    [
        Weather(3000.0, {"thx": (Spell(1190.0, 1240.0),)}),
        Weather(3000.0, {"thx": (Spell(900.0, 1200.0),)}),
        Weather(3000.0, {"thx": (Spell(900.0, 1240.0, Trouble.FAILING, 0.5),)}),
        Weather(3000.0, {"okta": (Spell(900.0, 1240.0),)}),
    ],
    ids=["too short an outage", "over long before", "half of the requests got through", "another provider"],
)
def test_a_gap_that_could_have_been_avoided_is_a_problem(weather: Weather) -> None:
    assert len(problems(history(*LATE), weather)) == 1
