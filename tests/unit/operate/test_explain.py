"""The arithmetic that people are shown is the policy's: what is reckoned from its words is what the policy plans."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from rotator.core import policy
from rotator.core.errors import Code, RotationError
from rotator.core.model import CredentialSpec
from rotator.core.observation import Surroundings
from rotator.operate.explain import Step, steps
from tests.unit.core.desk import OPEN, Desk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DOWN = RotationError(Code.PROVIDER_UNREACHABLE, "nobody there")
SEALED = RotationError(Code.VAULT_UNAVAILABLE, "sealed")
CLAMPED = CredentialSpec("billing", "thx", (), renew_at=0.2)
LATE = CredentialSpec("billing", "thx", (), renew_at=0.9)

NUMBER = r"(\d+(?:\.\d+)?)"


async def fresh(desk: Desk) -> None:
    await desk.run()
    desk.clock.advance(60)


async def renewal_is_over(desk: Desk) -> None:
    await desk.run()
    desk.clock.advance(310)


async def backing_off(desk: Desk) -> None:
    await desk.run()
    desk.endpoint.faults.next("mint", DOWN, DOWN, DOWN)
    for pause in (310, 40, 40):
        await desk.run(after=pause)


async def parked(desk: Desk) -> None:
    await desk.run()
    desk.endpoint.accepts = set()
    await desk.run(after=310)


async def parked_without_a_token(desk: Desk) -> None:
    desk.endpoint.accepts = set()
    await desk.run()


async def sinks_that_were_not_seen(desk: Desk) -> None:
    for sink in desk.sinks:
        sink.faults.next("read", SEALED)
    await desk.run()


async def no_token(_: Desk) -> None:
    """At the very beginning."""


async def expired(desk: Desk) -> None:
    await desk.run()
    desk.clock.advance(601)


async def another_secret(desk: Desk) -> None:
    await desk.run()
    desk.clock.advance(30)
    desk.rotation.seen = replace(desk.rotation.seen, inputs="another")


async def a_server_that_repeats_its_token(desk: Desk) -> None:
    await desk.run()
    desk.endpoint.repeat = True
    await desk.run(after=310)


async def just_minted(desk: Desk) -> None:
    await desk.run()


async def a_hint_of_the_provider(desk: Desk) -> None:
    desk.endpoint.refresh_in = 350.0
    await desk.run()
    desk.clock.advance(60)


STORIES: dict[str, tuple[Callable[[Desk], Awaitable[None]], CredentialSpec | None, Surroundings]] = {
    "fresh": (fresh, None, OPEN),
    "just minted": (just_minted, None, OPEN),
    "a lead that is clamped": (fresh, CLAMPED, OPEN),
    "a renewal that is due": (renewal_is_over, None, OPEN),
    "backing off": (backing_off, None, OPEN),
    "parked": (parked, None, OPEN),
    "parked without a token": (parked_without_a_token, None, OPEN),
    "throttled": (renewal_is_over, None, Surroundings(provider_opens_at=1400.0)),
    "sinks that were not seen": (sinks_that_were_not_seen, None, OPEN),
    "no token": (no_token, None, OPEN),
    "an expired token": (expired, None, OPEN),
    "another secret": (another_secret, None, OPEN),
    "a server that repeats its token": (a_server_that_repeats_its_token, None, OPEN),
    "a hint of the provider": (a_hint_of_the_provider, LATE, OPEN),
}


async def told(name: str) -> tuple[Desk, Surroundings, dict[str, Step]]:
    story, spec, around = STORIES[name]
    desk = Desk() if spec is None else Desk(spec=spec)
    await story(desk)
    found = steps(desk.spec, desk.rotation.seen, around, desk.clock.now())
    return desk, around, {step.what: step for step in found}


def at(desk: Desk, value: str) -> float:
    """The reading of the elapsed clock that a date in a step means; now for `at once`."""
    now = desk.clock.now()
    if value == "at once":
        return now.elapsed
    date = datetime.fromisoformat(value.partition(",")[0])
    return now.when(date).elapsed


@pytest.mark.parametrize("story", STORIES)
async def test_the_next_mint_that_is_told_is_the_policys(story: str) -> None:
    desk, around, found = await told(story)
    now = desk.clock.now().elapsed
    plan = policy.next_mint(desk.spec, desk.rotation.seen, around, now)
    assert found["next mint"].how == f"because {plan.reason}"
    assert max(now, at(desk, found["next mint"].value)) == pytest.approx(max(now, plan.at), abs=1)


@pytest.mark.parametrize("story", STORIES)
async def test_what_is_told_before_leads_to_it(story: str) -> None:
    """The latest of the renewal and of what puts it off, as anybody reckons who reads the steps from top to bottom."""
    desk, around, found = await told(story)
    now = desk.clock.now().elapsed
    putting_off = ("Retry-After", "interval", "slow lane", "backoff", "unseen sinks", "nothing better")
    dates = [at(desk, found[what].value) for what in ("renewal due", *putting_off) if what in found]
    plan = policy.next_mint(desk.spec, desk.rotation.seen, around, now)
    assert max([now, *dates]) == pytest.approx(max(now, plan.at), abs=1)


@pytest.mark.parametrize(
    "story", ["fresh", "a lead that is clamped", "backing off", "throttled", "a hint of the provider"]
)
async def test_the_renewal_can_be_reckoned_from_its_figures(story: str) -> None:
    desk, _, found = await told(story)
    match = re.fullmatch(rf"issued \+ {NUMBER} s \* \({NUMBER} - {NUMBER}\)", found["renewal due"].how)
    assert match is not None
    lifetime, share, early = map(float, match.groups())
    reckoned = at(desk, found["issued"].value) + lifetime * (share - early)
    best = policy.best_token(desk.rotation.seen, desk.clock.now().elapsed)
    assert best is not None
    assert reckoned == pytest.approx(policy.renewal_due(desk.spec, best), abs=1.1)
    assert found["spread"].value == f"{early:.4f}"
    assert found["refresh_in" if "refresh_in" in found else "share of the lifetime"].value == f"{share:g}"


async def test_a_lead_that_is_clamped_is_told_with_both_figures() -> None:
    _, _, found = await told("a lead that is clamped")
    assert found["share of the lifetime"] == Step(
        "share of the lifetime", "renew_at = 0.2, but never less than 0.5 of a life", "0.5"
    )


async def test_a_hint_is_told_with_what_it_comes_to() -> None:
    _, _, found = await told("a hint of the provider")
    how = "the provider hints at 350 s of 600 s: taken from 0.5 on, and never above the share"
    assert found["refresh_in"] == Step("refresh_in", how, "0.583333")
    assert found["share of the lifetime"].value == "0.9"
    assert "refresh_in" not in (await told("fresh"))[2]


async def test_a_backoff_is_told_with_the_figures_of_its_ceiling() -> None:
    desk, _, found = await told("backing off")
    match = re.fullmatch(
        rf"up to min\(30 s, 0\.1 \* {NUMBER} s left, 1 s \* 2\^(\d+)\) = {NUMBER} s, by a hash; at least 2 s",
        found["backoff"].how,
    )
    assert match is not None
    left, count, ceiling = float(match[1]), int(match[2]), float(match[3])
    assert min(30.0, 0.1 * left, 2.0**count) == pytest.approx(ceiling, abs=0.1)
    failure = desk.rotation.seen.failure
    assert failure is not None
    assert failure.at + 2 <= at(desk, found["backoff"].value) + 1 <= failure.at + max(2.0, ceiling) + 2
    assert found["failures"].how == "3 in a row, the last 3 provider_unreachable"


@pytest.mark.parametrize(
    ("story", "why"),
    [
        ("no token", "no sink holds one, and none has been minted"),
        ("an expired token", "its life is over"),
        ("another secret", "it was minted from another client id, secret or scope"),
    ],
)
async def test_why_there_is_no_good_token_is_told(story: str, why: str) -> None:
    _, _, found = await told(story)
    assert found["token"].how == why


async def test_how_long_an_outage_may_last_is_told() -> None:
    _, _, found = await told("fresh")
    assert found["outage budget"].value == "9 min"
    assert found["lifetime"].value == "10 min"


async def test_when_source_and_sinks_are_looked_at_next_is_told_with_the_credentials_own_spread() -> None:
    desk, _, found = await told("just minted")
    step = found["source and sinks"]
    due = desk.rotation.seen.looked_at + policy.look_interval(desk.spec)
    assert at(desk, step.value) == pytest.approx(due, abs=1)
    assert step.how.startswith("every ")
