"""What a provider's quota is counted by, and when somebody is told that it is nearly used up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Secret
from rotator.engine.gate import Gate, Limits
from rotator.engine.gated import GatedEndpoint
from rotator.engine.quota import SLOTS, Quota, Tally
from rotator.testing import FakeClock, MemoryEndpoint

HALF_A_DAY = 12 * 3600.0
ASKING = ClientCredentials("client", (Secret("secret"),), "v1")


def counted(tally: Tally, *times: float) -> list[bool]:
    return [tally.add(at) for at in times]


def test_a_token_counts_for_a_span_and_no_longer() -> None:
    tally = Tally(Quota(50, HALF_A_DAY))
    counted(tally, 0.0, 0.0, 3600.0)
    assert [tally.used(at) for at in (3600.0, HALF_A_DAY, HALF_A_DAY + 60, HALF_A_DAY + 3700)] == [3, 3, 1, 0]


@given(
    span=st.sampled_from([1.0, 1200.0, HALF_A_DAY, 2678400.0]),
    apart=st.lists(st.floats(0, 1), min_size=1, max_size=60),
    began=st.floats(-1e6, 1e9),
)
def test_no_token_of_the_span_is_missed_and_none_is_counted_a_thousandth_of_it_too_long(
    span: float, apart: list[float], began: float
) -> None:
    tally, now, times = Tally(Quota(10, span)), began, []
    for share in apart:
        now += share * span / 4
        times.append(now)
        tally.add(now)
        blur = 1e-6 * span + 1e-6
        at_least = sum(at > now - span + blur for at in times)
        at_most = sum(at >= now - span * (1 + 1 / SLOTS) - blur for at in times)
        assert at_least <= tally.used(now) <= at_most


def test_a_million_tokens_are_counted_in_a_thousand_figures() -> None:
    tally = Tally(Quota(999_999, 1000.0))
    counted(tally, *(second / 4 for second in range(8000)))
    assert tally.used(2000.0) == pytest.approx(4000, rel=0.002)
    assert len(tally._slots) <= SLOTS + 1


def test_it_is_told_of_once_when_four_fifths_are_used() -> None:
    tally = Tally(Quota(10, HALF_A_DAY))
    assert counted(tally, *map(float, range(12))) == [False] * 7 + [True] + [False] * 4


def test_it_is_told_of_again_a_span_later_if_it_is_still_so() -> None:
    tally = Tally(Quota(10, 1000.0))
    told = [at for at in range(0, 3000, 100) if tally.add(float(at))]
    assert told == [700, 1700, 2700]


def test_it_is_not_told_of_again_when_it_is_no_longer_so() -> None:
    tally = Tally(Quota(10, 1000.0))
    counted(tally, *map(float, range(8)))
    assert counted(tally, 5000.0, 5500.0) == [False, False]


def test_a_quota_of_one_is_used_up_by_one() -> None:
    assert Tally(Quota(1, 1200.0)).add(0.0)


class Metered:
    """A provider with a quota, and who is told that it is nearly used up."""

    def __init__(self, quota: Quota | None) -> None:
        self.clock = FakeClock()
        self.endpoint = MemoryEndpoint(self.clock)
        self.gate = Gate("thx", Limits(quota=quota))
        self.told: list[Gate] = []
        self.asked = GatedEndpoint(self.endpoint, self.gate, self.clock, lambda _: None, self.told.append)

    async def mint(self, times: int) -> None:
        for _ in range(times):
            await self.asked.mint(ASKING)

    @property
    def used(self) -> int:
        spent = self.gate.spent(self.clock.now().elapsed)
        assert spent is not None
        return spent[1]


async def test_tokens_count_and_failures_do_not() -> None:
    metered = Metered(Quota(10, 60.0))
    await metered.mint(2)
    metered.endpoint.faults.next("mint", RotationError(Code.INVALID_SCOPE, "no"))
    with pytest.raises(RotationError):
        await metered.mint(1)
    assert metered.used == 2
    metered.clock.advance(61)
    assert metered.used == 0


async def test_whoever_is_to_know_is_told_of_the_gate() -> None:
    metered = Metered(Quota(5, 60.0))
    await metered.mint(3)
    assert metered.told == []
    await metered.mint(2)
    assert metered.told == [metered.gate]


async def test_without_a_quota_nothing_is_counted_and_nobody_told() -> None:
    metered = Metered(None)
    await metered.mint(30)
    assert (metered.told, metered.gate.spent(0.0)) == ([], None)


@pytest.mark.parametrize(
    ("quota", "used"), [(Quota(10, 60.0), 3), (Quota(10, 61.0), 0), (Quota(11, 60.0), 0)], ids=["same", "span", "count"]
)
async def test_a_changed_configuration_counts_on_where_the_quota_is_the_same_r05(quota: Quota, used: int) -> None:
    metered = Metered(Quota(10, 60.0))
    await metered.mint(3)
    after = Gate("thx", Limits(count=5, quota=quota))
    after.inherit(metered.gate)
    assert after.spent(metered.clock.now().elapsed) == (quota, used)


async def test_a_quota_that_is_new_begins_to_count_r05() -> None:
    after = Gate("thx", Limits(quota=Quota(10, 60.0)))
    after.inherit(Gate("thx", Limits()))
    assert after.spent(0.0) == (Quota(10, 60.0), 0)
