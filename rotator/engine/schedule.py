"""The alarm clock: APScheduler, and nothing else in rotator knows it.

One recurring job per credential, nudged to its next date and doing no work: its function only hands the name on. The
forms of APScheduler that lose wake-ups (one-off jobs, a grace time for late ones, jobs that work) are not used; see
docs/adr/0003-apscheduler-is-an-alarm-clock.md.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.ports import Clock

BEAT = timedelta(minutes=5)
"""A job that nobody re-plans rings again after this time: a wake-up may be early, never missing."""

FARTHEST = timedelta(days=30)
"""No wake-up lies farther ahead, so that no arithmetic on dates can overflow."""


class _Beat(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Rings every `BEAT` from now on, and knows no past: a clock that jumped ahead makes no list of missed dates."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:  # noqa: ARG002  its signature
        return now + BEAT


class Schedule:
    """When each credential is looked at next.

    Args:
        due: Called with the name of a credential whose time has come. It must not block and must not raise.
        clock: Time.
    """

    def __init__(self, due: Callable[[str], None], clock: Clock) -> None:
        self._due = due
        self._clock = clock
        self._dates: dict[str, float] = {}
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self) -> None:
        """Start ringing; needs a running event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Ring no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def plan(self, name: str, at: float) -> None:
        """Ring for `name` at this reading of the elapsed clock, instead of when it was planned before."""
        self._dates[name] = at
        date = self._date(at)
        if self._scheduler.get_job(name) is None:
            self._scheduler.add_job(self._ring, _Beat(), args=[name], id=name, next_run_time=date)
        else:
            self._scheduler.modify_job(name, next_run_time=date)

    def forget(self, name: str) -> None:
        """Plan nothing more for `name`."""
        self._dates.pop(name, None)
        if self._scheduler.get_job(name) is not None:
            self._scheduler.remove_job(name)

    def is_planned(self, name: str) -> bool:
        """Whether a date for `name` has been planned and has not rung yet, in our book and in APScheduler's."""
        return name in self._dates and self._scheduler.get_job(name) is not None

    def replan(self) -> None:
        """Lay every date anew on the wall clock: it was set, or the machine slept."""
        for name, at in list(self._dates.items()):
            self.plan(name, at)

    async def _ring(self, name: str) -> None:
        # A coroutine, because APScheduler runs plain functions in threads.
        self._dates.pop(name, None)
        self._due(name)

    def _date(self, at: float) -> datetime:
        now = self._clock.now()
        ahead = timedelta(seconds=min(max(at - now.elapsed, 0.0), FARTHEST.total_seconds()))
        return now.wall + ahead
