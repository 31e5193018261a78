"""What is remembered for the page: the lives of each credential's last tokens, and the last events; and no more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.operate.history import EVENTS, LIVES, UNTOLD, History
from rotator.testing import FakeClock, RecordingJournal

if TYPE_CHECKING:
    from rotator.core.model import Moment


class Remembered:
    """A history, and what lies around it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = RecordingJournal()
        self.history = History(self.journal, self.clock)

    def minted(self, credential: str, lifetime: float = 600.0, **more: object) -> tuple[float, float]:
        """Tell of a token that was minted a second ago; its life."""
        now = self.clock.now()
        ends = now.wall + timedelta(seconds=lifetime - 1)
        self.history.event("token.minted", credential=credential, expires_at=ends, lifetime_s=lifetime, **more)
        return now.elapsed - 1, now.elapsed + lifetime - 1


def test_what_is_told_is_passed_on_as_it_is() -> None:
    told = Remembered()
    told.history.event("daemon.started", pid=1)
    told.history.event("token.mint_retried", credential="billing")
    assert told.journal.events == [("daemon.started", {"pid": 1}), ("token.mint_retried", {"credential": "billing"})]


class Broken(FakeClock):
    def now(self) -> Moment:
        raise ZeroDivisionError


def test_r06_a_clock_that_breaks_keeps_no_event_from_being_told() -> None:
    journal = RecordingJournal()
    History(journal, Broken()).event("process.error", where="sentinel")
    assert journal.events == [("process.error", {"where": "sentinel"})]


def test_what_is_told_at_debug_level_pushes_out_nothing() -> None:
    told = Remembered()
    told.history.event("daemon.started")
    for _ in range(EVENTS):
        for name in sorted(UNTOLD):
            told.history.event(name, credential="billing")
    assert [event.name for event in told.history.events] == ["daemon.started"]


def test_the_oldest_events_are_forgotten() -> None:
    told = Remembered()
    for number in range(EVENTS + 3):
        told.history.event("clock.stepped", step_s=number)
    assert [event.fields["step_s"] for event in told.history.events] == list(range(3, EVENTS + 3))


def test_the_last_events_of_one_credential_come_newest_first_and_no_more_than_asked_for() -> None:
    told = Remembered()
    for number in range(5):
        told.clock.advance(1)
        told.history.event("token.delivered", credential="billing", number=number)
        told.history.event("token.delivered", credential="search", number=number)
    found = told.history.last("billing", 3)
    assert [event.fields["number"] for event in found] == [4, 3, 2]
    assert found[0].at == told.clock.now().wall
    assert told.history.last("nobody", 3) == []


def test_the_last_lives_of_each_credential_are_kept_the_oldest_first() -> None:
    told = Remembered()
    lives = []
    for _ in range(LIVES + 2):
        lives.append(told.minted("billing"))
        told.minted("search", 60.0)
        told.clock.advance(300)
    assert told.history.lives("billing") == lives[2:]
    assert len(told.history.lives("search")) == LIVES
    assert told.history.lives("nobody") == []


def test_a_token_that_was_found_begins_when_it_was_found() -> None:
    told = Remembered()
    now = told.clock.now()
    ends = now.wall + timedelta(seconds=400)
    told.history.event("token.adopted", credential="billing", expires_at=ends, remaining_s=400.0)
    assert told.history.lives("billing") == [(now.elapsed, now.elapsed + 400)]


def test_a_token_that_was_handed_out_again_is_no_new_life() -> None:
    told = Remembered()
    life = told.minted("billing")
    told.minted("billing", repeated=True)
    assert told.history.lives("billing") == [life]


def test_an_event_without_dates_is_no_life_and_no_error() -> None:
    told = Remembered()
    told.history.event("token.minted", credential="billing")
    assert told.history.lives("billing") == []


def test_of_a_credential_that_has_gone_no_life_is_kept() -> None:
    told = Remembered()
    told.minted("billing")
    told.history.forget("billing")
    told.history.forget("nobody")
    assert told.history.lives("billing") == []
