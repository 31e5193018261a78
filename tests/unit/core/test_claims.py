"""What a pass makes of a refresh token that another rotator has claimed: it looks before it asks again (H01)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.core.policy import Reason

if TYPE_CHECKING:
    from rotator.core.policy import Wait
    from tests.unit.core.desk import Desk

CLAIMED = RotationError(Code.GRANT_CLAIMED, "another rotator has claimed the refresh token")


def others_token(desk: Desk, life: int = 600) -> TokenRecord:
    """What the other rotator delivers meanwhile."""
    now = desk.clock.now().wall.replace(microsecond=0)
    token = Secret("theirs")
    inputs = desk.rotation.seen.inputs or ""
    return TokenRecord(token, now, now + timedelta(seconds=life), life, "openid admin", fingerprint(token), inputs)


async def until(desk: Desk, wait: Wait) -> Wait:
    return await desk.run(after=wait.until - desk.clock.now().elapsed)


async def test_what_the_other_rotator_got_is_taken_over_and_nobody_is_asked(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", CLAIMED)
    wait = await desk.run()
    assert wait.reason is Reason.BACKING_OFF
    await desk.sinks[0].write(others_token(desk))
    wait = await until(desk, wait)
    assert wait.reason is Reason.NOT_DUE
    assert len(desk.endpoint.requests) == 1
    assert desk.held == ["theirs"] * 2
    assert desk.rotation.seen.failure is None


async def test_without_anything_new_in_the_sinks_it_asks_again(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", CLAIMED)
    await until(desk, await desk.run())
    assert len(desk.endpoint.requests) == 2
    assert desk.held == ["client.token.1"] * 2


async def test_after_any_other_failure_the_sinks_are_not_read_before_each_try(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", *[RotationError(Code.PROVIDER_UNAVAILABLE, "down")] * 2)
    wait = await desk.run()
    reads = desk.source.reads
    desk.sinks[0].record = others_token(desk)
    await until(desk, wait)
    assert len(desk.endpoint.requests) == 2
    assert desk.source.reads == reads + 1, "the source is read before a mint, the sinks are not"
