"""Sources that ask no server: files in each of their forms, and the environment."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pytest

from rotator.contract import SourceContract, Store
from rotator.core.document import Wanted
from rotator.core.model import ClientCredentials
from rotator.files.source import FileSource
from rotator.given.environment import EnvironmentSource
from rotator.given.public import PublicSource
from tests.support.kubernetes_volume import SecretVolume

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("client_secret", "client_secret_previous")
VARIABLES = {"client_id": "THX_ID", "client_secret": "THX_SECRET", "client_secret_previous": "THX_OLD_SECRET"}


class Kind(Protocol):
    """A way to keep a document in files."""

    def write(self, path: Path, fields: dict[str, str]) -> None: ...


class Json:
    def write(self, path: Path, fields: dict[str, str]) -> None:
        path.touch(mode=0o600)
        path.write_text(json.dumps(fields))


class ReplacedJson:
    def write(self, path: Path, fields: dict[str, str]) -> None:
        Json().write(path.with_name("next"), fields)
        path.with_name("next").rename(path)


class Directory:
    """As an editor fills it: a line end after each value."""

    def write(self, path: Path, fields: dict[str, str]) -> None:
        path.mkdir(exist_ok=True, mode=0o700)
        for name, text in fields.items():
            (path / name).touch(mode=0o600)
            (path / name).write_text(f"{text}\n")


class Volume:
    def write(self, path: Path, fields: dict[str, str]) -> None:
        self._volume = getattr(self, "_volume", None) or SecretVolume(path, mode=0o440)
        self._volume.write(fields)


@dataclass
class FilePlace:
    path: Path
    kind: Kind

    def open(self) -> FileSource:
        return FileSource(self.path)

    async def store(self, client_id: str, *secrets: str) -> None:
        self.kind.write(self.path, {"client_id": client_id, **dict(zip(NAMES, secrets, strict=False))})


@pytest.mark.parametrize("kind", [Json, ReplacedJson, Directory, Volume])
class TestFileSource(SourceContract):
    @pytest.fixture
    def place(self, tmp_path: Path, kind: type[Kind]) -> FilePlace:
        return FilePlace(tmp_path / "client", kind())


@dataclass
class EnvironmentPlace:
    """What a process is started with: who is started later gets what is stored by then."""

    environ: dict[str, str] = field(default_factory=dict)

    def open(self) -> EnvironmentSource:
        return EnvironmentSource(VARIABLES, self.environ, Wanted())

    async def store(self, client_id: str, *secrets: str) -> None:
        stored = dict(zip(VARIABLES.values(), (client_id, *secrets), strict=False))
        # By way of bytes, as a kernel hands them over.
        self.environ = {name: os.fsdecode(os.fsencode(text)) for name, text in stored.items()}


class TestEnvironmentSource(SourceContract):
    @pytest.fixture
    def place(self) -> EnvironmentPlace:
        return EnvironmentPlace()

    @pytest.mark.parametrize(
        "changed", [("client", "changed"), ("changed", "secret"), ("client", "secret", "added")], ids=str
    )
    async def test_p45_a_changed_document_has_another_version(self, place: Store, changed: tuple[str, ...]) -> None:
        """For the process that is started with it: nothing changes the environment of one that runs."""
        await place.store("client", "secret")
        source = place.open()
        before = await source.read()
        await place.store(*changed)
        assert await source.read() is before
        assert (await place.open().read()).version != before.version


async def test_a_public_client_has_a_name_and_no_secret_and_its_version_never_changes() -> None:
    source = PublicSource("wallet")
    assert await source.read() == ClientCredentials("wallet", (), "v1")
    assert await PublicSource("wallet").read() == await source.read()
