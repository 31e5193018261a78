"""A real process replaces a token with the real file sink, and strace lets the kernel misbehave: a first, undisturbed
write is traced to learn its system calls; then the process is killed (SIGKILL) at each of them, and each of them fails
with each of these errors: ENOSPC, EDQUOT, EIO, EROFS, EACCES, EPERM, EMFILE, ENFILE, ESTALE, ENOMEM, EINTR. One write,
one injection. Twice: for a `json` file, which is all there is, and for a `raw` one with its state beside it. After each
the file must hold the old token or the new one, whole, with the configured mode; the write must have raised one of
rotator's own errors, or have put the new token there; after an error no temporary file may be left; and the next start
must remove what a kill has left, know the token that is there, and be able to replace it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from rotator.core.errors import Code
from rotator.files.in_place import log_name
from tests.integration.files.halted import IN_PLACE, MODE, NEW, OLD, halted_sink
from tests.integration.files.harness import NAME, left_over
from tests.reliability.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TITLE = "Kills and errors at every system call of a file write"
SEED = 0
"""Chance decides nothing here."""

KINDS = ("json", "raw")
ERRORS = (
    "ENOSPC", "EDQUOT", "EIO", "EROFS", "EACCES", "EPERM", "EMFILE", "ENFILE", "ESTALE", "ENOMEM", "EINTR",
)  # fmt: skip
TYPED = {code.text for code in Code if code is not Code.INTERNAL}

NOT_OF_THE_WRITE = frozenset({
    "brk", "clone3", "epoll_ctl", "epoll_wait", "exit", "exit_group", "futex", "geteuid", "getpid", "gettid", "getuid",
    "madvise", "mmap", "mprotect", "mremap", "munmap", "prctl", "recvfrom", "rseq", "rt_sigaction", "rt_sigprocmask",
    "sched_yield", "sendto", "set_robust_list", "set_tid_address",
})  # fmt: skip
"""Memory, threads and the event loop; everything else that the writing thread calls belongs to its file."""


class Injection(NamedTuple):
    """What happens at which call: `signal=KILL` or `error=EIO`, at the so-manieth call of a name."""

    kind: str
    call: str
    number: int
    what: str


@dataclass
class Outcome:
    """What came of injections.

    Attributes:
        made: Kills and errors, by what happened.
        wrong: Whatever must not be, one sentence each.
        left: Temporary files that kills left behind.
    """

    made: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    left: int = 0


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`."""
    del seed
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(len(KINDS)) as pool:
        places = [Path(made, kind) for kind in KINDS]
        outcomes = list(pool.map(lambda place: every(place, place.name, ("signal=KILL", *ERRORS), say), places))
    outcome = Outcome(
        sum((each.made for each in outcomes), Counter()),
        [wrong for each in outcomes for wrong in each.wrong],
        sum(each.left for each in outcomes),
    )
    for wrong in outcome.wrong:
        say(wrong)
    kills, all_made = outcome.made["signal=KILL"], outcome.made.total()
    return [
        Figure("kills, one at each call", "", f"{kills}", kills > 0),
        Figure("errors, each at each call", "", f"{all_made - kills:,}", all_made > kills),
        Figure(
            "files torn, with another mode, lost, not known or not replaceable afterwards; errors that were none of "
            "rotator's own; temporary files left after an error, or after the start that follows a kill",
            "0",
            str(len(outcome.wrong)),
            not outcome.wrong,
        ),
        Figure("temporary files that kills left for the next start to remove", "", str(outcome.left)),
    ]


def every(place: Path, kind: str, whats: Iterable[str], say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Inject each of `whats`, `signal=KILL` or the name of an error, at every call of a write to a file of a kind."""
    place.mkdir()
    outcome = Outcome()
    with Halting() as halting:
        calls = halting.learn(place / "learned", kind)
        say(f"{kind}: a write makes {calls.total()} calls: {', '.join(f'{n} {name}' for name, n in calls.items())}")
        for what in whats:
            for name, many in calls.items():
                for number in range(1, many + 1):
                    how = what if "=" in what else f"error={what}"
                    inject(halting, place / "now", Injection(kind, name, number, how), outcome)
            say(f"{kind}: {what} at each of them, {len(outcome.wrong)} wrong so far")
    return outcome


def inject(halting: Halting, place: Path, injection: Injection, outcome: Outcome) -> None:
    """Make one write with one injection, and judge what it leaves."""
    kind, call, number, what = injection
    log = place.with_suffix(".trace")
    options = ["-o", str(log), "-e", f"trace={call}", "-e", f"inject={call}:{what}:when={number}"]
    with halting.write(place, kind, options) as ended:
        found = list(_judge(place, kind, ended, outcome, killed=what == "signal=KILL"))
    if ("killed by SIGKILL" if what == "signal=KILL" else "(INJECTED)") not in log.read_text():
        found.append("strace did not inject it")
    outcome.wrong += [f"{kind}, {call} {number}, {what}: {text}" for text in found]
    outcome.made[what] += 1


def _judge(place: Path, kind: str, ended: str, outcome: Outcome, *, killed: bool) -> Iterator[str]:
    code, _, said = ended.partition(" ")
    if killed and code != "-9":
        yield f"the process was not killed there: {ended}"
    if not killed and said not in {"ok", *TYPED}:
        yield f"the write ended with {ended}"
    path = place / "out" / NAME
    cut_off = kind.endswith(IN_PLACE) and path.with_name(log_name(NAME)).exists()
    if stat.S_IMODE(path.stat().st_mode) != MODE:
        yield f"the file has mode {path.stat().st_mode:o}"
    content, whole = path.read_bytes(), {token.access_token.reveal().encode(): token for token in (OLD, NEW)}
    there = next(
        (token for text, token in whole.items() if (content == text if kind.startswith("raw") else text in content)), 0
    )
    if (there == 0 and not cut_off) or (said == "ok" and there is not NEW):
        yield f"after {said or 'the kill'} the file holds neither what it held nor what was written"
    left = left_over(place)
    outcome.left += len(left) if killed else 0
    if left and not killed and not cut_off:
        yield f"{len(left)} temporary files are left"
    yield from asyncio.run(_start_again(place, kind, said))


async def _start_again(place: Path, kind: str, said: str) -> list[str]:
    wrong = []
    target = halted_sink(place, kind)
    await target.check()
    if left := left_over(place):
        wrong.append(f"{len(left)} temporary files are left after the next start")
    held = await target.read()
    # A raw file whose state could not be kept was delivered all the same, and that was told.
    if held not in ({OLD, NEW, None} if kind.startswith("raw") and said in TYPED else {OLD, NEW}):
        wrong.append("the next start does not know the token that is there")
    await target.write(NEW)
    if await target.read() != NEW:
        wrong.append("the next start cannot replace the token")
    return wrong


class Halting:
    """The program `tests.integration.files.halted`, and strace on its children; `with` starts and ends it.

    Args:
        places: Where strace is looked for; None means PATH.

    Raises:
        RuntimeError: There is no strace here.
    """

    def __init__(self, places: str | None = None) -> None:
        strace = shutil.which("strace", path=places)
        if strace is None:
            raise RuntimeError(
                "this needs strace, which lets system calls of a running process fail, and there is none on PATH: "
                "install it (Debian: apt install strace)"
            )
        self._strace = strace

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.integration.files.halted"]
        # coverage.py writes a file of its own when a process ends, and those calls would be traced as well.
        alone = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        self._program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=alone)
        return self

    def __exit__(self, *_: object) -> None:
        self._program.kill()
        self._program.communicate()

    @contextmanager
    def write(self, place: Path, kind: str, options: list[str]) -> Iterator[str]:
        """One traced write in a directory of its own, which is removed in the end: how it ended."""
        place.mkdir()
        try:
            child = self._ask(f"{place} {kind}")
            with self._tracing(child, options):
                ended = self._ask("go")
            yield ended
        finally:
            shutil.rmtree(place)

    def learn(self, place: Path, kind: str) -> Counter[str]:
        """The calls of a write, and how many of each: those that the thread makes which does the writing."""
        log = place.with_suffix(".trace")
        with self.write(place, kind, ["-o", str(log)]) as ended:
            if ended != "0 ok":
                raise RuntimeError(f"an undisturbed write ended with {ended}")
        made = re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.MULTILINE)
        (writing,) = {thread for thread, name in made if name.startswith("rename")}
        calls = Counter(name for thread, name in made if thread == writing and name not in NOT_OF_THE_WRITE)
        others = {name for thread, name in made if thread != writing}
        if overlap := others & calls.keys():
            raise RuntimeError(f"another thread makes {', '.join(overlap)} as well, and injections might meet that one")
        return calls

    def _ask(self, line: str) -> str:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(line + "\n")
        self._program.stdin.flush()
        return self._program.stdout.readline().strip()

    @contextmanager
    def _tracing(self, process: str, options: list[str]) -> Iterator[None]:
        command = [self._strace, "-f", "-p", process, *options]
        strace = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert strace.stderr is not None
        try:
            first = strace.stderr.readline()
            if "attached" not in first:
                raise RuntimeError(f"strace cannot trace here: {first.strip()}")
            yield
            strace.communicate(timeout=30)
        finally:
            strace.kill()
            strace.communicate()
