"""The simulation itself: it repeats itself, it shows what it should, and days of bad weather break no promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.simulation.invariants import broken
from rotator.simulation.plant import Blow, Plant, Shock, Spell, Trouble, Weather
from rotator.simulation.world import simulate
from tests.reliability import availability, outages, recovery
from tests.reliability.simulated import one_provider
from tests.support import weather

if TYPE_CHECKING:
    from rotator.simulation.history import History

HOUR = 3600.0


def bad_day(seed: int) -> tuple[Plant, Weather]:
    plant = weather.plant(12, {"short": 600.0, "long": 3600.0})
    return plant, weather.drawn(seed, 8 * HOUR, plant)


@pytest.mark.parametrize("seed", range(1, 7))
def test_bad_weather_breaks_no_promise(seed: int) -> None:
    plant, drawn = bad_day(seed)
    assert broken(plant, drawn, simulate(plant, drawn, seed)) == []


def test_the_same_seed_gives_the_same_history() -> None:
    plant, drawn = bad_day(1)
    one, other = simulate(plant, drawn, 1), simulate(plant, drawn, 1)
    assert one.requests["short"].at == other.requests["short"].at
    assert {name: line.at for name, line in one.timelines.items()} == {
        n: line.at for n, line in other.timelines.items()
    }
    assert one.events == other.events


def test_another_seed_gives_another_history() -> None:
    plant, drawn = bad_day(1)
    assert simulate(plant, drawn, 1).requests["short"].at != simulate(plant, drawn, 2).requests["short"].at


def test_p47_an_outage_longer_than_a_life_leaves_a_gap_that_ends_with_it() -> None:
    away = Weather(4000.0, {"thx": (Spell(1800.0, 3000.0),)})
    [(start, end)] = simulate(one_provider(1), away, 1).timelines["vault:0"].gaps(4000.0)
    assert 2100.0 < start <= 2400.0
    assert 3000.0 < end <= 3005.5


def test_an_outage_of_295_seconds_leaves_none_at_any_phase() -> None:
    assert all(outages.passes_unnoticed(1, 1800.0 + 60.0 * step, 295.0, step) for step in range(10))


def test_r02_a_restart_adopts_what_the_sinks_hold_and_asks_for_nothing() -> None:
    restart = Weather(1900.0, shocks=(Shock(1800.0, Blow.RESTART, 1.0),))
    history = simulate(one_provider(50), restart, 1)
    undisturbed = simulate(one_provider(50), Weather(1900.0), 1)
    assert history.events["token.adopted"] == 50
    assert abs(len(history.requests["thx"].at) - len(undisturbed.requests["thx"].at)) <= 5


@pytest.mark.parametrize(
    "step", [HOUR, -HOUR, 30 * 24 * HOUR, -30 * 24 * HOUR], ids=["c01", "c02", "c01 30 d", "c02 30 d"]
)
def test_a_step_of_the_wall_clock_costs_no_request_and_no_gap(step: float) -> None:
    stepped = Weather(4000.0, shocks=(Shock(2000.0, Blow.STEP, step),))
    history = simulate(one_provider(10), stepped, 1)
    assert len(history.requests["thx"].at) == len(simulate(one_provider(10), Weather(4000.0), 1).requests["thx"].at)
    assert all(line.gaps(4000.0) == [] for line in history.timelines.values())


def test_c04_after_ten_minutes_of_sleep_everybody_is_served_within_five_seconds() -> None:
    asleep = Weather(4000.0, shocks=(Shock(2000.0, Blow.SUSPEND, 600.0),))
    history = simulate(one_provider(20), asleep, 1)
    assert max(end for line in history.timelines.values() for _, end in line.gaps(4000.0)) <= 2605.0


def test_four_errors_in_five_leave_tokens_unexpired_and_cost_at_most_eight_requests_each() -> None:
    total, without, short, asked, granted = availability.days(0.8, 0.1, 1)
    assert without == 0.0
    assert short / total < 1e-4
    assert asked / granted < 8


def test_h05_after_an_outage_the_rate_is_kept_and_the_least_remaining_life_goes_first() -> None:
    found = recovery.trial(1, credentials=100)
    assert found.peak <= 20
    assert found.out_of_order == 0
    assert sorted(found.delays)[98] <= 5.0


def test_a_throttling_provider_is_not_asked_again_before_its_time_p10() -> None:
    throttled = Weather(3000.0, {"thx": (Spell(1800.0, 1805.0, Trouble.THROTTLING, retry_after=60.0),)})
    requests = simulate(one_provider(100), throttled, 1).requests["thx"]
    refused = [at for at, granted in zip(requests.at, requests.granted, strict=True) if not granted]
    assert refused
    assert requests.count(refused[0] + 1.0, refused[0] + 60.0) == 0


def tokens_between(history: History, start: float, end: float) -> list[list[float]]:
    return [[at for at in line.at if start <= at < end] for line in history.timelines.values()]


def test_n09_a_provider_that_flaps_every_second_for_an_hour_leaves_no_gap_and_no_storm() -> None:
    spells = tuple(Spell(1800.0 + 2 * second, 1801.0 + 2 * second) for second in range(1800))
    history = simulate(one_provider(20), Weather(7200.0, {"thx": spells}), 1)
    assert all(line.gaps(7200.0) == [] for line in history.timelines.values())
    assert history.requests["thx"].count(1800.0, 5400.0) <= 4 * sum(map(len, tokens_between(history, 1800.0, 5400.0)))


def test_n08_an_outage_of_one_provider_costs_the_credentials_of_another_nothing() -> None:
    two = weather.plant(10, {"a": 600.0, "b": 600.0}, recheck_interval=60.0)
    history = simulate(two, Weather(5400.0, {"a": (Spell(1800.0, 3600.0, Trouble.SILENT),)}), 1)
    alone = simulate(two, Weather(5400.0), 1)
    assert len(history.requests["b"].at) == len(alone.requests["b"].at)
    assert [history.timelines[f"vault:{number}"].gaps(5400.0) for number in range(1, 10, 2)] == [[]] * 5


def test_r03_after_a_long_time_down_those_whose_tokens_ended_first_are_served_first_within_the_rate() -> None:
    down = Weather(4200.0, shocks=(Shock(1800.0, Blow.RESTART, 1800.0),))
    history = simulate(one_provider(100), down, 1)
    requests = history.requests["thx"]
    served = [(at, by) for at, by in zip(requests.at, requests.by, strict=True) if at > 3600.0][:100]
    assert len({by for _, by in served}) == 100
    # Records have no fractions of a second.
    assert recovery.out_of_order(history, [(by, at) for at, by in served], 3600.0, grain=1.0) == 0
    assert requests.peak(3600.0) <= 20
