"""The way out for log lines: whole, in order, and never in anybody's way."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from rotator.operate.outlet import CAPACITY, Outlet

DEADLINE = 10.0


class Gate(io.StringIO):
    """A stream that writes nothing before it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.opened = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.opened.wait(DEADLINE)
        return super().write(text)


def test_lines_leave_whole_and_in_their_order() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)
    lines = [f"line {number}" for number in range(1000)]
    for line in lines:
        outlet.write(line)
    outlet.close(DEADLINE)
    assert stream.getvalue().splitlines() == lines
    assert outlet.dropped == 0


def test_lines_of_many_threads_do_not_mix() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)

    def hundred(mark: str) -> None:
        for _ in range(100):
            outlet.write(mark * 50)

    threads = [threading.Thread(target=hundred, args=(mark,)) for mark in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    outlet.close(DEADLINE)
    assert sorted(stream.getvalue().splitlines()) == sorted([mark * 50 for mark in "abcdefgh"] * 100)


def test_a_line_is_flushed_without_another_one_coming_after_it() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        outlet = Outlet(stream)
        outlet.write("the last one")
        assert reader.readline() == b"the last one\n"
        outlet.close(DEADLINE)


def test_what_does_not_fit_is_dropped_and_counted_to_the_line_r12() -> None:
    stream = Gate()
    outlet = Outlet(stream)
    outlet.write("under way")
    assert stream.reached.wait(DEADLINE)
    for number in range(CAPACITY + 7):
        outlet.write(str(number))
    assert outlet.dropped == 7
    stream.opened.set()
    outlet.close(DEADLINE)
    assert stream.getvalue().splitlines() == ["under way", *map(str, range(CAPACITY))]


def test_closing_does_not_wait_for_a_reader_for_ever_r12() -> None:
    stream = Gate()
    outlet = Outlet(stream)
    outlet.write("stuck")
    assert stream.reached.wait(DEADLINE)
    closing = threading.Thread(target=outlet.close, args=(0.05,))
    closing.start()
    closing.join(DEADLINE)
    assert not closing.is_alive()
    stream.opened.set()
    outlet.close(DEADLINE)


def test_a_full_disk_is_counted_and_raises_nowhere_r12() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    stream = full.open("w", buffering=1)
    outlet = Outlet(stream)
    outlet.write("lost")
    outlet.close(DEADLINE)
    assert outlet.dropped == 1
    stream.close()  # raises if anything is held back that has been counted as lost


def test_a_reader_who_has_gone_is_counted_and_raises_nowhere_r12() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w", buffering=1)
    os.close(reading)
    outlet = Outlet(stream)
    outlet.write("lost")
    outlet.close(DEADLINE)
    assert outlet.dropped == 1
    stream.close()  # raises if anything is held back that has been counted as lost


def test_a_closed_stream_is_counted_line_by_line() -> None:
    stream = io.StringIO()
    stream.close()
    outlet = Outlet(stream)
    for _ in range(3):
        outlet.write("lost")
    outlet.close(DEADLINE)
    assert outlet.dropped == 3


def test_a_line_that_the_stream_cannot_encode_is_lost_alone() -> None:
    raw = io.BytesIO()
    outlet = Outlet(io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    for line in ("before", "schlüssel", "after"):
        outlet.write(line)
    outlet.close(DEADLINE)
    assert raw.getvalue().decode().splitlines() == ["before", "after"]
    assert outlet.dropped == 1
