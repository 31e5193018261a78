"""What is wrong between a template (see `rotator.settings.discover`) and the rest of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rotator.oauth.grants import GRANTS
from rotator.settings.discover import KEY
from rotator.settings.problems import Finding, dotted
from rotator.settings.secrecy import shown
from rotator.settings.types import mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rotator.settings.locate import Path

PLACES = {"vault": "path", "file": "path", "kubernetes": "name"}
"""The key that says where a sink is, by its type; sinks of other types tell credentials apart by themselves."""


def faults(sections: Mapping[tuple[str, str], Mapping[str, Any]]) -> Iterator[Finding]:
    """What is wrong with templates, and what stands where they look for keys.

    Args:
        sections: What describes credentials, by its place; of a template that is ("discover", NAME).
    """
    searched = {place: where for place, one in sections.items() if place[0] == "discover" and (where := _below(one))}
    for place, section in sections.items():
        if place[0] == "discover":
            yield from _of_template(place, section)
        for path, sink in _sinks(place, section):
            kind, named = sink.get("type"), sink.get(str(path[-1]))
            looker = next((one for one, where in searched.items() if _is_below(where, sink)), None)
            if kind == "vault" and looker is not None:
                yield Finding(
                    path,
                    shown(named),
                    f"a path outside of {searched[looker][1]}, where {dotted(looker)} looks for client credentials",
                    "name another path: each token would be taken for one more application",
                )


def _of_template(place: tuple[str, str], section: Mapping[str, Any]) -> Iterator[Finding]:
    for path, sink in _sinks(place, section):
        named = sink.get(str(path[-1]))
        if isinstance(named, str) and KEY not in named:
            wanted = f"{KEY} in it, for the key of each credential: all tokens would be delivered to one place"
            yield Finding(path, shown(named), wanted, f'such as {path[-1]} = "{named}-{KEY}"')
    grant = GRANTS.get(str(section.get("grant")))
    if "login" in section or (grant is not None and grant.rotates):
        yield Finding(
            (*place, "login" if "login" in section else "grant"),
            "a grant that a person has to start",
            "one that needs nobody, for credentials that come and go",
            "write a table [credentials.NAME] for each of those",
        )


def _sinks(place: tuple[str, str], section: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The sinks that say where they are, each with the place of the key that does."""
    listed = section.get("sinks")
    for index, sink in enumerate(listed if isinstance(listed, list) else ()):
        key = PLACES.get(str(mapping_of(sink).get("type")))
        if key is not None:
            yield (*place, "sinks", index, key), mapping_of(sink)


def _below(template: Mapping[str, Any]) -> tuple[str, str] | None:
    """In which Vault and below which path a template looks; None where it does not say so."""
    source = mapping_of(template.get("source"))
    path = source.get("path")
    if not isinstance(path, str) or not path.endswith("*"):
        return None
    return str(source.get("vault", "")), path.rpartition("/")[0].strip("/")


def _is_below(where: tuple[str, str], sink: Mapping[str, Any]) -> bool:
    vault, below = where
    return str(sink.get("vault", "")) == vault and str(sink.get("path")).strip("/").startswith(f"{below}/")
