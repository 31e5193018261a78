"""What is installed is what was locked, and no secret gets into the tree unseen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.sbom import invalid, merged
from tests.support.tree_secrets import Excuse, Finding, excuses, findings, unexplained

ROOT = Path(__file__).parents[2]
LOCKS = [
    "requirements.lock",
    *(f"requirements-{group}.lock" for group in ("bench", "deploy", "dev", "docs", "reliability")),
]
NODE = ["tests/authserver", "tests/bench/node"]
REQUIREMENT = re.compile(r"[a-z0-9][a-z0-9.-]*==[^\s;]+( ; [^\\]+)?( --hash=sha256:[0-9a-f]{64})+")


def requirements(lock: str) -> list[str]:
    joined = re.sub(r"\s*\\\n\s*", " ", (ROOT / lock).read_text())
    return [line for line in joined.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_one_version_with_its_hashes_and_no_address(lock: str) -> None:
    assert len(requirements(lock)) > 20
    assert [line[:80] for line in requirements(lock) if REQUIREMENT.fullmatch(line) is None] == []


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_what_is_tested_is_what_is_installed(lock: str) -> None:
    installed, tested = (
        {re.sub(r" ; .*?(?= --hash)", "", requirement) for requirement in requirements(name)}
        for name in ("requirements.lock", lock)
    )
    assert sorted(installed - tested) == []


@pytest.mark.parametrize("place", NODE)
def test_the_packages_of_node_have_hashes_and_no_address(place: str) -> None:
    lock = json.loads((ROOT / place / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 20
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []


def bom(prefix: str, dependencies: list[dict[str, Any]], *components: dict[str, Any]) -> dict[str, Any]:
    listed = [{"type": "library", "bom-ref": f"{prefix}-{c['name']}", **c} for c in components]
    root = {"type": "application", "bom-ref": "root", "name": "rotator"}
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"component": root}}
    return {**head, "components": listed, "dependencies": dependencies}


LICENSE = [{"license": {"id": "MIT"}}]
DIGEST = [{"type": "distribution", "url": "a", "hashes": [{"alg": "SHA-256", "content": "a" * 64}]}]
LOCKED = bom(
    "line",
    [],
    {"name": "apscheduler", "version": "3.1", "purl": "pkg:pypi/apscheduler@3.1", "externalReferences": DIGEST},
    {"name": "colorama", "version": "1", "purl": "pkg:pypi/colorama@1", "description": "requirements line 3"},
)
INSTALLED = bom(
    "env",
    [{"ref": "root", "dependsOn": ["env-APScheduler", "env-pytest"]}, {"ref": "env-pytest", "dependsOn": ["env-x"]}],
    {"name": "APScheduler", "version": "3.1", "licenses": LICENSE, "description": "Schedules."},
    {"name": "colorama", "version": "2", "licenses": LICENSE},
    {"name": "pytest", "version": "9"},
)


def test_the_bill_of_materials_lists_what_is_locked_with_what_is_known_of_it() -> None:
    bill = merged(LOCKED, INSTALLED)
    scheduler, colorama = bill["components"]
    assert (scheduler["licenses"], scheduler["description"]) == (LICENSE, "Schedules.")
    assert scheduler["externalReferences"] == DIGEST
    assert colorama == {
        "type": "library", "name": "colorama", "version": "1",
        "purl": "pkg:pypi/colorama@1", "bom-ref": "pkg:pypi/colorama@1",
    }  # fmt: skip
    assert bill["dependencies"] == [
        {"ref": "pkg:pypi/apscheduler@3.1", "dependsOn": []},
        {"ref": "root", "dependsOn": ["pkg:pypi/apscheduler@3.1"]},
    ]


def test_a_bill_of_materials_is_held_to_the_standard() -> None:
    pytest.importorskip("cyclonedx", reason="make sbom and make reliability install it")
    bill = merged(LOCKED, INSTALLED)
    assert invalid(json.dumps(bill)) == ""
    bill["components"][0]["licenses"] = "MIT"
    assert "MIT" in invalid(json.dumps(bill))


KEY = "AKIA" + "Z3MB7QWLT5YXNRCD"


@pytest.mark.parametrize("comment", ["", "  # pragma: allowlist secret"], ids=["plain", "excused by a comment"])
def test_a_secret_that_gets_into_the_tree_is_found(tmp_path: Path, comment: str) -> None:
    (tmp_path / "settings.py").write_text(f'name = "x"\nkey = "{KEY}"{comment}\n')
    (tmp_path / "other.py").write_text("a = 1\n")
    found = findings(tmp_path, ["settings.py", "other.py"])
    assert {(finding.file, finding.line, finding.kind) for finding in found} == {("settings.py", 2, "AWS Access Key")}
    (line,) = unexplained(found, [])
    assert line.startswith("settings.py:2: AWS Access Key, sha1 ")
    assert KEY not in line


def test_a_finding_is_excused_by_file_kind_and_value_and_no_excuse_outlives_its_finding() -> None:
    finding = Finding("tests/x.py", 3, "Private Key", "abc")
    assert unexplained([finding], [Excuse("made up", ("tests/*",), ("Private Key",), ("abc",))]) == []
    for other in (
        ("docs/*", "Private Key", "abc"),
        ("tests/*", "JSON Web Token", "abc"),
        ("tests/*", "Private Key", "d"),
    ):
        files, kind, sha1 = other
        told = unexplained([finding], [Excuse("made up", (files,), (kind,), (sha1,))])
        assert told == ["tests/x.py:3: Private Key, sha1 abc", f"{files}: excused, and not there: made up"]


def test_every_excuse_has_its_reason() -> None:
    assert len(excuses()) > 3
    assert [excuse.files for excuse in excuses() if len(excuse.why) < 10 or not excuse.files] == []
