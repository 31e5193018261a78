"""Files as sinks, in every format, replaced and written in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.contract import SinkContract
from rotator.files.formats import FORMATS
from rotator.files.options import FileSinkSettings
from rotator.files.sink import FileSink
from rotator.files.state import StateDirectory
from tests.integration.files.harness import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class TestFileSink(SinkContract):
    @pytest.fixture(params=FORMATS)
    def open_sink(self, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], FileSink]:
        settings = FileSinkSettings(tmp_path / "token", format=request.param, **OPTIONS.get(request.param, {}))
        return lambda: FileSink(settings, "billing", StateDirectory(tmp_path / "state"))


class TestFileSinkInPlace(SinkContract):
    @pytest.fixture(params=FORMATS)
    def open_sink(self, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], FileSink]:
        options = {**OPTIONS.get(request.param, {}), "in_place": True}
        settings = FileSinkSettings(tmp_path / "token", format=request.param, **options)
        return lambda: FileSink(settings, "billing", StateDirectory(tmp_path / "state"))


class TestFileSinkWithRenamedFields(SinkContract):
    @pytest.fixture
    def open_sink(self, tmp_path: Path) -> Callable[[], FileSink]:
        fields = {"token": "access_token", "expiry": "expires_at"}
        settings = FileSinkSettings(tmp_path / "billing.json", format="json", fields=fields)
        return lambda: FileSink(settings, "billing", StateDirectory(tmp_path / "state"))
