"""mutmut 3 changes the code in one place at a time: an operator, a constant, a word, an argument, a branch. A mutant is
noticed when a test fails because of it or does not end; one that no test runs counts as not noticed. Only tests that
are quick and run in the same process are asked, named per area in the measurement, so what slower ones would notice
besides does not count. mutmut leaves alone what is outside of functions (tables, constants, regular expressions, fields
and their defaults), properties and context managers, annotations, and the calls of len and isinstance. The survivors
are listed in [mutants.md](mutants.md), with a word on each that is tolerated.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.reliability.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

TITLE = "Mutants that the tests notice"
SEED = 1

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "docs" / "mutants.md"
TOLERATED = Path(__file__).with_name("tolerated.toml")
PROCESSES = 2
HEAD = """# Mutants that no test notices

Written by `make reliability ARGS=mutation`; do not edit. How they are made and what share of them is noticed:
[reliability.md](reliability.md).
"""


@dataclass(frozen=True)
class Area:
    """What is mutated together.

    Attributes:
        name: For people.
        bar: Least share of noticed mutants, percent.
        only: Which files, as patterns.
        tests: Which tests are asked.
    """

    name: str
    bar: float
    only: tuple[str, ...]
    tests: tuple[str, ...]


AREAS = (
    Area("core", 90.0, ("rotator/core/*",), ("tests/unit/core",)),
    Area(
        "oauth",
        90.0,
        ("rotator/oauth/*",),
        (
            "tests/unit/oauth",
            "tests/integration/test_token_endpoint.py",
            "tests/integration/test_token_endpoint_tls.py",
            "tests/integration/test_token_endpoint_messages.py",
            "tests/integration/test_token_endpoint_settings.py",
            "tests/integration/network/test_kept_connections.py",
        ),
    ),
    Area(
        "files",
        85.0,
        ("rotator/files/*",),
        (
            "tests/unit/files",
            "tests/contract/test_file_sink.py",
            "tests/integration/files/test_access.py",
            "tests/integration/files/test_faults.py",
            "tests/integration/files/test_filesystems.py",
            "tests/integration/files/test_places.py",
        ),
    ),
    Area(
        "redaction",
        85.0,
        ("rotator/operate/redaction.py",),
        (
            "tests/unit/operate/test_redaction.py",
            "tests/unit/operate/test_redacted_shapes.py",
            "tests/unit/operate/test_logs.py",
        ),
    ),
)


@dataclass(frozen=True)
class Mutant:
    """A mutant that was not noticed.

    Attributes:
        where: Module and function.
        was: The lines before the change.
        became: The lines after it; empty when they were taken out.
        fate: `survived`, `no tests`, …
    """

    where: str
    was: str
    became: str
    fate: str


@dataclass(frozen=True)
class Outcome:
    """What became of the mutants of one area."""

    area: Area
    fates: Counter[str]
    unnoticed: tuple[Mutant, ...]

    @property
    def score(self) -> float:
        """Share of the mutants that were noticed, percent."""
        return 100.0 * (self.fates["killed"] + self.fates["timeout"]) / self.fates.total()


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`. Nothing is drawn: the seed is not used."""
    del seed
    outcomes = []
    for area in AREAS:
        with tempfile.TemporaryDirectory(prefix="rotator-mutants-") as place:
            outcomes.append(mutate(area, Path(place)))
        say(f"{area.name}: {outcomes[-1].score:.1f} %")
    LIST.write_text(page(outcomes, tolerated()))
    return [_figure(outcome) for outcome in outcomes]


def _figure(outcome: Outcome) -> Figure:
    fates = ", ".join(f"{number} {fate}" for fate, number in outcome.fates.most_common())
    return Figure(
        f"mutants of {outcome.area.name} that are noticed",
        f"≥ {outcome.area.bar:g} %",
        f"{outcome.score:.1f} % of {outcome.fates.total()} ({fates})",
        outcome.score >= outcome.area.bar,
    )


def mutate(area: Area, place: Path) -> Outcome:
    """Mutate a copy of the tree in `place`, an empty directory, and ask the tests.

    Raises:
        RuntimeError: mutmut could not do its work; what it said is in the message.
    """
    _copy(area, place)
    said = _mutmut(place, "run", "--max-children", str(PROCESSES))
    results = _mutmut(place, "results", "--all", "true").strip().splitlines()
    fates = dict(line.strip().rsplit(": ", 1) for line in results)
    if not fates or "not checked" in fates.values():
        raise RuntimeError(f"mutmut did not come to its end in {area.name}: {said[-2000:]}")
    unnoticed = [mutant(_mutmut(place, "show", name), name, fate) for name, fate in fates.items() if not _noticed(fate)]
    return Outcome(area, Counter(fates.values()), tuple(unnoticed))


def _noticed(fate: str) -> bool:
    return fate in {"killed", "timeout"}


def _copy(area: Area, place: Path) -> None:
    """mutmut writes beside what it reads, so it gets a tree of its own, with the area in its configuration."""
    for folder in ("rotator", "tests", "docs"):
        shutil.copytree(ROOT / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__"))
    settings = {
        "source_paths": ["rotator"],
        "also_copy": ["docs"],
        "only_mutate": area.only,
        "pytest_add_cli_args_test_selection": area.tests,
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    configuration = (ROOT / "pyproject.toml").read_text()
    (place / "pyproject.toml").write_text("\n".join([configuration, "[tool.mutmut]", *lines, ""]))


def _mutmut(place: Path, *arguments: str) -> str:
    command = ["nice", "-n", "15", str(Path(sys.executable).with_name("mutmut")), *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"mutmut {arguments[0]} failed: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def mutant(shown: str, name: str, fate: str) -> Mutant:
    """A mutant as `mutmut show` prints it: a name and a unified diff."""
    lines = [line for line in shown.splitlines() if not line.startswith(("---", "+++"))]
    was, became = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Mutant(function(name), was, became, fate)


def function(name: str) -> str:
    """Module and function of mutmut's `rotator.core.model.xǁSecretǁ__repr____mutmut_1`."""
    module, mangled = name.rsplit(".", 1)
    inner = re.sub(r"__mutmut_\d+$", "", mangled)
    return f"{module}.{inner.removeprefix('xǁ').replace('ǁ', '.') if 'ǁ' in inner else inner.removeprefix('x_')}"


@dataclass(frozen=True)
class Tolerance:
    """Why mutants of one line may survive.

    Attributes:
        where: Module and function.
        line: The line, or a part of it that no other line of the function has.
        became: Parts of which a mutated line must hold one; none for whatever became of it.
        why: For people.
    """

    where: str
    line: str
    became: tuple[str, ...]
    why: str

    def covers(self, mutant: Mutant) -> bool:
        """Whether it speaks of this mutant."""
        changed = not self.became or any(part in mutant.became for part in self.became)
        return mutant.where == self.where and self.line in mutant.was and changed


def tolerated() -> list[Tolerance]:
    """What is known of survivors."""
    rows = tomllib.loads(TOLERATED.read_text())["tolerated"]
    return [Tolerance(row["where"], row["line"], tuple(row.get("became", ())), row["why"]) for row in rows]


def page(outcomes: Iterable[Outcome], known: Sequence[Tolerance]) -> str:
    """`docs/mutants.md`."""
    sections = "\n".join(_section(outcome, known) for outcome in outcomes)
    return f"{HEAD}\n{sections}"


def _section(outcome: Outcome, known: Sequence[Tolerance]) -> str:
    rows = [_row(mutant, known) for mutant in outcome.unnoticed]
    head = f"## {outcome.area.name}: {len(rows)} of {outcome.fates.total()}\n\n"
    return head + ("| where | was | became | why |\n|---|---|---|---|\n" + "".join(rows) if rows else "None.\n")


def _row(mutant: Mutant, known: Sequence[Tolerance]) -> str:
    where = mutant.where.removeprefix("rotator.")
    return f"| `{where}` | {_code(mutant.was)} | {_code(mutant.became)} | {_why(mutant, known)} |\n"


def _code(text: str) -> str:
    return f"`` {text.replace('|', chr(92) + '|')} ``" if text else "nothing"


def _why(mutant: Mutant, known: Sequence[Tolerance]) -> str:
    reasons = [tolerance.why for tolerance in known if tolerance.covers(mutant)]
    untested = "no test runs it" if mutant.fate == "no tests" else "not judged"
    return reasons[0] if reasons else untested
