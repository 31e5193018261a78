"""What is said of surviving mutants is true of the code as it is, and mutmut's words are read as they are meant."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.reliability.mutation import AREAS, Mutant, Outcome, Tolerance, function, mutant, page, tolerated

ROOT = Path(__file__).resolve().parents[2]
SHOWN = """# rotator.core.policy.x_spread__mutmut_4: survived
--- rotator/core/policy.py
+++ rotator/core/policy.py
@@ -1,4 +1,4 @@
 def spread(*parts: str) -> float:
-    digest = hashlib.sha256(first,
-        second)
+    digest = hashlib.sha256(first)
     return int.from_bytes(digest[:6]) / 2**48
"""


def _source(where: str) -> str:
    """A function's lines, without their indentation."""
    names = where.split(".")
    length = next(n for n in range(len(names), 0, -1) if ROOT.joinpath(*names[:n]).with_suffix(".py").exists())
    file = ROOT.joinpath(*names[:length]).with_suffix(".py")
    node: ast.AST = ast.parse(file.read_text())
    for name in names[length:]:
        node = next(child for child in ast.iter_child_nodes(node) if getattr(child, "name", None) == name)
    return " ".join(line.strip() for line in (ast.get_source_segment(file.read_text(), node) or "").splitlines())


@pytest.mark.parametrize("row", tolerated(), ids=lambda row: f"{row.where}: {row.line}")
def test_a_line_whose_mutants_are_tolerated_is_still_there(row: Tolerance) -> None:
    assert row.line in _source(row.where)


def test_every_area_is_there_to_be_mutated_and_tested() -> None:
    for area in AREAS:
        assert all(list(ROOT.glob(pattern)) for pattern in area.only)
        assert all((ROOT / test).exists() for test in area.tests)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("rotator.core.policy.x_spread__mutmut_4", "rotator.core.policy.spread"),
        ("rotator.core.policy.x__retry__mutmut_12", "rotator.core.policy._retry"),
        ("rotator.core.model.xǁSecretǁ__repr____mutmut_1", "rotator.core.model.Secret.__repr__"),
    ],
)
def test_a_mutants_name_leads_to_its_function(name: str, where: str) -> None:
    assert function(name) == where


def test_a_mutant_is_read_from_its_diff() -> None:
    assert mutant(SHOWN, "rotator.core.policy.x_spread__mutmut_4", "survived") == Mutant(
        "rotator.core.policy.spread",
        "digest = hashlib.sha256(first, second)",
        "digest = hashlib.sha256(first)",
        "survived",
    )


def test_the_score_counts_what_was_noticed_and_the_page_lists_the_rest_with_what_is_known_of_it() -> None:
    survivor = Mutant("rotator.core.policy.spread", "a = b | c", "a = None", "survived")
    unrun = Mutant("rotator.core.policy.spread", "d = e", "", "no tests")
    fates = Counter({"killed": 6, "timeout": 2, "survived": 1, "no tests": 1})
    outcome = Outcome(AREAS[0], fates, (survivor, unrun))
    known = [Tolerance("rotator.core.policy.spread", "a = b", ("None",), "it is no matter")]
    assert outcome.score == 80.0
    listed = page([outcome], known)
    assert "## core: 2 of 10" in listed
    assert "| `core.policy.spread` | `` a = b \\| c `` | `` a = None `` | it is no matter |" in listed
    assert "| `core.policy.spread` | `` d = e `` | nothing | no test runs it |" in listed
