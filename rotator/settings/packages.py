"""Which kinds of installed packages a configuration uses, and whether two of their sinks are in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.plugged import finding
from rotator.plugged.judging import UnusableError
from rotator.settings.crosscheck import Finding
from rotator.settings.problems import dotted
from rotator.settings.secrecy import shown
from rotator.settings.sinks import PluginSink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.plugged.judging import Found, Group
    from rotator.settings.locate import Path
    from rotator.settings.model import Settings


def used(settings: Settings) -> list[Found]:
    """The kinds of installed packages that the configuration names, each once."""
    return finding.used(_names(settings))


def _names(settings: Settings) -> Iterator[tuple[Group, str]]:
    for credential in settings.credentials.values():
        yield finding.SOURCES, credential.source.type
        yield from ((finding.SINKS, sink.type) for sink in credential.sinks)
    for asked in (*settings.providers.values(), *settings.credentials.values()):
        yield finding.CLIENT_AUTHS, asked.client_auth or ""
        if asked.exchange is not None and asked.exchange.subject is not None:
            yield finding.SOURCES, asked.exchange.subject.type
    yield from ((finding.GRANT_KINDS, credential.grant) for credential in settings.credentials.values())


def contradictions(settings: Settings) -> Iterator[Finding]:
    """Sinks of packages that do not say where they are, or that two tables describe."""
    taken: dict[str, Path] = {}
    for name, credential in settings.credentials.items():
        for index, sink in enumerate(credential.sinks):
            if not isinstance(sink, PluginSink):
                continue
            path = ("credentials", name, "sinks", index)
            try:
                place = f"{sink.type}:{sink.plugged.place(name)}"
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
