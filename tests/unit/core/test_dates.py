"""Clocks that were wrong, here or at another writer's: whose dates are believed, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from rotator.core.errors import Code
from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.core.policy import Reason
from tests.unit.core.desk import Desk

YEARS = 50 * 365 * 86400.0


def record(desk: Desk, number: int = 0) -> TokenRecord:
    held = desk.sinks[number].record
    assert held is not None
    return held


def anothers(mine: TokenRecord, later: float) -> TokenRecord:
    """A token of another writer, from the same inputs, whose dates lie so many seconds later."""
    token, shift = Secret("another"), timedelta(seconds=later)
    return replace(
        mine,
        access_token=token,
        fingerprint=fingerprint(token),
        issued_at=mine.issued_at + shift,
        expires_at=mine.expires_at + shift,
    )


async def test_c03_a_start_at_1970_neither_believes_in_a_token_of_fifty_years_nor_leaves_it() -> None:
    desk = Desk()
    await desk.run()
    desk.clock.step(-YEARS)
    desk.restart()
    await desk.run(after=10)
    assert desk.rotation.served_until == desk.clock.now().elapsed + 600
    await desk.run(after=301)
    assert len(desk.endpoint.requests) == 2
    assert desk.held == ["client.token.2"] * 2


async def test_c03_once_the_clock_is_right_again_the_dates_of_an_adopted_token_are_believed() -> None:
    desk = Desk()
    await desk.run()
    ends = record(desk).expires_at
    desk.clock.step(-YEARS)
    desk.restart()
    await desk.run(after=100)
    desk.clock.step(YEARS)
    desk.rotation.clock_was_set()
    await desk.run()
    assert desk.rotation.served_until == 1600
    assert [sink.record.expires_at for sink in desk.sinks if sink.record] == [ends, ends]
    assert len(desk.endpoint.requests) == 1


async def test_c02_a_step_back_lengthens_no_life_that_is_known_from_dates_only() -> None:
    desk = Desk()
    await desk.run()
    desk.restart()
    await desk.run(after=60)
    desk.clock.step(-3600)
    desk.rotation.clock_was_set()
    await desk.run()
    assert desk.rotation.served_until == 1600
    assert (record(desk).expires_at - desk.clock.now().wall).total_seconds() == 540


async def test_c02_a_token_minted_before_a_step_back_is_noticed_takes_the_place_of_the_one_before() -> None:
    desk = Desk()
    await desk.run()
    desk.clock.step(-400)
    await desk.run(after=301)
    assert desk.held == ["client.token.2"] * 2
    assert (record(desk).expires_at - desk.clock.now().wall).total_seconds() == 600
    assert desk.journal.named("token.delivery_failed") == []


async def test_h08_a_token_of_another_writer_keeps_its_dates_whatever_our_clock_does() -> None:
    desk = Desk()
    await desk.run()
    theirs = anothers(record(desk), 200)
    for sink in desk.sinks:
        sink.record = theirs
    desk.clock.step(-400)
    await desk.run(after=301)
    assert [sink.record for sink in desk.sinks] == [theirs] * 2


async def test_h01_a_sink_that_holds_as_good_a_token_of_another_writer_is_left_alone() -> None:
    desk = Desk(sinks=1)
    await desk.run(after=0.5)
    desk.sinks[0].record = theirs = anothers(record(desk), later=0)
    for _ in range(3):
        await desk.run(after=60)
    assert desk.sinks[0].record == theirs
    assert len(desk.sinks[0].history) == 1


async def test_h01_a_sink_that_holds_a_worse_one_is_written_again() -> None:
    desk = Desk(sinks=1)
    await desk.run()
    mine = record(desk)
    desk.sinks[0].record = anothers(mine, later=-3)
    await desk.run(after=60)
    assert desk.sinks[0].record == mine


async def test_h08_a_sink_that_keeps_a_token_for_dates_from_the_future_is_told_of_and_not_written_to_without_end() -> (
    None
):
    desk = Desk(sinks=1)
    await desk.run()
    desk.sinks[0].record = theirs = anothers(record(desk), later=500)
    await desk.run(after=60)
    desk.rotation.force()
    wait = await desk.run(after=60)
    (failed,) = desk.journal.named("token.delivery_failed")
    assert failed["error"] == Code.SINK_CONFLICT.text
    assert desk.sinks[0].record == theirs
    assert wait.until > desk.clock.now().elapsed
    assert wait.reason is Reason.NOT_DUE


async def test_a_token_that_was_asked_for_a_second_after_the_last_one_is_delivered() -> None:
    desk = Desk(sinks=1)
    await desk.run()
    desk.restart()
    desk.rotation.force()
    await desk.run(after=1)
    assert desk.held == ["client.token.2"]
