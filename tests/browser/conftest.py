"""A real browser for the status page, where the machine has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.browser import chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[chromium.Chromium]:
    """A headless Chromium, one for all tests."""
    program = chromium.found()
    if program is None:
        pytest.skip(f"there is no Chromium on this machine: none of {', '.join(chromium.NAMES)} is in PATH")
    async with chromium.Chromium(program) as running:
        yield running
