"""The elapsed clock alone is the one that a reading of both clocks tells, on every clock there is."""

from __future__ import annotations

from datetime import timedelta

from rotator.demo.mishap import MovedClock
from rotator.engine.clock import SystemClock
from rotator.testing import FakeClock, LoopClock, run_in_virtual_time


def test_the_machine_tells_one_elapsed_time_either_way() -> None:
    clock = SystemClock()
    assert clock.now().elapsed <= clock.elapsed() <= clock.now().elapsed


def test_a_clock_that_is_turned_by_hand_tells_one_elapsed_time_either_way() -> None:
    clock = FakeClock(elapsed=7.0)
    clock.advance(3.0)
    clock.step(99.0)
    assert clock.elapsed() == clock.now().elapsed == 10.0


def test_a_clock_of_the_loop_counts_the_sleep_of_the_machine_either_way() -> None:
    async def sleeping() -> tuple[float, float]:
        clock = LoopClock()
        await clock.sleep(5.0)
        clock.suspend(60.0)
        clock.step(99.0)
        return clock.elapsed(), clock.now().elapsed

    alone, both = run_in_virtual_time(sleeping())
    assert alone == both
    assert 65.0 <= alone < 65.1


def test_a_moved_wall_clock_leaves_the_elapsed_clock_alone() -> None:
    clock = MovedClock(FakeClock(elapsed=7.0))
    clock.ahead = timedelta(hours=1)
    assert clock.elapsed() == clock.now().elapsed == 7.0
