"""The alarm clock: APScheduler, and nothing else in rotator knows it.

The dates are kept here, in a book; APScheduler has one recurring job, which is nudged to the first of them and does no
work: its function only hands on the names that are due. The forms of APScheduler that lose wake-ups (one-off jobs, a
grace time for late ones, jobs that work) are not used; see docs/adr/0003-apscheduler-is-an-alarm-clock.md, and
docs/adr/0021-an-engine-for-a-hundred-thousand.md for the one job.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from rotator.engine.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from rotator.core.ports import Clock

BEAT = timedelta(minutes=5)
"""Whoever has rung and is not planned anew rings again after this time, and so does APScheduler, for whomever."""

LATE = 5.0
"""Seconds after its date at which a wake-up that has not rung counts as lost: APScheduler rings within milliseconds."""

PAUSE = 0.02
"""Seconds from one ring to the next: of hundreds of dates in a second, those in between ring together."""

HANDFUL = 200
"""Names that are handed on before the loop has its turn."""

_ALARM = "alarm"


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
        beat: After this time whoever nobody re-plans rings again.

    Attributes:
        planned_at: When a wake-up was last planned, on the elapsed clock: every pass ends with that.
        rang_at: When it last rang, on the elapsed clock.
    """

    def __init__(self, due: Callable[[str, float], None], clock: Clock, beat: timedelta = BEAT) -> None:
        self.planned_at = self.rang_at = clock.elapsed()
        self._due = due
        self._clock = clock
        self._beat = beat
        self._dates = Ranks()
        self._rung: dict[str, None] = {}
        self._not_before = self.rang_at
        self._started = False
        self._set_up()

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
        self.planned_at = self._clock.elapsed()
        self._rung.pop(name, None)
        self._dates.put(name, at)
        if at < self._rings_at:
            self._nudge()

    def forget(self, name: str) -> None:
        """Plan nothing more for `name`."""
        self._rung.pop(name, None)
        self._dates.drop(name)

    def is_planned(self, name: str) -> bool:
        """Whether a date for `name` is still to ring."""
        return name in self._dates and name not in self._rung

    def unplanned(self) -> Collection[str]:
        """Who has rung and has not been planned since, the longest ago first: a pass of theirs is to do that."""
        return self._rung.keys()

    def overdue(self) -> list[str]:
        """Who should have rung `LATE` ago: whatever APScheduler says of itself, it will not ring."""
        return self._dates.below(self._clock.elapsed() - LATE)

    def replan(self) -> None:
        """Set the alarm by the clocks as they are now, and on a new APScheduler: the old one may have died."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._set_up()
        if self._started:
            self._scheduler.start()

    def _set_up(self) -> None:
        # More instances than ever wait to be run: APScheduler skips what is due again before its last ring has ended,
        # and puts it off by a beat. One ring too many does no harm.
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1_000_000},
        )
        now = self._clock.now()
        self._rings_at = now.elapsed + self._beat.total_seconds()
        first = now.wall + timedelta(seconds=self._beat.total_seconds())
        self._scheduler.add_job(self._ring, _Beat(self._beat), id=_ALARM, next_run_time=first)
        self._nudge()

    def _nudge(self) -> None:
        """Have APScheduler ring for the first date, if that is before it would ring anyway."""
        first = self._dates.first()
        if first is None:
            return
        at = max(first[0], self._not_before)
        if at < self._rings_at:
            self._rings_at = at
            now = self._clock.now()
            ahead = timedelta(seconds=max(0.0, at - now.elapsed))
            self._scheduler.modify_job(_ALARM, next_run_time=now.wall + ahead)

    async def _ring(self) -> None:
        # A coroutine, because APScheduler runs plain functions in threads; and it does nothing itself, because
        # APScheduler swallows what is raised here, SystemExit included (R06). What the loop catches is logged.
        asyncio.get_running_loop().call_soon(self._hand_on)

    def _hand_on(self) -> None:
        """Hand on who is due, and set the alarm for the next, whatever happens in between."""
        if not self._started:
            return
        self.rang_at = self._clock.elapsed()
        # When APScheduler has rung it rings again after a beat, unless it is nudged.
        self._rings_at = self.rang_at + self._beat.total_seconds()
        try:
            for _ in range(HANDFUL):
                first = self._dates.first()
                if first is None or first[0] > self.rang_at:
                    break
                self._not_before = self.rang_at + PAUSE
                self._hand_on_one(*first)
            else:
                self._not_before = self.rang_at  # more may be due, and need not wait for anything but the loop
        finally:
            self._nudge()

    def _hand_on_one(self, date: float, name: str) -> None:
        again = name in self._rung
        self._rung[name] = None
        self._dates.put(name, self.rang_at + self._beat.total_seconds())
        self._due(name, self.rang_at if again else date)
