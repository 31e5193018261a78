"""When an API server is asked, and when it is left alone.

A server that answers nobody costs each request its deadline. A thousand sinks must not spend the engine's time on
that, which credentials with other sinks need: while no answer comes, one request at a time finds out whether that is
still so, and all others fail at once.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.ports import Clock


class Pacing:
    """Leave to ask one API server.

    Args:
        clock: Time.
        at_once: Requests that may be under way.
    """

    def __init__(self, clock: Clock, at_once: int) -> None:
        self._clock = clock
        self._slots = asyncio.Semaphore(at_once)
        self._answered = self._quiet_until = -math.inf
        self._away = self._probing = False

    @asynccontextmanager
    async def leave(self, request: str) -> AsyncIterator[None]:
        """Wait for a turn; the body asks, and raises KUBERNETES_UNAVAILABLE where no answer came.

        Args:
            request: What is asked, for messages.

        Raises:
            RotationError: KUBERNETES_THROTTLED during a pause that the server asked for; KUBERNETES_UNAVAILABLE while
                another request finds out whether it answers again.
        """
        async with self._slots:
            self._refuse_early(request)
            began, probe = self._now(), self._away
            self._probing = self._probing or probe
            try:
                yield
            except RotationError as error:
                # One that is slow while others are answered says nothing about them.
                if error.code is Code.KUBERNETES_UNAVAILABLE and self._answered < began:
                    self._away = True
                raise
            else:
                self._answered, self._away = self._now(), False
            finally:
                if probe:
                    self._probing = False

    def pause(self, seconds: float) -> None:
        """The server asks to be left alone for so long."""
        self._quiet_until = self._now() + seconds

    def _refuse_early(self, request: str) -> None:
        left = self._quiet_until - self._now()
        if left > 0:
            told = f"{request} is not sent yet: the server asked for a pause, of which {left:.0f} s are left"
            raise RotationError(Code.KUBERNETES_THROTTLED, told, retry_after=left)
        if self._away and self._probing:
            told = (
                f"{request} is not sent: no answer came to the last one, and another one tries whether that has changed"
            )
            raise RotationError(Code.KUBERNETES_UNAVAILABLE, told)

    def _now(self) -> float:
        return self._clock.now().elapsed
