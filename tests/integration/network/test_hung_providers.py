"""The quick part of `make reliability ARGS=hung-providers`: a provider that hangs, beside one that is well."""

from __future__ import annotations

from tests.reliability.hung_providers import Size, watch

WAITED = 2.0
"""Seconds: far more than a busy machine adds, and far less than a request that hangs would hold others up (10 s)."""


async def test_a_provider_that_accepts_and_never_answers_delays_no_other_p03_n08_r08() -> None:
    seen = await watch(Size(hung=80, healthy=20, lifetime=13, seconds=7))
    assert seen.asked == 8, "it has all the requests that may be in flight, and all hang"
    assert seen.unserved == 0
    assert len(seen.lateness) >= 20
    assert seen.lateness[-1] < WAITED
