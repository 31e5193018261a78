"""What can be logged is documented."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from rotator.core.errors import Code
from rotator.operate.logs import LEVELS

ROOT = Path(__file__).parents[2]

EVENT = re.compile(
    r'"((?:daemon|config(?!\.toml)|vault|token|credential|clock|schedule|log|process'
    r'|http(?!\.(?:listen|token_file)"))\.[a-z_]+)"'  # those two are keys of the configuration
)


def test_every_event_in_the_code_is_in_the_documentation() -> None:
    found = {name for file in (ROOT / "rotator").rglob("*.py") for name in EVENT.findall(file.read_text())}
    documented = (ROOT / "docs/events.md").read_text()
    assert len(found) > 30
    assert sorted(name for name in found if f"`{name}`" not in documented) == []


def test_the_policy_in_the_documentation_is_the_one_to_deploy() -> None:
    policy = [line for line in (ROOT / "deploy/policy.hcl").read_text().splitlines() if line.startswith("path")]
    assert policy
    assert "\n".join(policy) in (ROOT / "docs/vault.md").read_text()


@pytest.mark.parametrize("code", Code, ids=lambda code: code.text)
def test_every_error_code_is_documented_as_the_code_has_it(code: Code) -> None:
    row = f"| `{code.text}` | {'yes' if code.retryable else 'no'} | {code.meaning} | {code.cure} |"
    assert row in (ROOT / "docs/errors.md").read_text().splitlines()


@pytest.mark.parametrize(("event", "level"), LEVELS.items())
def test_every_level_in_the_documentation_is_the_one_that_is_logged(event: str, level: int) -> None:
    name = logging.getLevelName(level).lower()
    assert f"| `{event}` | {name} |" in (ROOT / "docs/events.md").read_text()


SECURITY = (ROOT / "SECURITY.md").read_text()


def test_every_fault_that_the_threat_model_relies_on_has_a_test() -> None:
    named = set(re.findall(r"\b[PVFCRGNH][0-9]{2}\b", SECURITY))
    held = {line[2:5] for line in (ROOT / "docs/faults.md").read_text().splitlines() if ".py::" in line}
    assert len(named) > 30
    assert sorted(named - held) == []


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`((?:tests|\.ci)/[\w./]+)`", SECURITY))))
def test_every_file_that_the_threat_model_relies_on_is_there(named: str) -> None:
    assert (ROOT / named).is_file()
