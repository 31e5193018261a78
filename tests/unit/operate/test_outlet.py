"""The way out for log lines: whole, in order, and never in anybody's way."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.operate.outlet import CAPACITY, Outlet

if TYPE_CHECKING:
    from collections.abc import Callable

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


def test_what_no_encoding_has_is_written_in_words_of_ascii() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        outlet = Outlet(stream)
        outlet.write("half a pair: \ud83d")
        assert reader.readline() == b"half a pair: \\ud83d\n"
        outlet.close(DEADLINE)
        assert outlet.dropped == 0


def test_a_pipe_that_somebody_made_non_blocking_is_waited_for_and_lines_stay_whole_r12() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        outlet = Outlet(stream)
        lines = [letter * 100_000 for letter in "abc"]  # each larger than the pipe
        for line in lines:
            outlet.write(line)
        assert [reader.readline().decode().rstrip() for _ in lines] == lines
        outlet.close(DEADLINE)
        assert outlet.dropped == 0


def test_when_a_reader_comes_back_lines_are_whole_and_what_was_lost_has_been_counted_r12(tmp_path: Path) -> None:
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with fifo.open("w") as stream:
        outlet = Outlet(stream)
        os.close(reader)
        for number in range(3):
            outlet.write(f"lost {number}")
        _wait_until(lambda: outlet.dropped == 3)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        outlet.write("seen")
        outlet.close(DEADLINE)
        assert (os.read(reader, 1000), outlet.dropped) == (b"seen\n", 3)
        os.close(reader)


class Narrow:
    """A disk that takes five bytes, then none, then all."""

    def __init__(self) -> None:
        self.holds = b""
        self._takes: list[int | None] = [5, None]

    def __call__(self, data: bytes) -> int:
        takes = self._takes.pop(0) if self._takes else len(data)
        if takes is None:
            raise OSError("no space left")
        self.holds += data[:takes]
        return min(takes, len(data))


def test_a_line_that_was_cut_off_is_finished_before_the_next_one_begins_r12() -> None:
    disk = Narrow()
    outlet = Outlet(disk)
    outlet.write("the first line")
    outlet.write("the second")
    outlet.close(DEADLINE)
    assert (disk.holds, outlet.dropped) == (b"the first line\nthe second\n", 0)


def _wait_until(reached: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(1000):
        if reached():
            return
        tick.wait(DEADLINE / 1000)
    raise AssertionError("it did not come")
