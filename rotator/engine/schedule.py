"""The alarm clock: APScheduler, and nothing else in rotator knows it.

One recurring job per credential, nudged to its next date and doing no work: its function only hands the name on. The
forms of APScheduler that lose wake-ups (one-off jobs, a grace time for late ones, jobs that work) are not used; see
docs/adr/0003-apscheduler-is-an-alarm-clock.md.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.model import Moment
    from rotator.core.ports import Clock

BEAT = timedelta(minutes=5)
"""A job that nobody re-plans rings again after this time: a wake-up may be early, never missing."""

LATE = 5.0
"""Seconds after its date at which a wake-up that has not rung counts as lost: APScheduler rings within milliseconds."""

FARTHEST = timedelta(days=30)
"""No wake-up lies farther ahead, so that no arithmetic on dates can overflow."""


class _Beat(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Rings every `beat` from now on, and knows no past: a clock that jumped ahead makes no list of missed dates."""

    def __init__(self, beat: timedelta) -> None:
        self._beat = beat

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:  # noqa: ARG002  its signature
        return now + self._beat


class Schedule:
    """When each credential is looked at next.

    Args:
        due: Called with the name of a credential whose time has come, and with the date for which it was planned, on
            the elapsed clock. It must not block and must not raise.
        clock: Time.
        beat: After this time a job that nobody re-plans rings again.

    Attributes:
        planned_at: When a wake-up was last planned, on the elapsed clock: every pass ends with that.
        rang_at: When it last rang, on the elapsed clock.
    """

    def __init__(self, due: Callable[[str, float], None], clock: Clock, beat: timedelta = BEAT) -> None:
        self.planned_at = self.rang_at = clock.now().elapsed
        self._due = due
        self._clock = clock
        self._beat = _Beat(beat)
        self._dates: dict[str, float] = {}
        self._started = False
        self._scheduler = _alarm_clock()

    def start(self) -> None:
        """Start ringing; needs a running event loop."""
        self._started = True
        self._scheduler.start()

    def stop(self) -> None:
        """Ring no more."""
        self._started = False
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def plan(self, name: str, at: float) -> None:
        """Ring for `name` at this reading of the elapsed clock, instead of when it was planned before."""
        now = self._clock.now()
        self.planned_at = now.elapsed
        self._dates[name] = at
        self._set(name, at, now)

    def forget(self, name: str) -> None:
        """Plan nothing more for `name`."""
        self._dates.pop(name, None)
        if self._scheduler.get_job(name) is not None:
            self._scheduler.remove_job(name)

    def is_planned(self, name: str) -> bool:
        """Whether a date for `name` is still to ring, in our book and in APScheduler's.

        One that should have rung `LATE` ago is not: whatever APScheduler says of itself, it will not ring.
        """
        at = self._dates.get(name)
        awaited = at is not None and self._clock.now().elapsed <= at + LATE
        return awaited and self._scheduler.get_job(name) is not None

    def replan(self) -> None:
        """Lay every date anew, on the clocks as they are now and on a new APScheduler: the old one may have died."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._scheduler = _alarm_clock()
        now = self._clock.now()
        for name, at in self._dates.items():
            self._set(name, at, now)
        if self._started:
            self._scheduler.start()

    def _set(self, name: str, at: float, now: Moment) -> None:
        ahead = timedelta(seconds=min(max(at - now.elapsed, 0.0), FARTHEST.total_seconds()))
        if self._scheduler.get_job(name) is None:
            self._scheduler.add_job(self._ring, self._beat, args=[name], id=name, next_run_time=now.wall + ahead)
        else:
            self._scheduler.modify_job(name, next_run_time=now.wall + ahead)

    async def _ring(self, name: str) -> None:
        # A coroutine, because APScheduler runs plain functions in threads; and it does nothing itself, because
        # APScheduler swallows what is raised here, SystemExit included (R06). What the loop catches is logged.
        asyncio.get_running_loop().call_soon(self._hand_on, name)

    def _hand_on(self, name: str) -> None:
        self.rang_at = self._clock.now().elapsed
        self._due(name, self._dates.pop(name, self.rang_at))


def _alarm_clock() -> AsyncIOScheduler:
    # More instances than ever wait to be run: APScheduler skips what is due again before its last ring has ended, and
    # puts it off by a beat. One ring too many does no harm.
    return AsyncIOScheduler(
        timezone=UTC,
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1_000_000},
    )
