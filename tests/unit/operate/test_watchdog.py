"""A loop that has stopped is noticed; one that is slow, or of which nothing is expected, is left alone."""

from __future__ import annotations

import itertools
import threading

from rotator.operate.watchdog import LOOKS, Watchdog

PATIENCE, DEADLINE = 0.12, 10.0


def test_no_progress_for_too_long_ends_it_once_r06_r09() -> None:
    ended = threading.Semaphore(0)
    with Watchdog(lambda: 1.0, ended.release, PATIENCE):
        assert ended.acquire(timeout=DEADLINE)
        assert not ended.acquire(timeout=3 * PATIENCE)


def test_progress_now_and_then_is_enough_r09() -> None:
    ended, looks = threading.Event(), itertools.count()
    enough = threading.Event()

    def slow() -> int:
        look = next(looks)
        if look > 5 * LOOKS:
            enough.set()
        return look // LOOKS

    with Watchdog(slow, ended.set, PATIENCE):
        assert enough.wait(DEADLINE)
    assert not ended.is_set()


def test_where_no_progress_is_expected_none_is_missed_r09() -> None:
    ended, looks, enough = threading.Event(), itertools.count(), threading.Event()

    def starting() -> None:
        if next(looks) > 5 * LOOKS:
            enough.set()

    with Watchdog(starting, ended.set, PATIENCE):
        assert enough.wait(DEADLINE)
    assert not ended.is_set()
