"""Tokens that wait for their checks: what is kept, what is dropped, and what each attempt asks the provider for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, CredentialSpec, Grant, Secret
from rotator.core.observation import Stage, Surroundings
from rotator.core.rotation import Rotation
from rotator.oauth.verifying import WITHIN, VerifyingEndpoint
from rotator.testing import (
    FakeClock,
    LoopClock,
    MemoryEndpoint,
    MemorySink,
    MemorySource,
    RecordingJournal,
    run_in_virtual_time,
)

if TYPE_CHECKING:
    from rotator.oauth.checks.check import Check

CLIENT = ClientCredentials("client", (Secret("new"), Secret("old")), "v1")
AWAY = RotationError(Code.VERIFY_UNAVAILABLE, "the API is away")
BAD = RotationError(Code.VERIFY_REFUSED, "the API does not take it")


@dataclass
class Told:
    """A check that finds what it is told to find, and the token good otherwise."""

    finds: list[RotationError] = field(default_factory=list)
    name: str = "told"
    lifetime: float = 600.0
    seen: list[str] = field(default_factory=list)
    credentials: ClientCredentials | None = None

    async def verify(self, credentials: ClientCredentials, grant: Grant) -> Grant:
        self.seen.append(grant.access_token.reveal())
        self.credentials = credentials
        if self.finds:
            raise self.finds.pop(0)
        return replace(grant, lifetime=min(grant.lifetime, self.lifetime))


class Bench:
    """A verifying endpoint over one in memory."""

    def __init__(self, *checks: Check, lifetime: float = 600.0, share: float = 0.5) -> None:
        self.clock = FakeClock()
        self.endpoint = MemoryEndpoint(self.clock, lifetime)
        self.verifying = VerifyingEndpoint(self.endpoint, checks, self.clock, share)

    async def mint(self, after: float = 0.0, credentials: ClientCredentials = CLIENT) -> str | RotationError:
        self.clock.advance(after)
        try:
            return (await self.verifying.mint(credentials)).access_token.reveal()
        except RotationError as error:
            return error

    async def fails(self, after: float = 0.0, credentials: ClientCredentials = CLIENT) -> RotationError:
        error = await self.mint(after, credentials)
        assert isinstance(error, RotationError)
        return error

    @property
    def requests(self) -> int:
        return len(self.endpoint.requests)


async def test_a_token_that_stands_every_check_is_handed_on_as_the_checks_left_it() -> None:
    first, second = Told(lifetime=300), Told()
    bench = Bench(first, second)
    grant = await bench.verifying.mint(CLIENT)
    assert (grant.access_token.reveal(), grant.lifetime) == ("client.token.1", 300)
    assert first.seen == second.seen == ["client.token.1"]
    assert await bench.mint() == "client.token.2", "what is handed on is not kept"


async def test_after_a_check_that_failed_the_others_are_not_made() -> None:
    first, second = Told([BAD]), Told()
    assert (await Bench(first, second).fails()).code is Code.VERIFY_REFUSED
    assert second.seen == []


async def test_a_token_that_could_not_be_checked_is_checked_again_and_no_other_is_minted() -> None:
    check = Told([AWAY, AWAY, AWAY])
    bench = Bench(check)
    for _ in range(3):
        assert (await bench.fails(after=10)).code is Code.VERIFY_UNAVAILABLE
    assert await bench.mint(after=10) == "client.token.1"
    assert check.seen == ["client.token.1"] * 4
    assert bench.requests == 1


async def test_when_to_come_again_is_handed_on() -> None:
    bench = Bench(Told([RotationError(Code.VERIFY_UNAVAILABLE, "away", retry_after=7.0)]))
    assert (await bench.fails()).retry_after == 7.0


async def test_a_refused_token_is_dropped_and_the_next_attempt_asks_for_another() -> None:
    bench = Bench(Told([BAD]))
    error = await bench.fails()
    assert (error.code, error.kept_until) == (Code.VERIFY_REFUSED, None)
    assert await bench.mint() == "client.token.2"


@pytest.mark.parametrize("code", [Code.TOKEN_BOUND, Code.SCOPE_NARROWER, Code.EXPIRED_ON_ARRIVAL])
async def test_every_verdict_drops_the_token_whatever_its_code(code: Code) -> None:
    bench = Bench(Told([RotationError(code, "so it is")]))
    assert (await bench.fails()).code is code
    assert await bench.mint() == "client.token.2"


async def test_a_token_that_is_refused_after_it_was_kept_is_dropped_as_well() -> None:
    bench = Bench(Told([AWAY, BAD]))
    await bench.fails()
    await bench.fails(after=10)
    assert await bench.mint(after=10) == "client.token.2"


@pytest.mark.parametrize(("share", "young"), [(0.5, 240.0), (0.8, 420.0)])
async def test_a_token_is_kept_until_one_of_its_age_would_be_renewed(share: float, young: float) -> None:
    bench = Bench(Told([AWAY] * 3), share=share)
    began = bench.clock.now().elapsed
    assert (await bench.fails()).kept_until == began + young
    await bench.fails(after=young)
    assert bench.requests == 1, "whoever was told comes in time"
    assert (await bench.fails(after=2)).kept_until == began + young + 2 + young
    assert bench.requests == 2


async def test_a_token_that_lives_for_seconds_is_not_kept_beyond_its_end() -> None:
    bench = Bench(Told([AWAY]), lifetime=3.0)
    assert (await bench.fails()).kept_until == bench.clock.now().elapsed + 3
    assert await bench.mint(after=4) == "client.token.2"


async def test_a_token_that_was_got_with_another_document_is_not_kept() -> None:
    bench = Bench(Told([AWAY]))
    await bench.fails()
    assert await bench.mint(credentials=replace(CLIENT, version="v2")) == "client.token.2"


async def test_a_token_that_was_got_with_the_previous_secret_is_kept_and_checked_with_that_one() -> None:
    check = Told([AWAY])
    bench = Bench(check)
    new, old = CLIENT.attempts()
    await bench.fails(credentials=old)
    assert await bench.mint(credentials=new) == "client.token.1"
    assert check.credentials == old
    assert bench.requests == 1


async def test_what_the_provider_refuses_is_handed_on_and_nothing_is_checked() -> None:
    check = Told()
    bench = Bench(check)
    bench.endpoint.faults.next("mint", RotationError(Code.INVALID_CLIENT, "no"))
    assert (await bench.fails()).code is Code.INVALID_CLIENT
    assert check.seen == []


class Hanging:
    """A check that never ends."""

    name = "probe"

    async def verify(self, *_: object) -> Grant:
        await asyncio.Event().wait()
        raise AssertionError("it ended")


def test_checks_that_hang_end_together_within_ten_seconds_and_the_token_is_kept() -> None:
    async def story() -> tuple[float, RotationError]:
        clock = LoopClock()
        verifying = VerifyingEndpoint(MemoryEndpoint(clock), [Told(), Hanging()], clock)
        began = clock.now().elapsed
        with pytest.raises(RotationError, match="probe had not ended when 10 s were over") as caught:
            await verifying.mint(CLIENT)
        return clock.now().elapsed - began, caught.value

    lasted, error = run_in_virtual_time(story())
    assert lasted == pytest.approx(WITHIN)
    assert (error.code, error.kept_until is not None) == (Code.VERIFY_UNAVAILABLE, True)


class Line:
    """A rotation whose tokens are checked."""

    def __init__(self, check: Check) -> None:
        self.clock = FakeClock()
        self.endpoint = MemoryEndpoint(self.clock)
        self.sink = MemorySink()
        self.journal = RecordingJournal()
        verifying = VerifyingEndpoint(self.endpoint, [check], self.clock)
        spec = CredentialSpec("billing", "thx", ())
        self.rotation = Rotation(spec, MemorySource(), verifying, [self.sink], self.clock, self.journal)

    async def run(self, after: float = 0.0, *, may_mint: bool = True) -> None:
        self.clock.advance(after)
        await self.rotation.run(Surroundings(may_mint=may_mint))

    @property
    def held(self) -> str | None:
        return None if self.sink.record is None else self.sink.record.access_token.reveal()


async def test_the_good_token_stays_while_its_successors_are_refused_and_the_credential_is_parked() -> None:
    check = Told()
    line = Line(check)
    await line.run()
    check.finds = [BAD]
    await line.run(after=300)
    (rejected,) = line.journal.named("token.rejected")
    assert (rejected["error"], rejected["stage"], rejected["retryable"]) == ("verify_refused", Stage.VERIFY, False)
    assert line.held == "client.token.1"
    await line.run(after=59)
    assert len(line.endpoint.requests) == 2, "parked for a minute at least"
    await line.run(after=2)
    assert line.held == "client.token.3"


async def test_a_check_that_is_down_for_three_attempts_costs_one_token_and_needs_leave_once() -> None:
    check = Told([AWAY, AWAY, AWAY])
    line = Line(check)
    await line.run()
    for _ in range(3):
        await line.run(after=31, may_mint=False)
    assert len(line.endpoint.requests) == 1
    assert len(check.seen) == 4
    assert line.held == "client.token.1"
    assert [name for name, _ in line.journal.events] == [
        "token.rejected",
        "token.mint_retried",
        "token.mint_retried",
        "token.minted",
        "credential.recovered",
        "token.delivered",
    ]


async def test_checks_that_are_down_for_hours_cost_no_more_tokens_than_checks_that_are_passed() -> None:
    async def tokens(check: Told) -> int:
        line = Line(check)
        for _ in range(800):
            await line.run(after=15)
        return len(line.endpoint.requests)

    assert await tokens(Told([AWAY] * 800)) <= await tokens(Told()) * 0.5 / 0.4


async def test_a_token_that_was_checked_late_is_dated_by_its_mint() -> None:
    line = Line(Told([AWAY]))
    await line.run()
    await line.run(after=100)
    assert line.sink.record is not None
    assert (line.clock.now().wall - line.sink.record.issued_at).total_seconds() == 100
    await line.run(after=139)
    assert len(line.endpoint.requests) == 1
    await line.run(after=62)
    assert len(line.endpoint.requests) == 2
