"""The fakes keep the contract of what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.testing import MemorySink
from tests.contract.suites import SinkContract

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.ports import Sink


class TestMemorySink(SinkContract):
    @pytest.fixture
    def open_sink(self) -> Callable[[], Sink]:
        sink = MemorySink()
        return lambda: sink
