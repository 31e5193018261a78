"""Three processes replace one file with the real file sink, over and over, by tokens of 4 KB that tell whether they are
whole: their second half is a digest of the first. Meanwhile others read it in each way that consumers do: all at once;
in pieces of 1,000 bytes; as text; `cat`; the shell's `read`, which takes it byte by byte. Each read is judged: the same
bytes as the last whole read, or whole by themselves; for a `json` file, the document and its fingerprint too. Most of
it on tmpfs, as for files in /run, where a write takes a millisecond; a part on the disk. The same readers also watch
writers that truncate the file and write it anew, as many programs do.
"""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rotator.files.formats import FORMATS, Layout
from tests.integration.files.harness import NAME, left_over, record, sink
from tests.reliability.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableSequence

    Counts = MutableSequence[int]

TITLE = "Torn reads"
SEED = 0
"""Chance decides nothing here but the machine's own."""

READS, WRITES = 10_000_000, 100_000
ON_DISK = 1_000
TORN = 2_000
MEMORY = Path("/dev/shm")  # noqa: S108  a directory of our own is made in it
WRITERS = 3
PIECE = 1_000
BATCH = 100
DIGESTS = 64
"""Of a token's first half, 64 characters each."""


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`."""
    del seed
    found, torn = [], 0
    for kind in ("raw", "json"):
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
            found.append(trial(Path(place), Goal(kind, READS // 2, WRITES // 2), say))
        with tempfile.TemporaryDirectory() as place:
            found.append(trial(Path(place), Goal(kind, 1, ON_DISK), say))
        with tempfile.TemporaryDirectory() as place:
            torn += trial(Path(place), Goal(kind, 1, 1, torn=TORN // 2, truncating=True), say).torn
    reads, writes = sum(seen.reads for seen in found), sum(seen.writes for seen in found)
    bad, left = sum(seen.torn for seen in found), sum(seen.left for seen in found)
    programs = sum(seen.by_programs for seen in found)
    return [
        Figure("reads", f"≥ {READS:,}", f"{reads:,}", reads >= READS),
        Figure("of them by `cat` and by the shell", "", f"{programs:,}"),
        Figure("writes meanwhile", f"≥ {WRITES:,}", f"{writes:,}", writes >= WRITES),
        Figure("torn or empty reads", "0", str(bad), bad == 0),
        Figure("temporary files left", "0", str(left), left == 0),
        Figure(
            "torn reads that the same readers find of a truncating writer", f"≥ {TORN:,}", f"{torn:,}", torn >= TORN
        ),
    ]


class Goal(NamedTuple):
    """What is read and written, and when it is enough.

    Attributes:
        kind: The file's format.
        reads: At least so many.
        writes: At least so many.
        torn: At least so many torn reads, within the deadline.
        truncating: Whether the writers truncate the file instead.
        deadline: Seconds, after which it ends with what there is.
    """

    kind: str
    reads: int
    writes: int
    torn: int = 0
    truncating: bool = False
    deadline: float = 3600.0


@dataclass(frozen=True)
class Seen:
    """What came of a trial: reads, those by other programs, torn ones, writes, temporary files left."""

    reads: int
    by_programs: int
    torn: int
    writes: int
    left: int


def trial(place: Path, goal: Goal, say: Callable[[str], None] = lambda _: None) -> Seen:
    """Let readers and writers meet until it is enough.

    Raises:
        RuntimeError: One of them ended before that.
    """
    asyncio.run(sink(place, goal.kind).write(_next("first", 0)))
    context = multiprocessing.get_context("spawn")
    reads, torn, writes = (context.Array("Q", len(READERS), lock=False) for _ in range(3))
    stop = context.Event()
    workers = [
        context.Process(target=_read, args=(number, place / "out" / NAME, goal.kind, reads, torn, stop))
        for number in range(len(READERS))
    ] + [context.Process(target=_write, args=(number, place, goal, writes, stop)) for number in range(WRITERS)]
    for worker in workers:
        worker.start()
    try:
        _wait(workers, goal, (reads, torn, writes), say)
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    if failed := [worker.name for worker in workers if worker.exitcode != 0]:
        raise RuntimeError(f"{', '.join(failed)} failed; see what they wrote to stderr")
    programs = sum(count for count, reader in zip(reads, READERS, strict=True) if reader in PROGRAMS)
    return Seen(sum(reads), programs, sum(torn), sum(writes), len(left_over(place)))


def _wait(workers: list[Any], goal: Goal, counts: tuple[Any, Any, Any], say: Callable[[str], None]) -> None:
    started = told = time.monotonic()
    while time.monotonic() - started < goal.deadline:
        reads, torn, writes = map(sum, counts)
        everyone = min(counts[0]) > 0 and min(counts[2][:WRITERS]) > 0
        if everyone and reads >= goal.reads and writes >= goal.writes and torn >= goal.torn:
            return
        if not all(worker.is_alive() for worker in workers):
            return
        if time.monotonic() - told > 30:
            told = time.monotonic()
            how = "truncated" if goal.truncating else "replaced"
            say(f"{goal.kind}, {how}: {reads:,} reads, {torn:,} torn, {writes:,} writes")
        time.sleep(0.05)


def token(name: str, *, shorter: bool = False) -> str:
    """The name of a token that tells whether it is whole."""
    half = hashlib.sha256(name.encode()).hexdigest() * (DIGESTS // 2 if shorter else DIGESTS)
    return f"{half}.{hashlib.sha256(half.encode()).hexdigest()}"


def _next(writer: object, number: int) -> Any:
    name = f"{writer}.{number}"
    return record(token(name), inputs=name)


def is_whole(kind: str, content: bytes) -> bool:
    """Whether the file's content is whole; of a raw one its token alone can tell."""
    found = FORMATS[kind].extract(content, Layout("billing"))
    if found is None:
        return False
    whole = found.reveal() if hasattr(found, "reveal") else found.access_token.reveal()
    parts = whole.split(".")
    return len(parts) == 3 and parts[2] == hashlib.sha256(parts[1].encode()).hexdigest()


def _write(number: int, place: Path, goal: Goal, writes: Counts, stop: Any) -> None:
    async def work() -> None:
        target, path = sink(place, goal.kind), place / "out" / NAME
        while not stop.is_set():
            new = _next(number, writes[number])
            if goal.truncating:
                path.write_bytes(FORMATS[goal.kind].render(new, Layout("billing")))
            else:
                await target.write(new)
            writes[number] += 1

    asyncio.run(work())


def _read(number: int, path: Path, kind: str, reads: Counts, torn: Counts, stop: Any) -> None:
    last = b""
    for count, content in enumerate(READERS[number](path, kind, stop)):
        if content != last:
            if is_whole(kind, content):
                last = content
            else:
                torn[number] += 1
        reads[number] += 1
        if count % BATCH == 0 and stop.is_set():
            return


def _at_once(path: Path, _: str, __: Any) -> Iterator[bytes]:
    while True:
        fd = os.open(path, os.O_RDONLY)
        yield os.read(fd, 1 << 16)
        os.close(fd)


def _in_pieces(path: Path, _: str, __: Any) -> Iterator[bytes]:
    while True:
        fd = os.open(path, os.O_RDONLY)
        yield b"".join(iter(lambda: os.read(fd, PIECE), b""))  # noqa: B023  it is used up before the next turn
        os.close(fd)


def _as_text(path: Path, _: str, __: Any) -> Iterator[bytes]:
    while True:
        yield path.read_text().encode()


def _by_cat(path: Path, kind: str, stop: Any) -> Iterator[bytes]:
    return _lines(f"cat '{path}'" + ("; echo" if kind == "raw" else ""), kind, stop)


def _by_shell(path: Path, kind: str, stop: Any) -> Iterator[bytes]:
    return _lines(f"IFS= read -r token <'{path}'; printf '%s\\n' \"$token\"", kind, stop)


def _lines(commands: str, kind: str, stop: Any) -> Iterator[bytes]:
    """What a shell prints that runs these commands for ever: a line for each read of a file of one line."""
    with subprocess.Popen(["sh", "-c", f"while :; do {commands}; done"], stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        try:
            while not stop.is_set():
                line = shell.stdout.readline()
                yield line.removesuffix(b"\n") if kind == "raw" else line
        finally:
            shell.kill()


PROGRAMS = (_by_cat, _by_shell)
READERS = (_at_once, _at_once, _in_pieces, _as_text, *PROGRAMS)
