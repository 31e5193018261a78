"""Ends a process whose event loop has stopped: one that looks alive and does nothing is worse than one that is gone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

PATIENCE = 60.0
"""Seconds without progress. The loop shows some every second; a processor that others use up makes that longer."""

LOOKS = 12
"""Looks within that time, all of which must see the same.

They are counted and no clock is asked: while the process is stopped or the machine sleeps, this thread does not look
either, so that neither counts as a loop that has stopped (C04, C08).
"""


class Watchdog:
    """`with Watchdog(…)` watches from a thread of its own.

    Args:
        progress: A value that is another one whenever there has been progress; None while none is expected.
        end: Called once there has been none for too long.
        patience: Seconds until then.
    """

    def __init__(self, progress: Callable[[], object], end: Callable[[], None], patience: float = PATIENCE) -> None:
        self._progress = progress
        self._end = end
        self._interval = patience / LOOKS
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        seen, same = None, 0
        while not self._over.wait(self._interval):
            now = self._progress()
            same = same + 1 if now is not None and now == seen else 0
            seen = now
            if same >= LOOKS:
                self._end()
                return
