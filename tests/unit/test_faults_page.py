"""How tests are told to hold a row of the catalogue of faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faults_page import (
    PAGE,
    ROOT,
    Row,
    bare,
    collected,
    held,
    ids,
    page,
    results,
    rows,
    ungrouped,
    unheard_of,
    without_results,
)

NAMED = {
    "tests/x.py::test_that_p01": {"P01"},
    "tests/x.py::test_v09_a_denied_path_is_parked": {"V09"},
    "tests/x.py::test_that_p20_f17_is_refused": {"P20", "F17"},
    "tests/x.py::test_that_p09_to_p12": {"P09", "P10", "P11", "P12"},
    "tests/x.py::test_that[P04 drips headers]": {"P04"},
    "tests/x.py::test_that[0-f18 a token is replaced]": {"F18"},
    "tests/x.py::test_that[G09-VAULT_TOKEN]": {"G09"},
    "tests/x.py::test_that[R01 to R03, killed]": {"R01", "R02", "R03"},
    "tests/p01/x_v02.py::test_that": set[str](),
    "tests/x.py::test_ip01_is_no_row_and_neither_is_xp02_or_p033": set[str](),
    "tests/x.py::test_that[sha256 of 1c01ab]": set[str](),
}


@pytest.mark.parametrize(("node", "named"), NAMED.items(), ids=map(str, range(len(NAMED))))
def test_a_row_is_named_by_a_function_or_a_parameter_and_by_nothing_else(node: str, named: set[str]) -> None:
    assert ids(node) == named


@pytest.mark.parametrize("span", ["p09_to_p07", "p01_to_v03"], ids=["backwards", "across areas"])
def test_a_span_that_is_none_is_an_error_with_the_test_that_has_it(span: str) -> None:
    with pytest.raises(ValueError, match=f"test_{span}: P0[19] to [PV]0[37] is no span of rows"):
        ids(f"tests/x.py::test_{span}")


def test_a_row_with_neither_test_nor_reason_is_bare() -> None:
    catalogue = [Row("P01", "", ""), Row("P02", "", "", "it cannot be made here"), Row("P03", "", "")]
    assert bare(catalogue, held(["tests/x.py::test_p01"])) == ["P03"]


def test_a_row_that_does_not_exist_is_told_with_the_test_that_names_it() -> None:
    assert unheard_of([Row("P01", "", "")], held(["tests/x.py::test_p01_p77"])) == {"P77": "tests/x.py::test_p01_p77"}


JUNIT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="tests.unit.test_x" name="test_p01[a]"/>
<testcase classname="tests.unit.test_x" name="test_p01[b]@group"><failure message="x"/></testcase>
<testcase classname="tests.unit.test_x" name="test_p01[c]"><skipped message="x"/></testcase>
</testsuite></testsuites>"""


def test_the_page_has_every_row_its_tests_and_what_they_came_to(tmp_path: Path) -> None:
    (tmp_path / "tests.xml").write_text(JUNIT)
    tests = held(f"tests/unit/test_x.py::test_p01[{case}]" for case in "abcd")
    catalogue = [Row("P01", "a | b", "KEEP"), Row("V02", "f", "RETRY", "it cannot be made here")]
    lines = page(catalogue, tests, results([tmp_path / "tests.xml", tmp_path / "never-made.xml"])).splitlines()
    told = "1 failed, 1 not run, 1 passed, 1 skipped"
    assert f"| P01 | a \\| b | KEEP | `unit/test_x.py::test_p01` (4) | {told} |" in lines
    assert "| V02 | f | RETRY | none: it cannot be made here | - |" in lines


def test_results_alone_do_not_make_the_page_another() -> None:
    tests = held(["tests/unit/test_x.py::test_p01"])
    catalogue = [Row("P01", "f", "KEEP")]
    before, after = page(catalogue, tests, {}), page(catalogue, tests, {"tests.unit.test_x::test_p01": "passed"})
    assert before != after
    assert without_results(before) == without_results(after)
    assert without_results(after) != without_results(page([Row("P01", "g", "KEEP")], tests, {}))


def test_every_row_of_the_catalogue_is_written_out() -> None:
    catalogue = rows()
    assert len(catalogue) == 155
    assert [row.id for row in catalogue if not (row.fault and row.required)] == []


@pytest.fixture(scope="module")
def tests(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """All of them; those that this run has not collected are collected anew."""
    config = request.config
    picked = config.option.keyword or config.option.markexpr or any(not Path(one).is_dir() for one in config.args)
    here = [] if picked else [ungrouped(item.nodeid) for item in request.session.items]
    known = {ROOT / Path(node).parts[0] / Path(node).parts[1] for node in here}
    places = {place for place in (ROOT / "tests").iterdir() if any(place.rglob("test_*.py"))}
    return held([*here, *collected(sorted(places - known))])


@pytest.mark.xdist_group("collected")
def test_every_row_has_a_test_or_a_reason_why_not(tests: dict[str, list[str]]) -> None:
    assert bare(rows(), tests) == []


@pytest.mark.xdist_group("collected")
def test_no_test_names_a_row_that_does_not_exist(tests: dict[str, list[str]]) -> None:
    assert unheard_of(rows(), tests) == {}


@pytest.mark.xdist_group("collected")
def test_the_page_is_as_make_faults_makes_it_but_for_results(tests: dict[str, list[str]]) -> None:
    now = without_results(page(rows(), tests, {})).splitlines()
    kept = without_results(PAGE.read_text()).splitlines()
    assert [line[:80] for line in now if line not in kept] + [line[:80] for line in kept if line not in now] == []
