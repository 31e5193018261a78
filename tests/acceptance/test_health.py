"""Health is honest: every way of stopping that can be injected is seen within 30 s, and what is no stop is not.

Way -> how it is seen -> after how many seconds. In virtual time, on the engine as the daemon has it:

    the loop's clock stops                         503, "the event loop has not woken up"              20 s
    the elapsed clock stops                        503, "the elapsed clock has stood still"            20 s
    the wall clock stops                           503, "the wall clock has stood still"               20 s
    both stop                                      503, "the elapsed clock has stood still"            20 s
    the sentinel is cancelled                      503, "… have not been looked after"                 20 s
    a gate's pump is cancelled                     503, "the gate of provider … should have …"         20 s
    a source never returns in one pass             503, "no pass has begun or ended"                   25 s
    a source never returns in all 64               503, the same                                       25 s
    a sink never returns when read, in all 64      503, the same                                       25 s
    a sink never returns when written, in all 64   503, the same                                       25 s
    a token endpoint never returns, once           503, "a token request to provider … has not ended"  25 s
    a token endpoint never returns, all 8 times    503, the same                                       25 s

    (One hung pass among others that go on stops one credential, not the daemon: 120 s, see test_progress.py.)

In real time, on the installed daemon, which nobody serves:

    SIGSTOP                                        no answer                                           at once
    SIGKILL                                        no answer                                           at once
    the loop is blocked by a call                  no answer; then the watchdog thread ends it with 1  at once; 60 s
    the sentinel dies of an exception              ended with 1                                        at once
    the sentinel, the reloads, a gate's pump or
    the Vault session is cancelled                 ended with 1                                        at once
    the Vault session dies of an exception         ended with 1                                        at once
    the clock raises for everybody                 ended with 1                                        at once
    the socket's name is taken away                no answer                                           at once
    no file descriptor can be had                  no answer                                           at once

What is no stop: no thread can be had, the log's reader has gone or does not read, Vault and every provider are away,
APScheduler is dead (the sentinel mends it), and all of `PATIENT` in tests/unit/engine/test_progress.py.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from rotator.engine.dispatcher import PASSES
from rotator.testing import run_in_virtual_time
from tests.acceptance.test_runtime import Threads, _fill, needs_groups
from tests.support.alone import breaking, running
from tests.support.engine import Engine, Held, HeldEndpoint, HeldSink, HeldSource
from tests.support.http import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit and control groups are Linux's")

WITHIN = 30.0


def _stop_the_loops_clock(engine: Engine) -> None:
    engine.loop_clock_stands_at = engine.loop.time()
    engine.cancel("sentinel")  # whose timer rings no more


def _stop_the_elapsed_clock(engine: Engine) -> None:
    engine.clock.elapsed_stands = True


def _stop_the_wall_clock(engine: Engine) -> None:
    engine.clock.wall_stands = True


def _stop_both(engine: Engine) -> None:
    engine.clock.elapsed_stands = engine.clock.wall_stands = True


def _more_than_run_at_once(engine: Engine) -> None:
    engine.add(2 * PASSES)


def _one(engine: Engine) -> None:
    engine.add(1)


READY = Held(holds=False)
STOPS: dict[str, tuple[Callable[[], Engine], Callable[[Engine], None], str]] = {
    "the loop's clock stops": (Engine, _stop_the_loops_clock, "the event loop has not woken up for "),
    "the elapsed clock stops": (Engine, _stop_the_elapsed_clock, "the elapsed clock has stood still for "),
    "the wall clock stops": (Engine, _stop_the_wall_clock, "the wall clock has stood still for "),
    "both clocks stop": (Engine, _stop_both, "the elapsed clock has stood still for "),
    "the sentinel is cancelled": (
        Engine, lambda engine: engine.cancel("sentinel"), "the clocks and the schedule have not been looked after for ",
    ),
    "a source never returns, once": (
        lambda: Engine(source=lambda: HeldSource(Held())), _one, "credentials wait, and no pass has begun or ended",
    ),
    "a source never returns in all passes": (
        lambda: Engine(source=lambda: HeldSource(Held())), _more_than_run_at_once,
        "credentials wait, and no pass has begun or ended for ",
    ),
    "a sink never returns when it is read, in all passes": (
        lambda: Engine(sink=lambda name: HeldSink(name, Held(), READY)), _more_than_run_at_once,
        "credentials wait, and no pass has begun or ended for ",
    ),
    "a token endpoint never returns, once": (
        lambda: Engine(endpoint=lambda clock: HeldEndpoint(clock, Held())), _one,
        "a token request to provider thx has not ended for ",
    ),
    "a token endpoint never returns, as often as it is asked at once": (
        lambda: Engine(endpoint=lambda clock: HeldEndpoint(clock, Held())), _more_than_run_at_once,
        "a token request to provider thx has not ended for ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", STOPS)
def test_a_stop_is_seen_within_30_s_r09(way: str) -> None:
    make, stop, told = STOPS[way]

    async def run() -> tuple[str, str, float]:
        engine = make()
        before, _ = await engine.seen(10.0)
        stop(engine)
        fault, after = await engine.seen()
        await engine.end()
        return before, fault, after

    before, fault, after = run_in_virtual_time(run())
    assert before == ""
    assert fault.startswith(told)
    assert after <= WITHIN


def test_a_gate_whose_pump_is_cancelled_is_seen_within_30_s_of_being_needed_r09() -> None:
    async def run() -> tuple[str, float]:
        engine = Engine()
        engine.add(1)
        await engine.dispatcher.first_round()
        engine.cancel("gate thx")
        await asyncio.sleep(0)
        engine.dispatcher.rotations()[0].force()
        engine.dispatcher.submit("app-0")
        found = await engine.seen()
        await engine.end()
        return found

    fault, after = run_in_virtual_time(run())
    assert fault.startswith("the gate of provider thx should have been looked at ")
    assert after <= WITHIN


def test_sinks_that_never_return_when_they_are_written_are_seen_within_30_s_r09() -> None:
    """Written by passes without leave to mint: the tokens are in hand when the sinks begin to hang."""

    async def run() -> tuple[str, str, float]:
        writing = Held(holds=False)
        engine = Engine(sink=lambda name: HeldSink(name, READY, writing))
        engine.add(2 * PASSES)
        await engine.dispatcher.first_round()
        before, _ = await engine.seen(5.0)
        writing.holds = True
        engine.clock.step(3600.0)  # which dates every record anew
        fault, after = await engine.seen()
        await engine.end()
        return before, fault, after

    before, fault, after = run_in_virtual_time(run())
    assert before == ""
    assert fault.startswith("credentials wait, and no pass has begun or ended for ")
    assert after <= WITHIN


def test_a_dead_alarm_clock_is_mended_and_no_stop_r07_r09() -> None:
    """APScheduler is never started here, which comes to the same: no wake-up rings."""

    async def run() -> tuple[str, int, list[str]]:
        engine = Engine(rings=False)
        engine.add(1)
        fault, _ = await engine.seen(700.0)
        await engine.end()
        return fault, len(engine.endpoint.requests), [name for name, _ in engine.journal.events]

    fault, mints, told = run_in_virtual_time(run())
    assert (fault, mints) == ("", 3), "at 0, about 270 and about 540 s"
    assert "token.expired" not in told
    assert "schedule.mended" in told


BROKEN = {
    "the sentinel dies of an exception": ("raise ZeroDivisionError", "sentinel"),
    "the sentinel is cancelled": ("cancel('sentinel')", "sentinel"),
    "the reloads are cancelled": ("cancel('reloads')", "sentinel"),
    "a gate's pump is cancelled": ("cancel('gate thx')", "sentinel"),
    "the Vault session is cancelled": ("cancel('vault session')", "sentinel"),
    "the Vault session dies of an exception": ("raise ZeroDivisionError", "vault session"),
}


@pytest.mark.parametrize("way", BROKEN)
async def test_a_part_that_is_no_more_ends_the_process_which_whoever_supervises_it_sees_r06_r09(
    tmp_path: Path, way: str
) -> None:
    act, at = BROKEN[way]
    async with breaking(tmp_path, act, at) as (alone, breaks):
        breaks.touch()
        assert await asyncio.wait_for(alone.process.wait(), WITHIN) == 1


async def test_a_loop_that_is_blocked_answers_no_probe_r09(tmp_path: Path) -> None:
    async with breaking(tmp_path, "threading.Event().wait()", "sentinel") as (alone, breaks):
        breaks.touch()
        found, after = await alone.until(_not_well)
        assert (found, after < WITHIN) == ("no answer", True)


def _not_well(found: str) -> bool:
    return found != "200"


def _well(found: str) -> bool:
    return found == "200"


async def test_a_process_that_is_stopped_or_dead_answers_no_probe_and_one_that_goes_on_does_r09(tmp_path: Path) -> None:
    async with running(tmp_path) as alone:
        alone.process.send_signal(signal.SIGSTOP)
        found, after = await alone.until(_not_well)
        assert (found, after < WITHIN) == ("no answer", True)
        alone.process.send_signal(signal.SIGCONT)
        await alone.until(_well)
        alone.socket.unlink()
        assert await alone.health() == "no answer"
        alone.process.kill()
        found, _ = await alone.until(lambda found: found.startswith("ended"))
        assert found == "ended with -9"


async def test_without_a_descriptor_it_answers_no_probe_and_with_some_it_does_again_r10_r09(tmp_path: Path) -> None:
    async with running(tmp_path) as alone:
        enough = resource.prlimit(alone.pid, resource.RLIMIT_NOFILE)
        # None below these is free, and those it has it keeps.
        resource.prlimit(alone.pid, resource.RLIMIT_NOFILE, (3, enough[1]))
        found, after = await alone.until(_not_well)
        assert (found, after < WITHIN) == ("no answer", True)
        resource.prlimit(alone.pid, resource.RLIMIT_NOFILE, enough)
        await alone.until(_well)


@needs_groups
async def test_without_a_thread_it_is_healthy_all_the_same_r10(tmp_path: Path) -> None:
    async with running(tmp_path) as alone:
        threads = Threads(alone)  # type: ignore[arg-type]  # it needs no more of it than a pid
        threads.deny()
        assert await alone.health() == "200"
        code, body, headers = await ask(alone.socket, "/metrics")
        assert (code, body) == (503, "no thread could be started for this\n")
        assert headers["X-Content-Type-Options"] == "nosniff"
        threads.grant()
        assert (await ask(alone.socket, "/metrics"))[0] == 200
        assert await alone.health() == "200"


async def test_a_log_that_nobody_reads_is_no_stop_r12(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        _fill(writing)
        os.set_blocking(writing, True)
        async with running(tmp_path, stderr=writing) as alone:
            assert await alone.health() == "200"
            os.close(reading)
            assert await alone.health() == "200"
            reading = -1
    finally:
        os.close(writing)
        if reading >= 0:
            os.close(reading)


async def test_vault_and_every_provider_away_from_the_start_are_no_stop_and_it_is_not_ready_v01(tmp_path: Path) -> None:
    async with running(tmp_path) as alone:
        found, _ = await alone.until(lambda found: "every credential" not in found, "/-/ready")
        assert found == "503: there has been no login to Vault yet\nconsumers hold no good token of billing"
        assert await alone.health() == "200"
