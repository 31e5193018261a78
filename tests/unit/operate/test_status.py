"""How a credential counts: the worst that applies, from what the core knows of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rotator.core import policy
from rotator.core.errors import Code, RotationError
from rotator.core.observation import NEVER, Stage
from rotator.operate.status import MEANING, CredentialStatus, State, of
from rotator.testing import MemorySink
from tests.support.fleets import NOW, Case, failure, night_status
from tests.unit.core.desk import OPEN, Desk

DOWN = RotationError(Code.PROVIDER_UNREACHABLE, "nobody there")
SEALED = RotationError(Code.VAULT_UNAVAILABLE, "sealed")
FULL = RotationError(Code.FILE_NO_SPACE, "full")
FOREIGN = RotationError(Code.SINK_FOREIGN, "somebody else's")


def status(desk: Desk, **more: Any) -> CredentialStatus:
    kinds = {sink.name: sink.kind for sink in desk.sinks}
    return of(desk.spec, desk.rotation.seen, OPEN, desk.clock.now().elapsed, kinds=kinds, **more)


async def nothing_yet(_: Desk) -> None:
    """At the very beginning."""


async def served(desk: Desk) -> None:
    await desk.run()


async def cut_while_served(desk: Desk) -> None:
    await desk.run()
    desk.endpoint.faults.next("mint", DOWN)
    await desk.run(after=310)


async def cut_until_it_expired(desk: Desk) -> None:
    await cut_while_served(desk)
    desk.clock.advance(300)


async def cut_from_the_start(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", DOWN)
    await desk.run()


async def sealed_from_the_start(desk: Desk) -> None:
    desk.source.faults.next("read", SEALED, SEALED)
    await desk.run()


async def refused_from_the_start(desk: Desk) -> None:
    desk.endpoint.accepts = set()
    await desk.run()


async def refused_while_served(desk: Desk) -> None:
    await desk.run()
    desk.endpoint.accepts = set()
    await desk.run(after=310)


async def one_full_disk_from_the_start(desk: Desk) -> None:
    desk.sinks[0].faults.next("write", FULL)
    await desk.run()


async def one_full_disk_while_served(desk: Desk) -> None:
    await desk.run()
    desk.sinks[0].faults.next("write", FULL)
    await desk.run(after=310)


async def a_foreign_sink_beside_a_good_one(desk: Desk) -> None:
    await desk.run()
    desk.sinks[0].faults.next("write", FOREIGN)
    await desk.run(after=310)


async def repaired(desk: Desk) -> None:
    await cut_while_served(desk)
    await desk.run(after=30)


async def expired_in_one_sink_only(desk: Desk) -> None:
    await desk.run()
    with desk.sinks[1].faults.on("write", FULL):
        await desk.run(after=310)
    desk.clock.advance(291)


CASES = {
    nothing_yet: State.PENDING,
    served: State.FRESH,
    cut_while_served: State.FAILING,
    cut_until_it_expired: State.EXPIRED,
    cut_from_the_start: State.EXPIRED,
    sealed_from_the_start: State.EXPIRED,
    refused_from_the_start: State.EXPIRED,
    refused_while_served: State.PARKED,
    one_full_disk_from_the_start: State.EXPIRED,
    one_full_disk_while_served: State.FAILING,
    a_foreign_sink_beside_a_good_one: State.PARKED,
    repaired: State.FRESH,
    expired_in_one_sink_only: State.EXPIRED,
}


@pytest.mark.parametrize("story", CASES, ids=lambda story: story.__name__.replace("_", " "))
async def test_the_worst_that_applies_is_the_state(story: object, desk: Desk) -> None:
    await story(desk)  # type: ignore[operator]  # a story is told to a desk
    assert status(desk).state is CASES[story]  # type: ignore[index]


def test_the_states_are_a_closed_list_in_the_order_in_which_to_look_at_them() -> None:
    assert [str(state) for state in State] == ["expired", "parked", "failing", "pending", "fresh"]
    assert list(MEANING) == list(State)


async def test_a_trouble_tells_since_when_how_often_and_when_it_is_tried_again(desk: Desk) -> None:
    await desk.run()
    desk.endpoint.faults.next("mint", DOWN, RotationError(Code.PROVIDER_TIMEOUT, "late"))
    first = desk.clock.now().elapsed + 310
    await desk.run(after=310)
    await desk.run(after=40)
    found = status(desk)
    assert found.trouble is not None
    assert found.worst is found.trouble
    assert (found.trouble.code, found.trouble.stage) == (Code.PROVIDER_TIMEOUT, Stage.GRANT)
    assert (found.trouble.since, found.trouble.at, found.attempts) == (first, first + 40, 2)
    plan = policy.next_mint(desk.spec, desk.rotation.seen, OPEN, desk.clock.now().elapsed)
    assert found.trouble.next_attempt == found.next_mint.at == plan.at


async def test_who_is_least_served_decides_until_when_and_the_token_in_hand_how_long_an_outage_may_last(
    desk: Desk,
) -> None:
    await expired_in_one_sink_only(desk)
    found, now = status(desk), desk.clock.now().elapsed
    assert found.served_until - now == pytest.approx(600 - 310 - 291)
    assert found.outage_budget == pytest.approx(600 - 291)
    assert [sink.behind for sink in found.sinks] == [False, True]
    assert [sink.kind for sink in found.sinks] == ["memory", "memory"]
    assert found.last_success == desk.rotation.seen.requested_at


async def test_a_sink_that_fails_tells_when_it_is_written_again(desk: Desk) -> None:
    await one_full_disk_while_served(desk)
    found = status(desk)
    trouble = found.sinks[0].trouble
    assert trouble is not None
    assert (trouble.code, trouble.stage, trouble.parked) == (Code.FILE_NO_SPACE, Stage.DELIVER, False)
    assert desk.clock.now().elapsed < trouble.next_attempt <= desk.clock.now().elapsed + policy.RETRY_CAP
    assert found.worst is trouble
    assert found.trouble is None


async def test_a_pass_that_broke_unforeseen_is_a_trouble_of_its_own_and_keeps_its_beginning(desk: Desk) -> None:
    await desk.run()
    began = desk.clock.now().elapsed
    desk.clock.advance(90)
    found = status(desk, broken=began)
    assert found.state is State.FAILING
    assert found.trouble is not None
    assert found.trouble.code is Code.INTERNAL
    assert found.trouble.since == began


async def test_after_a_restart_the_last_success_is_that_of_the_token_that_was_found(desk: Desk) -> None:
    await desk.run()
    issued = desk.clock.now().elapsed
    desk.restart()
    await desk.run(after=60)
    found = status(desk)
    assert found.last_success == pytest.approx(issued, abs=1)
    assert found.state is State.FRESH


def test_without_any_sink_known_nobody_has_been_served() -> None:
    desk = Desk()
    desk.sinks = [MemorySink("memory:0")]
    found = status(desk)
    assert (found.served_until, found.token, found.last_success) == (NEVER, None, NEVER)


def test_every_state_is_counted() -> None:
    counts = night_status().counts()
    assert list(counts) == list(State)
    assert sum(counts.values()) == len(night_status().credentials)
    assert all(counts.values()), "the night shows every one"


@pytest.mark.parametrize("case", [Case("billing", looked=False), Case("billing", ages=())], ids=["unseen", "unminted"])
def test_what_is_at_its_beginning_and_has_not_failed_is_pending(case: Case) -> None:
    assert case.status().state is State.PENDING


def test_a_next_attempt_is_never_in_the_past() -> None:
    overdue = failure(Code.PROVIDER_TIMEOUT, Stage.GRANT, 2000.0, 3, ago=1000.0)
    trouble = Case("billing", ages=(400.0,), mint=overdue).status().trouble
    assert trouble is not None
    assert trouble.next_attempt == NOW.elapsed


def test_failures_in_a_row_are_those_of_what_fails_most() -> None:
    sinks = {f"file:/run/{row}": failure(Code.FILE_NO_SPACE, Stage.DELIVER, 95.0, row) for row in (3, 6, 2)}
    assert Case("billing", sinks=sinks).status().attempts == 6
    mint = failure(Code.PROVIDER_TIMEOUT, Stage.GRANT, 95.0, 9)
    assert Case("billing", sinks=sinks, mint=mint).status().attempts == 9
    assert Case("billing").status().attempts == 0


def test_a_token_from_other_inputs_is_not_shown_while_there_is_one_from_todays_however_long_it_lives() -> None:
    case = Case("billing")
    held = case.tokens()[0]
    other = replace(held, fingerprint="0123456789ab", inputs="another", lifetime=9000.0)
    seen = replace(case.observation(), in_hand=other)
    kinds = dict.fromkeys(case.names, "vault")
    assert of(case.spec(), seen, OPEN, NOW.elapsed, kinds=kinds).token == held
