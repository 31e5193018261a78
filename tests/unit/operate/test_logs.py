"""What leaves the process as a log line."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import re
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.model import Secret
from rotator.core.policy import Reason
from rotator.operate.logs import LogSettings, catch_loop_errors, configure
from rotator.operate.outlet import CAPACITY, Outlet
from rotator.operate.redaction import CUT, redact, redact_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJqdGkiOiJ6WW5vTjI0In0.FubTCity_twCn2"


@pytest.fixture
def lines() -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Run some logging and return its lines; the process's own hooks and handlers come back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, sys.unraisablehook, threading.excepthook

    def run(
        work: Callable[[Any], None], level: str = "info", stream: io.StringIO | None = None, look: str = "json"
    ) -> list[dict[str, Any]]:
        stream = stream or io.StringIO()
        log = configure(LogSettings(level, look), stream)  # type: ignore[arg-type]  # words of both
        work(log)
        log.close()
        return [json.loads(line) for line in stream.getvalue().splitlines()] if look == "json" else []

    yield run
    root.handlers[:], sys.excepthook, sys.unraisablehook = before[0], before[2], before[3]
    threading.excepthook = before[4]
    root.setLevel(before[1])


def test_an_event_is_one_json_object_with_time_level_and_name_first(lines: Any) -> None:
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    (line,) = lines(lambda log: log.event("token.minted", credential="a", expires_at=at, reason=Reason.ABSENT))
    assert list(line) == ["timestamp", "level", "event", "credential", "expires_at", "reason"]
    assert (line["level"], line["expires_at"], line["reason"]) == ("info", "2026-11-24T12:00:00Z", "absent")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(("within", "level"), [(30, "warning"), (7, "warning"), (1, "error"), (0, "error")])
def test_the_end_of_a_client_secret_is_an_error_from_one_day_before_it_on(lines: Any, within: int, level: str) -> None:
    (line,) = lines(lambda log: log.event("credential.expiring", credential="a", within_days=within))
    assert line["level"] == level


WORDED = {
    "a mint": {"credential": "billing", "reason": Reason.ABSENT, "expires_at": datetime(2026, 11, 24, 12, tzinfo=UTC)},
    "a failure": {"detail": f"sent Bearer {JWT}", "attempt": 3, "retryable": True, "cure": "wait; it is tried again"},
    "something deep": {"client_secret": "CANARY", "headers": [{"a": b"password=CANARY", "b": None}], "share": 0.5},
}


@pytest.mark.parametrize("look", ["json", "console"])
@pytest.mark.parametrize("fields", WORDED.values(), ids=WORDED)
def test_an_event_is_written_as_a_record_of_a_library_with_the_same_fields_is(
    lines: Any, look: Any, fields: dict[str, object]
) -> None:
    def work(log: Any) -> None:
        log.event("token.minted", **fields)
        logging.getLogger("rotator").info("token.minted", extra=fields)

    stream = io.StringIO()
    lines(work, stream=stream, look=look)
    ours, theirs = re.sub(r"\S+Z\b", "at some time", stream.getvalue()).splitlines()
    assert ours == theirs


def test_an_event_that_cannot_be_written_is_told_as_that_and_raises_nothing_r06(lines: Any) -> None:
    no_such_time = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))
    (line,) = lines(lambda log: log.event("token.minted", expires_at=no_such_time))
    assert (line["event"], line["level"]) == ("log.unformattable", "error")
    assert line["detail"].startswith("OverflowError at ")


def test_letters_beyond_ascii_are_written_as_they_are(lines: Any) -> None:
    stream = io.StringIO()
    lines(lambda log: log.event("token.minted", credential="größe"), stream=stream)
    assert '"credential": "größe"' in stream.getvalue()


def test_retries_are_told_at_debug_level_only(lines: Any) -> None:
    assert lines(lambda log: log.event("token.mint_retried")) == []
    assert lines(lambda log: log.event("token.mint_retried"), "debug")[0]["level"] == "debug"


def test_records_of_libraries_go_through_the_same_redaction(lines: Any) -> None:
    (line,) = lines(lambda _: logging.getLogger("hvac").warning("sent %s", f"Bearer {JWT}"))
    assert (line["event"], line["logger"]) == (f"sent Bearer {CUT}", "hvac")


def test_an_exception_is_told_by_kind_and_place_and_not_by_its_text(lines: Any) -> None:
    def work(_: Any) -> None:
        try:
            int("CANARY")
        except ValueError:
            logging.getLogger("aiohttp").exception("it broke")

    (line,) = lines(work)
    assert line["exception"].startswith("ValueError at ")
    assert "CANARY" not in str(line)


@pytest.mark.parametrize(
    "text",
    [
        JWT,
        f"Authorization: Bearer {JWT}",
        "Authorization: Basic X2xudFpNcllUTGRvY19FcXhkMW1aOjNM",
        "client_secret=CANARY&scope=a",
        '{"access_token": "CANARY", "x": 1}',
        "{'secret_id': 'CANARY'}",
        "token s.CANARYCANARYCANARYCANARY",
        "token hvs.CANARYCANARYCANARYCANARY",
        "https://user:CANARY@host/",
    ],
)
def test_what_looks_like_a_secret_is_cut_out_of_texts(text: str) -> None:
    cut = redact_text(text)
    assert CUT in cut
    assert not any(part in cut for part in ("CANARY", "FubTCity", "X2xudFpN"))


def test_a_secret_is_cut_out_however_deep_it_lies() -> None:
    value = {"a": [Secret("CANARY"), {"client_secret": "CANARY", "b": b"password=CANARY"}], "fingerprint": "abc"}
    assert "CANARY" not in str(redact(value))
    assert "abc" in str(redact(value))


class FirstWriteFails(io.StringIO):
    """A stream on a disk that is full for one line."""

    def __init__(self) -> None:
        super().__init__()
        self.full = True
        self.wrote = threading.Event()

    def write(self, text: str) -> int:
        if self.full:
            self.full = False
            raise OSError("no space left")
        self.wrote.set()
        return super().write(text)


def test_lost_lines_are_told_of_once_and_counted_r12(lines: Any) -> None:
    stream = FirstWriteFails()

    def work(log: Any) -> None:
        log.event("lost")
        log.event("kept")
        # Whoever has seen the second line written knows that the first one has been counted.
        assert stream.wrote.wait(10)
        log.event("after it")
        log.event("later")

    told = lines(work, stream=stream)
    assert [line["event"] for line in told] == ["kept", "after it", "log.dropped", "later"]
    assert (told[2]["lines"], told[2]["total"]) == (1, 1)


def test_an_exception_in_a_thread_is_told_by_kind_and_place_and_not_by_its_text_r06(lines: Any) -> None:
    def work(_: Any) -> None:
        thread = threading.Thread(target=int, args=("CANARY",))
        thread.start()
        thread.join(10)

    (line,) = lines(work)
    assert (line["event"], line["level"], line["where"]) == ("process.error", "error", "thread")
    assert line["detail"].startswith("ValueError")
    assert "CANARY" not in str(line)


def test_a_hook_for_strays_lets_nothing_out_when_it_fails_itself_r10(lines: Any, capfd: Any) -> None:
    class UnspeakableError(Exception):
        """Its place cannot be found: as when there is no memory to do so."""

        @property
        def __traceback__(self) -> Any:  # type: ignore[override]  # raising is the point
            raise MemoryError

    def work(_: Any) -> None:
        sys.excepthook(UnspeakableError, UnspeakableError("CANARY"), None)

    assert lines(work) == []
    assert capfd.readouterr() == ("", "")


def test_what_the_event_loop_catches_is_told_by_kind_and_place_and_not_by_its_text(lines: Any) -> None:
    async def fail() -> None:
        asyncio.get_running_loop().call_soon(int, "CANARY")
        await asyncio.sleep(0)

    def work(log: Any) -> None:
        with asyncio.Runner() as runner:
            catch_loop_errors(runner.get_loop(), log)
            runner.run(fail())

    (line,) = lines(work)
    assert (line["event"], line["where"]) == ("process.error", "event loop")
    assert line["detail"].startswith("ValueError")
    assert "CANARY" not in str(line)


def test_a_reader_who_does_not_read_holds_nobody_up_and_losses_are_counted_r12() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        outlet = Outlet(stream)
        for _ in range(CAPACITY * 2):
            outlet.write("x" * 200)
        assert outlet.dropped > 0
        outlet.close(timeout=0.1)
        drained = threading.Thread(target=reader.read)
        drained.start()
        outlet.close(timeout=10)
        stream.close()
        drained.join(10)
        assert not drained.is_alive()
