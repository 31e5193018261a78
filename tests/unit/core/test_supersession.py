"""Which tokens may be revoked, as a table of sentences. Lifetimes are 600 s and now is second 1000."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.core.errors import Code
from rotator.core.observation import Observation, SinkView, Stage
from rotator.core.rotation import Rotation
from rotator.core.supersession import superseded
from tests.unit.core.desk import OPEN, Desk
from tests.unit.core.test_policy import NOW, failure, holding, token

OLD, NEW = token(age=300, mark="old"), token(mark="new")
KNOWN = [OLD, NEW]
FAILED = SinkView(holds=OLD, looked=True, failure=failure(Code.FILE_NO_SPACE, stage=Stage.DELIVER))


def test_a_token_is_superseded_once_every_sink_holds_the_new_one() -> None:
    assert superseded(KNOWN, holding(NEW, NEW, in_hand=NEW), NOW) == [OLD]


NEEDED: dict[str, Observation] = {
    "one sink still holds it": holding(NEW, OLD, in_hand=NEW),
    "one sink could not be written": replace(holding(NEW, in_hand=NEW), sinks={"a": SinkView(NEW), "b": FAILED}),
    "one sink has never been looked at": replace(
        holding(NEW, in_hand=NEW), sinks={"a": SinkView(NEW), "b": SinkView()}
    ),
    "one sink holds nothing": holding(NEW, None, in_hand=NEW),
    "the new one has not been delivered yet": holding(OLD, OLD, in_hand=NEW),
    "another rotator has put it back, and it lives longer": holding(replace(OLD, lifetime=2000), in_hand=NEW),
    "the provider has handed it out again": holding(OLD, OLD, in_hand=OLD),
    "it is in hand, should the sinks lose the better one of another rotator": holding(NEW, NEW, in_hand=OLD),
    "the new one was minted with another secret than today's": holding(NEW, inputs="in-2"),
    "the new one has ended": holding(token(age=601, mark="new")),
}


@pytest.mark.parametrize("case", NEEDED)
def test_a_token_is_not_superseded_while(case: str) -> None:
    assert superseded([OLD], NEEDED[case], NOW) == []


def test_a_token_that_has_ended_needs_no_revocation() -> None:
    assert superseded([token(age=600, mark="old")], holding(NEW), NOW) == []


def test_all_that_were_known_before_are_superseded_together() -> None:
    older = token(age=500, mark="older")
    assert superseded([older, OLD, NEW], holding(NEW, in_hand=NEW), NOW) == [older, OLD]


async def test_whoever_wants_to_know_is_told_at_the_end_of_each_pass_what_every_sink_holds() -> None:
    desk, told = Desk(), list[Observation]()
    rotation = Rotation(desk.spec, desk.source, desk.endpoint, desk.sinks, desk.clock, desk.journal, told.append)
    await rotation.run(OPEN)
    desk.clock.advance(300)
    await rotation.run(OPEN)
    first, second = ([view.holds for view in seen.sinks.values()] for seen in told)
    assert superseded([held for held in first if held], told[-1], desk.clock.now().elapsed) == first
    assert superseded([held for held in second if held], told[-1], desk.clock.now().elapsed) == []
