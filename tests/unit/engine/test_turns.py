"""Whose pass comes next."""

from __future__ import annotations

import pytest

from rotator.core.observation import NEVER
from rotator.engine.line import Need
from rotator.engine.turns import JUDGED, Turns

NOTHING = Need(NEVER, NEVER)


class Queue:
    """Turns, those who would but look, and who was asked whether they would."""

    def __init__(self, *lookers: str) -> None:
        self.lookers = set(lookers)
        self.asked: list[str] = []
        self.turns = Turns(self._only_looks)

    def _only_looks(self, name: str) -> bool:
        self.asked.append(name)
        return name in self.lookers

    def taken(self, now: float = 0.0) -> list[str]:
        return [self.turns.take(now) for _ in range(len(self.turns))]


def test_those_that_but_look_give_way_however_long_they_are_served_p03() -> None:
    queue = Queue("looks", "looks too")
    for name, need in {"looks": NOTHING, "looks too": NOTHING, "mints": Need(900.0, 700.0)}.items():
        queue.turns.join(name, need)
    assert queue.taken() == ["mints", "looks", "looks too"]


def test_nobody_is_asked_who_holds_up_nobody() -> None:
    queue = Queue("looks")
    queue.turns.join("looks", NOTHING)
    assert queue.taken() == ["looks"]
    assert queue.asked == []


def test_for_one_turn_a_few_are_asked_and_then_a_look_goes_on() -> None:
    names = [f"looks-{number}" for number in range(10 * JUDGED)]
    queue = Queue(*names)
    for name in names:
        queue.turns.join(name, NOTHING)
    assert queue.turns.take(0.0) == names[0]
    assert queue.asked == names[:JUDGED]


def test_whose_token_comes_near_its_end_while_it_waits_to_look_does_not_wait_for_looks_any_longer() -> None:
    queue = Queue("renewed later", "looks")
    for name, need in {"looks": NOTHING, "renewed later": Need(600.0, 450.0), "mints": Need(900.0, 700.0)}.items():
        queue.turns.join(name, need)
    assert queue.turns.take(300.0) == "mints"
    queue.lookers.clear()
    queue.turns.join("more", NOTHING)
    assert queue.taken(450.0) == ["renewed later", "more", "looks"]


def test_whoever_waits_to_look_and_is_submitted_anew_is_asked_anew() -> None:
    queue = Queue("forced", "looks")
    for name in ("forced", "looks", "mints"):
        queue.turns.join(name, NOTHING)
    assert queue.turns.take(0.0) == "mints"
    queue.lookers.clear()
    queue.turns.join("forced", NOTHING)
    assert queue.taken() == ["forced", "looks"]


def test_who_has_left_gets_no_turn_wherever_it_waited() -> None:
    queue = Queue("looks")
    for name in ("looks", "waits", "mints"):
        queue.turns.join(name, NOTHING)
    assert queue.turns.take(0.0) == "waits"
    for name in ("looks", "mints", "nobody"):
        queue.turns.leave(name)
    assert (len(queue.turns), "looks" in queue.turns, "mints" in queue.turns) == (0, False, False)
    with pytest.raises(LookupError):
        queue.turns.take(0.0)
