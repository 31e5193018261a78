"""The fakes keep the contract of what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.contract import SinkContract, SourceContract
from rotator.testing import MemorySink, MemorySource

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.ports import Sink


class TestMemorySink(SinkContract):
    @pytest.fixture
    def open_sink(self) -> Callable[[], Sink]:
        sink = MemorySink()
        return lambda: sink


class Place:
    """A document in memory."""

    def __init__(self) -> None:
        self._source = MemorySource()
        self._source.remove()

    def open(self) -> MemorySource:
        return self._source

    async def store(self, client_id: str, *secrets: str) -> None:
        self._source.store(client_id, *secrets)


class TestMemorySource(SourceContract):
    @pytest.fixture
    def place(self) -> Place:
        return Place()
