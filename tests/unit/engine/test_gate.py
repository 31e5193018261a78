"""The gate before a provider: it is told the time, and says who may pass and when."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.errors import Code, RotationError
from rotator.core.observation import NEVER
from rotator.engine.gate import OUTAGE_AFTER, Gate, Limits
from rotator.engine.line import Need

DOWN = RotationError(Code.PROVIDER_UNREACHABLE, "nobody there")
NOTHING = Need(NEVER, NEVER)
REFUSED = RotationError(Code.INVALID_CLIENT, "wrong")


def drive(gate: Gate, now: float, until: float) -> list[tuple[float, str]]:
    """Let pass whoever may, each ending at once; when and who."""
    passed = []
    while (at := gate.next_at()) is not None and max(at, now) < until:
        now = max(at, now)
        passed.append((now, gate.admit(now)))
        gate.passed()
    return passed


def failing(gate: Gate, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        gate.failed(DOWN, now)


def test_the_least_remaining_life_goes_first_whoever_came_first() -> None:
    gate = Gate("thx", Limits())
    for name, served_until in (("late", 300.0), ("expired", -5.0), ("never served", NEVER), ("soon", 20.0)):
        gate.join(name, Need(served_until, served_until - 10.0))
    assert [name for _, name in drive(gate, 0, 1)] == ["expired", "never served", "soon", "late"]


@given(count=st.integers(1, 30), period=st.sampled_from([1.0, 60.0]), waiting=st.integers(1, 100))
def test_no_window_of_the_period_holds_more_than_the_rate_h04(count: int, period: float, waiting: int) -> None:
    gate = Gate("thx", Limits(count, period))
    for number in range(waiting):
        gate.join(str(number), NOTHING)
    times = [at for at, _ in drive(gate, 0, 1e9)]
    assert len(times) == waiting
    assert all(later - earlier > period for earlier, later in zip(times, times[count:], strict=False))


def test_no_more_are_in_flight_than_allowed_r08() -> None:
    gate = Gate("thx", Limits(max_in_flight=2))
    for name in "abc":
        gate.join(name, NOTHING)
    gate.admit(0.0)
    gate.admit(0.0)
    assert gate.next_at() is None
    gate.passed()
    assert gate.next_at() is not None


def test_one_credentials_retry_after_holds_for_all_p10() -> None:
    gate = Gate("thx", Limits())
    gate.failed(RotationError(Code.PROVIDER_THROTTLED, "slow down", retry_after=30.0), now=100.0)
    gate.join("other", NOTHING)
    assert gate.next_at() == 130.0


def test_an_outage_slows_down_to_one_probe_in_five_seconds_and_never_to_none() -> None:
    gate = Gate("thx", Limits())
    failing(gate, 1000)
    for number in range(5):
        gate.join(str(number), NOTHING)
    times = [at for at, _ in drive(gate, 0, 1e9)]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [5.0] * 4


@pytest.mark.parametrize("how", ["answered", "refused"])
def test_the_first_answer_opens_it_again_be_it_a_refusal(how: str) -> None:
    gate = Gate("thx", Limits())
    failing(gate, OUTAGE_AFTER)
    recovered = gate.answered(50.0) if how == "answered" else gate.failed(REFUSED, 50.0)
    assert recovered
    assert not gate.in_outage
    assert gate.recovered_at == 50.0


def test_four_independent_errors_in_five_do_not_close_it() -> None:
    drawn = random.Random(7)  # noqa: S311  a seed, so that a failure can be replayed
    gate, now, sent = Gate("thx", Limits()), 0.0, 0
    while now < 600:
        gate.join("a", NOTHING)
        now = max(now, gate.next_at() or now)
        gate.admit(now)
        gate.passed()
        sent += 1
        if drawn.random() < 0.8:
            gate.failed(DOWN, now)
        else:
            gate.answered(now)
    assert sent > 0.9 * 600 * 20 / 1.05


def test_who_has_left_is_not_let_through() -> None:
    gate = Gate("thx", Limits())
    gate.join("a", NOTHING)
    gate.join("b", NOTHING)
    gate.leave("a")
    assert drive(gate, 0, 1) == [(0, "b")]
