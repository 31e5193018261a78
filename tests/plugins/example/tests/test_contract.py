"""The sink and the source keep rotator's contract, and rotator takes every kind of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rotator_example import ini, sqlite

from rotator.contract import KindContract, SinkContract, SourceContract, site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class TestSqliteSink(SinkContract):
    @pytest.fixture
    def open_sink(self, tmp_path: Path) -> Callable[[], sqlite.SqliteSink]:
        settings = sqlite.Settings(database=tmp_path / "tokens.db")
        return lambda: sqlite.SqliteSink(settings, site("billing", "sqlite:tokens.db/billing"))


class Place:
    """An INI file, with the hand of whoever fills it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def open(self) -> ini.IniSource:
        return ini.IniSource(ini.Settings(file=self.file), site("billing"))

    async def store(self, client_id: str, *secrets: str) -> None:
        names = ("client_secret", "client_secret_previous")
        lines = [f"{name} = {text}" for name, text in zip(names, secrets, strict=False)]
        self.file.touch(mode=0o600)
        self.file.write_text("\n".join(["[billing]", f"client_id = {client_id}", *lines, ""]))


class TestIniSource(SourceContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(tmp_path / "clients.ini")


class TestKinds(KindContract):
    distribution = "rotator-example"
