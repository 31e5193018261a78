"""Which tests hold which row of the catalogue of faults: collected, and written to docs/faults.md.

`python -m tests.support.faults_page` writes the page and prints the rows without a test; it ends with 1 when there are
any. What each test came to is taken from what `make test` and `make walkthroughs` leave behind in build.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE, PAGE = ROOT / "tests/faults.toml", ROOT / "docs/faults.md"
RESULTS = (ROOT / "build/tests.xml", ROOT / "build/walkthroughs.xml")

AREAS = {
    "P": "Provider (token endpoint)",
    "V": "Vault and OpenBao",
    "F": "Files",
    "C": "Clock",
    "R": "Process and runtime",
    "G": "Configuration",
    "N": "Network",
    "H": "High availability, many clients",
}

HEAD = """\
# Faults

What may go wrong, what rotator does then, and the tests that hold it to that. `make faults` makes this page out of
[tests/faults.toml](../tests/faults.toml), the tests whose name or whose parameters carry a row's id, and the results of
the last `make test` and `make walkthroughs`.

**KEEP**: the last good token stays in every sink, and nothing worse is written over it. **RETRY**: exponential with
full jitter, base 1 s, cap min(30 s, remaining/10), floor 2 s, each attempt with a deadline of at most 10 s. **PARK**:
refused for good: told at once, tried again slowly (60 s to 5 min), and at once when the client's document changes.
**REJECT**: an answer that is not published. **RELOGIN1**: one new login, then backoff. **UNREADY**: not ready while a
token is expired. In all of them: no secret in any output, the process stays up, other tokens are not affected.

Tests are below `tests/`; a figure behind one counts its cases.
"""

_ID = "[pvfcrgnh][0-9]{2}"
_SPAN = re.compile(rf"(?<![a-z0-9])({_ID})(?:[_ ]to[_ ]({_ID}))?(?![a-z0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the catalogue.

    Attributes:
        id: A letter for the area, and a number.
        fault: What goes wrong.
        required: What rotator must do then.
        why_not: Why there is no test of it here; empty when there is to be one.
    """

    id: str
    fault: str
    required: str
    why_not: str = ""


def rows(catalogue: Path = CATALOGUE) -> list[Row]:
    """The catalogue."""
    with catalogue.open("rb") as file:
        return [Row(id_, **row) for id_, row in tomllib.load(file).items()]


def ids(node: str) -> set[str]:
    """The rows that a test names in its function's name or its parameters, `p01_to_p03` being three.

    Args:
        node: As pytest names it: `tests/unit/test_x.py::test_that_p01[V02 at night]`.
    """
    name = node.partition("::")[2]
    spans = ((first.upper(), (last or first).upper()) for first, last in _SPAN.findall(name))
    return {id_ for first, last in spans for id_ in _span(node, first, last)}


def _span(node: str, first: str, last: str) -> Iterable[str]:
    if first[0] != last[0] or first > last:
        raise ValueError(f"{node}: {first} to {last} is no span of rows")
    return (f"{first[0]}{number:02}" for number in range(int(first[1:]), int(last[1:]) + 1))


def collected(places: Sequence[Path] = (ROOT / "tests",)) -> list[str]:
    """Every test there, as pytest names it; none for no place.

    Raises:
        RuntimeError: pytest cannot collect them.
    """
    if not places:
        return []
    asked = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *map(str, places)]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode:
        raise RuntimeError(f"pytest cannot collect the tests:\n{told.stdout[-3000:]}{told.stderr[-3000:]}")
    return [line for line in told.stdout.splitlines() if "::" in line]


def held(nodes: Iterable[str]) -> dict[str, list[str]]:
    """The tests of each row that any of them names."""
    tests = defaultdict(list)
    for node in nodes:
        for id_ in ids(node):
            tests[id_].append(node)
    return dict(tests)


def bare(catalogue: Sequence[Row], tests: Mapping[str, Sequence[str]]) -> list[str]:
    """The rows with neither a test nor a reason."""
    return [row.id for row in catalogue if not row.why_not and row.id not in tests]


def unheard_of(catalogue: Sequence[Row], tests: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The rows that do not exist, and a test that names each."""
    known = {row.id for row in catalogue}
    return {id_: nodes[0] for id_, nodes in tests.items() if id_ not in known}


def results(files: Iterable[Path] = RESULTS) -> dict[str, str]:
    """What each test came to: `passed`, `failed` or `skipped`, by its file's dotted name and its own."""
    there = [file for file in files if file.exists()]
    cases = chain.from_iterable(ET.parse(file).getroot().iter("testcase") for file in there)  # noqa: S314  pytest's own
    # The group that pytest-xdist keeps together stands behind an @.
    return {f"{case.get('classname')}::{ungrouped(case.get('name', ''))}": _result(case) for case in cases}


def ungrouped(name: str) -> str:
    """The name of a test without the group that pytest-xdist keeps together."""
    return re.sub(r"@[\w-]+$", "", name)


def _result(case: ET.Element) -> str:
    kinds = {child.tag for child in case}
    return "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"


def page(catalogue: Sequence[Row], tests: Mapping[str, Sequence[str]], came_to: Mapping[str, str]) -> str:
    """The page."""
    text = HEAD
    for letter, title in AREAS.items():
        text += f"\n## {letter}. {title}\n\n| row | fault | required | tests | result |\n|---|---|---|---|---|\n"
        text += "".join(
            f"| {row.id} | {_cell(row.fault)} | {_cell(row.required)} | {_tests(row, tests)} "
            f"| {_came_to(tests.get(row.id, ()), came_to)} |\n"
            for row in catalogue
            if row.id.startswith(letter)
        )
    return text


def without_results(text: str) -> str:
    """The page but for its last column."""
    return re.sub(r"\| [^|]* \|$", "|", text, flags=re.MULTILINE)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _tests(row: Row, tests: Mapping[str, Sequence[str]]) -> str:
    cases = Counter(node.partition("[")[0].removeprefix("tests/") for node in tests.get(row.id, ()))
    lines = [f"`{name}`" + (f" ({count})" if count > 1 else "") for name, count in sorted(cases.items())]
    lines += [f"none: {_cell(row.why_not)}"] if row.why_not and not lines else []
    lines += [f"not all of it: {_cell(row.why_not)}"] if row.why_not and cases else []
    return "<br>".join(lines) or "**none**"


def _came_to(nodes: Sequence[str], came_to: Mapping[str, str]) -> str:
    if not nodes or not came_to:
        return "-"
    counts = Counter(came_to.get(_as_junit_has_it(node), "not run") for node in nodes)
    return ", ".join(f"{counts[result]} {result}" for result in sorted(counts))


def _as_junit_has_it(node: str) -> str:
    file, _, name = node.partition("::")
    return f"{file.removesuffix('.py').replace('/', '.')}::{name}"


def main() -> int:
    """Write the page, and tell what is missing."""
    catalogue, tests = rows(), held(collected())
    PAGE.write_text(page(catalogue, tests, results()))
    told = [f"{id_} has neither a test nor a reason why not" for id_ in bare(catalogue, tests)]
    told += [f"{id_} is named by {node}, and is no row" for id_, node in unheard_of(catalogue, tests).items()]
    sys.stdout.write(
        "\n".join([*told, f"{len(tests)} of {len(catalogue)} rows have a test: {PAGE.relative_to(ROOT)}\n"])
    )
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
