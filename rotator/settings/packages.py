"""Kinds of installed packages that a configuration uses: which, whether two sinks are in one place, their secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.plugged import finding
from rotator.plugged.judging import UnusableError
from rotator.settings.model import described
from rotator.settings.problems import Finding, dotted
from rotator.settings.secrecy import shown
from rotator.settings.secret_files import UnsafeFileError, read_key
from rotator.settings.secret_files import read_secret as read_line
from rotator.settings.sinks import PluginSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rotator.core.model import Secret
    from rotator.plugged.judging import Found, Group
    from rotator.settings import locate
    from rotator.settings.model import Settings


def used(settings: Settings) -> list[Found]:
    """The kinds of installed packages that the configuration names, each once."""
    return finding.used(_names(settings))


def _names(settings: Settings) -> Iterator[tuple[Group, str]]:
    credentials = [credential for _, credential in described(settings)]
    for credential in credentials:
        yield finding.SOURCES, credential.source.type
        yield from ((finding.SINKS, sink.type) for sink in credential.sinks)
    for asked in (*settings.providers.values(), *credentials):
        yield finding.CLIENT_AUTHS, asked.client_auth or ""
        if asked.exchange is not None and asked.exchange.subject is not None:
            yield finding.SOURCES, asked.exchange.subject.type
    yield from ((finding.GRANT_KINDS, credential.grant) for credential in credentials)


def contradictions(settings: Settings) -> Iterator[Finding]:
    """Sinks of packages that do not say where they are, or that two tables describe."""
    taken: dict[str, locate.Path] = {}
    for section, credential in described(settings):
        for index, sink in enumerate(credential.sinks):
            if not isinstance(sink, PluginSink):
                continue
            path = (*section, "sinks", index)
            try:
                place = f"{sink.type}:{sink.plugged.place(str(section[-1]))}"
            except UnusableError as error:
                yield Finding(path, error.found, error.wanted, error.cure)
                continue
            if place in taken:
                yield Finding(
                    path,
                    shown(place),
                    f"a place of its own; {dotted(taken[place])} delivers there",
                    "name another one: one token would be written over the other",
                )
            taken.setdefault(place, path)


def read_secret(file: Path, lines: bool, *, shared: bool) -> Secret:  # noqa: FBT001  see `rotator.plugged.site`
    """The secret in a file, for a plugin.

    Args:
        file: Absolute.
        lines: Whether it may have several lines.
        shared: Whether others may read it.

    Raises:
        RotationError: SECRET_MISSING, FILE_UNSAFE.
    """
    if not file.exists():
        raise RotationError(Code.SECRET_MISSING, f"there is no file {file}; create it with mode 0600")
    try:
        return read_key(file, shared=shared) if lines else read_line(file, shared=shared)
    except UnsafeFileError as error:
        why = f"{error}; wanted a file that holds the secret and is closed to others: {error.cure}"
    raise RotationError(Code.FILE_UNSAFE, why)
