"""One pass after the other for one credential, with sources, endpoints and sinks in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rotator.core import policy
from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, CredentialSpec
from rotator.core.observation import Surroundings
from rotator.core.policy import Reason
from rotator.core.rotation import Rotation
from rotator.testing import FakeClock, MemoryEndpoint, MemorySink, MemorySource, RecordingJournal
from tests.unit.core.desk import OPEN, Desk

if TYPE_CHECKING:
    from rotator.core.model import TokenRecord


async def test_a_token_is_minted_once_and_delivered_to_every_sink(desk: Desk) -> None:
    wait = await desk.run()
    assert desk.events == ["token.minted", "token.delivered", "token.delivered"]
    assert desk.held == ["client.token.1"] * 2
    assert wait.until <= desk.clock.now().elapsed + 60
    await desk.run(after=60)
    assert len(desk.endpoint.requests) == 1


async def test_it_is_renewed_between_four_tenths_and_half_of_its_life(desk: Desk) -> None:
    await desk.run()
    await desk.run(after=239)
    assert len(desk.endpoint.requests) == 1
    await desk.run(after=61)
    assert desk.held == ["client.token.2"] * 2


async def test_a_restart_adopts_what_the_sinks_hold_and_says_so_once_r02(desk: Desk) -> None:
    await desk.run()
    desk.restart()
    await desk.run()
    await desk.run(after=60)
    assert desk.events == ["token.adopted"]
    assert len(desk.endpoint.requests) == 1


@pytest.mark.parametrize("fresh", [True, False], ids=["minted a moment ago", "found in the sinks"])
async def test_a_mint_that_is_asked_for_is_made_although_none_is_due(desk: Desk, *, fresh: bool) -> None:
    await desk.run()
    if not fresh:
        desk.restart()
    desk.rotation.force()
    await desk.run(after=6)
    assert desk.held == ["client.token.2"] * 2


async def test_without_leave_to_mint_a_pass_says_that_it_waits_for_its_gate(desk: Desk) -> None:
    wait = await desk.run(around=Surroundings(may_mint=False))
    assert (wait.reason, wait.wants_mint) == (Reason.THROTTLED, True)
    assert desk.endpoint.requests == []


async def test_what_mints_or_delivers_is_due_and_what_would_only_look_is_not(desk: Desk) -> None:
    assert desk.rotation.is_due(OPEN), "nothing is served"
    await desk.run()
    assert not desk.rotation.is_due(OPEN)
    desk.clock.advance(policy.look_interval(desk.spec))
    assert not desk.rotation.is_due(OPEN), "it only wants to look"
    desk.clock.advance(300)
    assert desk.rotation.is_due(OPEN), "half of the token's life is over"
    assert not desk.rotation.is_due(Surroundings(may_mint=False))


async def test_a_run_of_failures_is_known_from_its_first_one_whatever_the_codes(desk: Desk) -> None:
    down, slow = (RotationError(code, "no") for code in (Code.PROVIDER_UNAVAILABLE, Code.PROVIDER_TIMEOUT))
    desk.endpoint.faults.next("mint", down, slow, slow)
    began = desk.clock.now().elapsed
    for _ in range(3):
        await desk.run(after=10)
    failure = desk.rotation.seen.failure
    assert failure is not None
    assert (failure.code, failure.count, failure.row) == (Code.PROVIDER_TIMEOUT, 2, 3)
    assert (failure.since, failure.at) == (began + 10, began + 30)
    await desk.run(after=60)
    assert desk.rotation.seen.failure is None


async def test_a_failing_sink_is_served_later_with_the_token_in_hand_v27(desk: Desk) -> None:
    with desk.sinks[1].faults.on("write", RotationError(Code.FILE_NO_SPACE, "full")):
        await desk.run()
        await desk.run(after=30)
    await desk.run(after=31)
    assert desk.held == ["client.token.1"] * 2
    assert len(desk.endpoint.requests) == 1
    assert desk.events.count("token.delivery_failed") == 1
    assert desk.journal.named("credential.recovered")[0]["sink"] == "memory:1"


async def test_a_refused_secret_is_parked_and_a_changed_one_is_tried_at_the_next_look_p14_p45() -> None:
    desk = Desk(accepts={"right"})
    wait = await desk.run()
    assert wait.reason is Reason.PARKED
    (rejected,) = desk.journal.named("credential.rejected")
    assert (rejected["error"], rejected["stage"], rejected["retryable"]) == ("invalid_client", "grant", False)
    await desk.run(after=5)
    assert len(desk.endpoint.requests) == 1
    desk.source.store("client", "right")
    await desk.run(after=5)
    assert desk.held == ["client.token.1"] * 2
    assert "credential.recovered" in desk.events


async def test_a_changed_secret_that_is_refused_is_tried_again_for_two_minutes() -> None:
    desk = Desk(accepts={"secret"})
    await desk.run()
    desk.source.store("client", "not known yet")
    wait = await desk.run(after=60)
    assert wait.reason is Reason.BACKING_OFF
    desk.endpoint.accepts = {"not known yet"}
    await desk.run(after=10)
    assert desk.held == ["client.token.2"] * 2


async def test_the_previous_secret_is_used_only_when_the_new_one_is_refused() -> None:
    desk = Desk(accepts={"old"})
    desk.source.store("client", "new", "old")
    await desk.run()
    assert desk.events[0] == "credential.previous_secret"
    assert len(desk.endpoint.requests) == 2
    desk.endpoint.faults.next("mint", RotationError(Code.PROVIDER_UNAVAILABLE, "down"))
    desk.rotation.force()
    await desk.run(after=60)
    assert len(desk.endpoint.requests) == 3


async def test_the_same_token_again_is_not_delivered_again_and_lives_no_longer_p33_p34(desk: Desk) -> None:
    await desk.run()
    expires = desk.rotation.served_until
    desk.endpoint.repeat = True
    await desk.run(after=300)
    assert desk.journal.named("token.minted")[-1]["repeated"] is True
    assert desk.rotation.served_until == expires
    assert [len(sink.history) for sink in desk.sinks] == [1, 1]
    await desk.run(after=100)
    assert len(desk.endpoint.requests) == 2, "asked again when half of what was left is gone, not at once"


async def test_the_same_token_with_what_is_left_of_its_life_is_not_written_again_for_that_p33(desk: Desk) -> None:
    await desk.run()
    expires = desk.rotation.served_until
    desk.endpoint.repeat = True
    for after, left in ((300.4, 299), (150.3, 149), (75.1, 74)):
        desk.endpoint.lifetime = left  # cut to whole seconds, as answers are
        await desk.run(after=after)
    assert desk.events.count("token.minted") == 4
    assert desk.rotation.served_until == expires
    await desk.run(after=policy.look_interval(desk.spec))
    assert [len(sink.history) for sink in desk.sinks] == [1, 1]


@pytest.mark.parametrize(("left", "ends"), [(299.1, 600.0), (299.0, 599.0), (100.0, 400.0), (900.0, 600.0)])
async def test_the_same_token_lives_no_longer_than_is_said_of_it_now_p34(desk: Desk, left: float, ends: float) -> None:
    await desk.run()
    begin = desk.clock.now().elapsed
    desk.endpoint.repeat, desk.endpoint.lifetime = True, left
    await desk.run(after=300)
    assert desk.rotation.served_until == pytest.approx(begin + ends)
    assert {record.issued_at for sink in desk.sinks for record in sink.history} == {desk.sinks[0].history[0].issued_at}


async def test_a_worse_token_does_not_replace_a_better_one(desk: Desk) -> None:
    await desk.run()
    desk.endpoint.lifetime = 60
    await desk.run(after=300)
    assert desk.held == ["client.token.1"] * 2
    assert desk.journal.named("token.rejected")[0]["error"] == "expires_sooner"


async def test_an_expired_token_is_told_of_once_and_left_with_its_true_date_p48(desk: Desk) -> None:
    await desk.run()
    dated = desk.sinks[0].record
    with desk.endpoint.faults.on("mint", RotationError(Code.PROVIDER_TIMEOUT, "slow")):
        for _ in range(30):
            await desk.run(after=30)
    assert desk.events.count("token.expired") == 1
    assert desk.events.count("token.mint_failed") == 1
    assert desk.sinks[0].record == dated


async def test_minting_goes_on_from_the_credentials_in_memory_while_the_store_is_away_v02(desk: Desk) -> None:
    await desk.run()
    with desk.source.faults.on("read", RotationError(Code.VAULT_UNAVAILABLE, "sealed")):
        await desk.run(after=301)
    assert desk.held == ["client.token.2"] * 2


async def test_minting_stops_once_the_store_says_that_the_credentials_are_gone_v16(desk: Desk) -> None:
    await desk.run()
    with desk.source.faults.on("read", RotationError(Code.SECRET_DELETED, "deleted")):
        wait = await desk.run(after=301)
    assert wait.reason is Reason.PARKED
    assert len(desk.endpoint.requests) == 1
    assert desk.journal.named("credential.rejected")[0]["stage"] == "read"
    await desk.run(after=5)
    assert desk.held == ["client.token.2"] * 2


async def test_a_sink_that_cannot_be_looked_at_is_waited_for_before_a_token_is_minted(desk: Desk) -> None:
    await desk.run()
    desk.restart()
    with desk.sinks[0].faults.on("read", RotationError(Code.VAULT_UNAVAILABLE, "sealed")):
        desk.sinks[1].record = None
        await desk.run()
    await desk.run(after=3)
    assert len(desk.endpoint.requests) == 1
    assert desk.held == ["client.token.1"] * 2


async def test_a_failure_carries_the_fields_of_the_contract(desk: Desk) -> None:
    with desk.endpoint.faults.on("mint", RotationError(Code.PROVIDER_TIMEOUT, "slow")):
        await desk.run()
    (failed,) = desk.journal.named("token.mint_failed")
    assert failed.keys() >= {"credential", "stage", "error", "retryable", "attempt", "next_attempt_at", "remaining_s"}
    assert (failed["credential"], failed["attempt"], failed["remaining_s"]) == ("billing", 1, 0.0)


async def test_a_step_of_the_wall_clock_dates_the_sinks_anew_and_mints_nothing_c01(desk: Desk) -> None:
    await desk.run()
    desk.clock.step(3600)
    desk.rotation.clock_was_set()
    await desk.run(after=60)
    record = desk.sinks[0].record
    assert record is not None
    assert 530 <= (record.expires_at - desk.clock.now().wall).total_seconds() <= 540
    assert len(desk.endpoint.requests) == 1


class Broken(MemorySink):
    """A sink with a bug."""

    async def write(self, record: object) -> object:  # type: ignore[override]  # that is the bug
        raise ZeroDivisionError(f"CANARY {record}")


async def test_a_bug_in_one_sink_touches_no_other_and_does_not_show_its_text() -> None:
    desk = Desk()
    desk.sinks = [Broken("memory:broken"), MemorySink("memory:good")]
    desk.restart()
    await desk.run()
    assert desk.held == [None, "client.token.1"]
    (failed,) = desk.journal.named("token.delivery_failed")
    assert failed["error"] == "internal"
    assert "ZeroDivisionError" in str(failed["detail"])
    assert "CANARY" not in str(desk.journal.events)


class BrokenSource(MemorySource):
    """A source with a bug, once it is told to have one."""

    breaks = False

    async def read(self) -> ClientCredentials:
        if self.breaks:
            raise KeyError("CANARY")
        return await super().read()


async def test_a_bug_in_the_source_keeps_nobody_from_what_is_known_already() -> None:
    desk = Desk()
    desk.source = BrokenSource()
    desk.restart()
    await desk.run()
    desk.source.breaks = True
    desk.sinks[1].record = None
    await desk.run(after=60)
    assert desk.held == ["client.token.1"] * 2
    await desk.run(after=241)
    assert desk.held == ["client.token.2"] * 2


async def test_a_bug_in_the_source_is_told_without_its_text_when_nothing_is_known_yet() -> None:
    desk = Desk()
    desk.source = BrokenSource()
    desk.source.breaks = True
    desk.restart()
    await desk.run()
    (failed,) = desk.journal.named("token.mint_failed")
    assert failed["error"] == "internal"
    assert "KeyError" in str(failed["detail"])
    assert "CANARY" not in str(desk.journal.events)


ALWAYS = {"credential"}
FAILURE = {"provider", "stage", "error", "detail", "retryable", "attempt", "next_attempt_at", "remaining_s", "cure"}
FIELDS = {
    "token.minted": {"provider", "reason", "expires_at", "lifetime_s", "next_mint_at", "fingerprint"},
    "token.delivered": {"sink", "sink_kind", "fingerprint"},
    "token.mint_failed": FAILURE,
    "token.delivery_failed": FAILURE | {"sink", "sink_kind"},
    "token.expired": {"fingerprint", "expires_at"},
    "credential.recovered": {"after"},
}


async def test_an_outage_and_its_end_is_one_line_for_each_change_of_state(desk: Desk) -> None:
    await desk.run()
    with desk.endpoint.faults.on("mint", RotationError(Code.PROVIDER_UNAVAILABLE, "down")):
        for _ in range(300):
            await desk.run(after=3)
    desk.sinks[1].faults.next("write", RotationError(Code.FILE_NO_SPACE, "full"))
    await desk.run(after=30)
    told = [(name, fields) for name, fields in desk.journal.events if not name.endswith("_retried")]
    assert [name for name, _ in told] == [
        *["token.minted", "token.delivered", "token.delivered"],
        *["token.mint_failed", "token.expired"],
        *["token.minted", "credential.recovered", "token.delivered", "token.delivery_failed"],
    ]
    assert {name: set(fields) for name, fields in told} == {name: ALWAYS | FIELDS[name] for name in FIELDS}


async def test_the_failure_of_a_mint_counts_its_attempts_and_tells_the_life_that_is_left(desk: Desk) -> None:
    await desk.run()
    with desk.endpoint.faults.on("mint", RotationError(Code.PROVIDER_TIMEOUT, "slow")):
        await desk.run(after=300)
        await desk.run(after=30)
    (first,) = desk.journal.named("token.mint_failed")
    (second,) = desk.journal.named("token.mint_retried")
    assert (first["attempt"], first["remaining_s"], first["stage"], first["retryable"]) == (1, 300.0, "grant", True)
    assert (second["attempt"], second["remaining_s"]) == (2, 270.0)


async def test_no_token_and_no_secret_is_in_any_event() -> None:
    desk = Desk(accepts={"old"})
    desk.source.store("client", "new", "old")
    await desk.run()
    told = str(desk.journal.events)
    assert "client.token" not in told
    assert "old'" not in told


async def test_another_writers_token_that_lives_longer_is_adopted_h01(desk: Desk) -> None:
    await desk.run()
    mine = desk.sinks[0].record
    assert mine is not None
    theirs = Desk()
    theirs.clock.advance(100)
    theirs.source.store("other", "secret")
    await theirs.run()
    other = theirs.sinks[0].record
    assert other is not None
    desk.sinks[0].record = replace(other, inputs=mine.inputs)
    await desk.run(after=101)
    assert desk.journal.named("token.adopted")
    assert desk.held[0] == desk.held[1]


async def test_r04_a_pass_that_is_cancelled_while_it_looks_leaves_nothing_running() -> None:
    looking = asyncio.Event()

    class SilentSink(MemorySink):
        async def read(self) -> TokenRecord | None:
            looking.set()
            await asyncio.Event().wait()
            return None

    class SilentSource(MemorySource):
        async def read(self) -> ClientCredentials:
            await asyncio.Event().wait()
            return await super().read()

    clock = FakeClock()
    spec = CredentialSpec("billing", "thx", ())
    rotation = Rotation(spec, SilentSource(), MemoryEndpoint(clock), [SilentSink()], clock, RecordingJournal())
    others = asyncio.all_tasks()
    work = asyncio.create_task(rotation.run(OPEN))
    await looking.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert asyncio.all_tasks() == others
