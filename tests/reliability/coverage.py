"""Every test runs under coverage.py, as `make test` does, in several processes; so does every `rotator` and every other
Python process that a test starts. A branch is a way out of a line: both ways of each `if`, each end of each loop. What
a process had seen that was ended by SIGKILL is lost. Nothing is excluded beyond what coverage.py leaves out by itself:
blocks under `if TYPE_CHECKING:`, which no process ever runs, and bodies of `...`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.reliability.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TITLE = "Branches that the tests go through"
SEED = 1
BAR = 95.0

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("-n", "4", "--dist", "loadgroup", "-q", "-p", "no:cacheprovider", "--timeout", "300")


@dataclass(frozen=True)
class Counted:
    """Branches and lines, all and those that were gone through."""

    branches: int = 0
    taken: int = 0
    lines: int = 0
    run: int = 0

    def __add__(self, other: Counted) -> Counted:
        return Counted(
            self.branches + other.branches, self.taken + other.taken, self.lines + other.lines, self.run + other.run
        )

    @property
    def share(self) -> float:
        """Share of the branches, percent."""
        return 100.0 * self.taken / self.branches if self.branches else 100.0


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`. Nothing is drawn: the seed is not used."""
    del seed
    with tempfile.TemporaryDirectory(prefix="rotator-coverage-") as place:
        data = Path(place) / "data"
        tests = _coverage(data, "run", "-m", "pytest", *TESTS)
        for line in tests.stdout.strip().splitlines()[-20:]:
            say(line)
        counted = per_room(report(data))
    every = sum(counted.values(), Counted())
    return [
        Figure("branches that the tests go through", f"≥ {BAR:g} %", _told(every), every.share >= BAR),
        Figure("lines", "", f"{100.0 * every.run / every.lines:.1f} % of {every.lines}"),
        Figure("exit code of the tests meanwhile", "0", str(tests.returncode), tests.returncode == 0),
        *(Figure(f"branches in `{room}`", "", _told(found)) for room, found in sorted(counted.items())),
    ]


def _told(found: Counted) -> str:
    return f"{found.share:.1f} % of {found.branches}"


def _coverage(data: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "coverage", command, f"--data-file={data}", *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def report(data: Path) -> Mapping[str, Any]:
    """What coverage.py counted, file by file.

    Raises:
        RuntimeError: coverage.py could not read its data; what it said is in the message.
    """
    into = data.with_name("report.json")
    for step in (("combine", str(data.parent)), ("json", "-o", str(into))):
        done = _coverage(data, *step)
        if done.returncode:
            raise RuntimeError(f"coverage {step[0]} failed: {done.stdout + done.stderr}")
    files: dict[str, Any] = json.loads(into.read_text())["files"]
    return files


def per_room(files: Mapping[str, Any]) -> dict[str, Counted]:
    """Counts per room: the first folder or module below `rotator`."""
    rooms: dict[str, Counted] = defaultdict(Counted)
    for name, file in files.items():
        below = Path(name).parts[Path(name).parts.index("rotator") + 1 :]
        found = file["summary"]
        rooms[below[0].removesuffix(".py")] += Counted(
            found["num_branches"], found["covered_branches"], found["num_statements"], found["covered_lines"]
        )
    return dict(rooms)
