"""What the tests of the file room share: records, sinks on a directory, and a file system with a hand in each call."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.files.formats import Layout
from rotator.files.options import FileSinkSettings
from rotator.files.sink import FileSink
from rotator.files.state import StateDirectory
from rotator.files.system import SYSTEM, FileSystem
from rotator.files.template import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALLS = frozenset(name for name in vars(FileSystem) if not name.startswith("_"))
NAME = "billing.token"

TEMPLATE = Template(
    "# what {{ credential }} shows its API until {{ expires_at }}\n"
    "{% if scope == '' %}# without a scope\n{% endif %}"
    "export BASIC={{ ('me:' ~ access_token) | b64encode }} TOKEN={{ access_token | shell }}\n",
    "/etc/rotator/billing.j2",
)
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "netrc": {"machine": "git.example.com", "login": "x-access-token"},
    "dockerconfigjson": {"registry": "registry.example.com:5000", "login": "$oauthtoken"},
    "template": {"template": TEMPLATE},
}
"""The keys that a format needs beside it."""


def layout(kind: str, credential: str = "billing") -> Layout:
    """What a format needs to know."""
    return Layout(credential, **OPTIONS.get(kind, {}))


def record(name: str = "one", life: int = 600, inputs: str = "inputs") -> TokenRecord:
    token = Secret(f"token.{name}")
    return TokenRecord(token, NOW, NOW + timedelta(seconds=life), life, "openid", fingerprint(token), inputs)


class Intercepted(FileSystem):
    """The real calls, with a hook around each. Hooks get the number of the call and its name, and may raise or kill.

    A close that is to fail closes first, as the kernel's does.
    """

    def __init__(
        self, before: Callable[[int, str], None] | None = None, after: Callable[[int, str], None] | None = None
    ) -> None:
        self.made: list[str] = []
        self._before = before
        self._after = after

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        return self._hooked(name, method) if name in CALLS else method

    def _hooked(self, name: str, method: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            number = len(self.made)
            self.made.append(name)
            try:
                if self._before is not None:
                    self._before(number, name)
            except OSError:
                if name == "close":
                    method(*args, **options)
                raise
            result = method(*args, **options)
            if self._after is not None:
                self._after(number, name)
            return result

        return call


def failing(calls: Mapping[str, int]) -> Intercepted:
    """A file system on which each of `calls` fails with its errno."""

    def fail(_: int, name: str) -> None:
        if name in calls:
            raise OSError(calls[name], os.strerror(calls[name]))

    return Intercepted(before=fail)


def sink(place: Path, kind: str = "raw", fs: FileSystem = SYSTEM, **options: Any) -> FileSink:
    """A sink for `place/out/billing.token` with its state in `place/state`."""
    (place / "out").mkdir(exist_ok=True)
    settings = FileSinkSettings(place / "out" / NAME, format=kind, **{**OPTIONS.get(kind, {}), **options})
    return FileSink(settings, "billing", StateDirectory(place / "state", fs), fs)


def run(*command: object) -> None:
    """Run a program to its end, which must be a good one."""
    subprocess.run([str(part) for part in command], check=True, timeout=60)


def inodes(place: Path) -> dict[Path, int]:
    """Every name below `place`, and the file that it stands for."""
    return {path: path.lstat().st_ino for path in place.rglob("*")}


def left_over(place: Path) -> list[str]:
    """Every temporary file below `place`."""
    return [str(path) for path in place.rglob(".*") if ".rotator-" in path.name]
