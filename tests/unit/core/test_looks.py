"""What a look at source and sinks leads to: what is adopted, what is waited for, what is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core import policy
from rotator.core.errors import Code, RotationError
from rotator.core.observation import Surroundings
from rotator.core.policy import Mint, Reason, Wait
from tests.unit.core.desk import OPEN, SPEC, Desk

if TYPE_CHECKING:
    from rotator.core.model import TokenRecord
    from rotator.testing import MemorySink

SEALED = RotationError(Code.VAULT_UNAVAILABLE, "sealed")
NO_LEAVE = Surroundings(may_mint=False)
FOREIGN = RotationError(Code.SINK_FOREIGN, "somebody else's")


def _record(sink: MemorySink) -> TokenRecord:
    assert sink.record is not None
    return sink.record


async def test_source_is_read_once_for_a_look_and_the_mint_that_follows_and_then_not_before_the_next_look(
    desk: Desk,
) -> None:
    await desk.run()
    await desk.run(after=policy.look_interval(desk.spec) - 1)
    assert desk.source.reads == 1
    await desk.run(after=1)
    assert desk.source.reads == 2


async def test_a_source_that_has_just_refused_to_be_read_is_not_asked_again_in_the_same_pass(desk: Desk) -> None:
    desk.source.faults.next("read", RotationError(Code.VAULT_UNAVAILABLE, "sealed"))
    await desk.run()
    assert desk.events == ["token.mint_failed"]
    assert desk.endpoint.requests == []


async def test_a_token_is_in_memory_once_however_often_its_sinks_are_looked_at(desk: Desk) -> None:
    await desk.run(after=0.7)  # records carry whole seconds, and are no less the token's for that
    for _ in range(3):
        await desk.run(after=60)
    assert {id(view.holds) for view in desk.rotation.seen.sinks.values()} == {id(desk.rotation.seen.in_hand)}


async def test_a_record_whose_dates_somebody_changed_is_written_anew(desk: Desk) -> None:
    await desk.run()
    record = _record(desk.sinks[0])
    desk.sinks[0].record = replace(record, issued_at=record.issued_at + timedelta(seconds=9))
    await desk.run(after=60)
    assert _record(desk.sinks[0]) == record


async def test_what_a_mint_found_amiss_with_the_secret_is_over_once_the_source_has_been_read_again(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", RotationError(Code.SECRET_MALFORMED, "no certificate in it"))
    await desk.run()
    await desk.run(after=policy.PARKED_LOOK)
    assert desk.held == ["client.token.1"] * 2


async def test_a_first_token_is_asked_for_with_what_the_look_said_however_long_that_waited_at_the_gate() -> None:
    desk = Desk(spec=replace(SPEC, recheck_interval=3600.0))
    await desk.run(around=NO_LEAVE)
    await desk.run(after=59)
    assert (desk.source.reads, len(desk.endpoint.requests)) == (1, 1)


async def test_after_a_minute_at_the_gate_a_secret_is_read_anew_for_the_first_token_too() -> None:
    desk = Desk(spec=replace(SPEC, recheck_interval=3600.0))
    await desk.run(around=NO_LEAVE)
    await desk.run(after=61)
    assert (desk.source.reads, len(desk.endpoint.requests)) == (2, 1)


async def test_a_secret_that_was_asked_with_in_vain_is_read_anew_before_the_next_try(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", RotationError(Code.PROVIDER_UNAVAILABLE, "down"))
    await desk.run()
    await desk.run(after=2)
    assert (desk.source.reads, len(desk.endpoint.requests)) == (2, 2)


async def test_a_source_that_could_not_be_read_is_read_anew_once_the_gate_is_open(desk: Desk) -> None:
    desk.source.faults.next("read", SEALED)
    await desk.run(around=NO_LEAVE)
    await desk.run(after=2)
    assert desk.held == ["client.token.1"] * 2


async def test_a_token_that_expired_is_asked_for_with_a_secret_that_is_read_anew(desk: Desk) -> None:
    await desk.run()
    await desk.run(after=601, around=NO_LEAVE)
    await desk.run(after=2)
    assert (desk.source.reads, len(desk.endpoint.requests)) == (3, 2)


async def test_a_secret_that_changed_at_the_gate_is_asked_with_at_the_next_look_while_the_old_one_works_p45() -> None:
    desk = Desk()
    await desk.run(around=NO_LEAVE)
    desk.source.store("client", "new")
    await desk.run(after=30)
    await desk.run(after=60)
    assert [fields["reason"] for fields in desk.journal.named("token.minted")] == [
        Reason.ABSENT,
        Reason.INPUTS_CHANGED,
    ]


async def test_a_secret_that_changed_at_the_gate_is_asked_with_at_once_when_the_old_one_is_refused_p14_p45() -> None:
    desk = Desk(accepts={"new"})
    await desk.run(around=NO_LEAVE)
    desk.source.store("client", "new")
    wait = await desk.run(after=30)
    assert wait.wants_mint
    await desk.run()
    assert desk.held == ["client.token.1"] * 2


async def test_a_secret_is_read_anew_for_a_mint_although_no_look_is_due(desk: Desk) -> None:
    await desk.run()
    desk.rotation.force()
    await desk.run(after=6)
    assert desk.source.reads == 2


async def test_a_sink_that_holds_what_is_not_ours_is_told_of_and_retried_in_the_slow_lane_v24(desk: Desk) -> None:
    with desk.sinks[0].faults.on("read", FOREIGN), desk.sinks[0].faults.on("write", FOREIGN):
        await desk.run()
        (failed,) = desk.journal.named("token.delivery_failed")
        assert (failed["sink"], failed["error"], failed["stage"], failed["attempt"]) == (
            "memory:0",
            "sink_foreign",
            "deliver",
            1,
        )
        assert desk.held == [None, "client.token.1"]
        await desk.run(after=60)
    assert desk.journal.named("token.delivery_retried")[0]["attempt"] == 2


async def test_after_three_failed_looks_at_a_sink_a_token_is_minted_without_it(desk: Desk) -> None:
    with desk.sinks[0].faults.on("read", SEALED), desk.sinks[0].faults.on("write", SEALED):
        for after in (0, 2):
            await desk.run(after)
        assert desk.endpoint.requests == []
        await desk.run(after=2)
        assert desk.held == [None, "client.token.1"]


async def test_a_sink_that_could_be_looked_at_in_the_end_is_written_at_once(desk: Desk) -> None:
    """Its failed looks are no failed writes and earn no wait."""
    for _ in range(4):
        with desk.sinks[0].faults.on("read", SEALED):
            await desk.run(after=2, around=Surroundings(may_mint=False))
    await desk.run(after=2)
    assert desk.held == ["client.token.1"] * 2


async def test_a_token_found_in_a_sink_lives_as_long_as_it_did_when_the_wall_clock_is_set_c01(desk: Desk) -> None:
    await desk.run()
    desk.restart()
    await desk.run()
    served_until = desk.rotation.served_until
    desk.clock.step(3600)
    await desk.run(after=60)
    assert desk.rotation.served_until == served_until
    assert len(desk.endpoint.requests) == 1


async def test_a_token_that_somebody_dated_anew_in_a_sink_lives_no_longer_for_that(desk: Desk) -> None:
    await desk.run()
    desk.restart()
    await desk.run()
    served_until = desk.rotation.served_until
    for sink in desk.sinks:
        sink.record = replace(_record(sink), expires_at=_record(sink).expires_at + timedelta(hours=1))
    await desk.run(after=60)
    assert desk.rotation.served_until == served_until


async def test_another_writers_token_is_told_apart_from_those_that_are_known(desk: Desk) -> None:
    await desk.run()
    desk.restart()
    await desk.run()
    theirs = Desk(sinks=1)
    theirs.source.store("other", "secret")
    theirs.clock.advance(50)
    theirs.endpoint.lifetime = 650
    await theirs.run()
    ours = _record(desk.sinks[1])
    desk.sinks[0].record = replace(_record(theirs.sinks[0]), inputs=ours.inputs)
    await desk.run(after=60)
    assert desk.rotation.served_until == 1700
    assert [fields["fingerprint"] for fields in desk.journal.named("token.adopted")] == [
        ours.fingerprint,
        _record(theirs.sinks[0]).fingerprint,
    ]


async def test_a_better_token_that_another_writer_put_there_meanwhile_is_adopted_when_it_is_found_by_writing_h01(
    desk: Desk,
) -> None:
    await desk.run()
    theirs = Desk(sinks=1)
    theirs.source.store("other", "secret")
    theirs.clock.advance(5)
    theirs.endpoint.lifetime = 695
    await theirs.run()
    better = replace(_record(theirs.sinks[0]), inputs=_record(desk.sinks[0]).inputs)
    desk.sinks[0].record = better
    desk.rotation.force()
    wait = await desk.run(after=6)
    assert [sink.record for sink in desk.sinks] == [better, better]
    (adopted,) = desk.journal.named("token.adopted")
    assert adopted["fingerprint"] == better.fingerprint
    assert adopted["expires_at"] == better.expires_at
    assert adopted["remaining_s"] == 694.0
    assert wait.reason is Reason.NOT_DUE
    assert desk.rotation.served_until == 1700


async def test_a_look_ahead_says_what_a_pass_would_do_and_does_nothing(desk: Desk) -> None:
    assert await desk.rotation.foresee(OPEN) == (Mint(Reason.ABSENT), None)
    assert (desk.endpoint.requests, desk.held, desk.events) == ([], [None, None], [])
    await desk.run()
    decision, unreadable = await desk.rotation.foresee(OPEN)
    assert isinstance(decision, Wait)
    assert (decision.reason, unreadable) == (Reason.NOT_DUE, None)
    decision, _ = await desk.rotation.foresee(Surroundings(provider_opens_at=2000.0))
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.THROTTLED


async def test_a_look_ahead_finds_what_the_sinks_hold(desk: Desk) -> None:
    await desk.run()
    desk.restart()
    decision, _ = await desk.rotation.foresee(Surroundings(provider_opens_at=1500.0))
    assert isinstance(decision, Wait)
    assert desk.journal.named("token.adopted")[0]["next_mint_at"] == desk.clock.now().at(1500.0)


async def test_a_look_ahead_says_why_the_credentials_cannot_be_read(desk: Desk) -> None:
    with desk.source.faults.on("read", SEALED):
        assert await desk.rotation.foresee(OPEN) == (Mint(Reason.ABSENT), SEALED)
