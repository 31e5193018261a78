"""Which kinds the installed packages offer, and one of them on demand.

Entry points are read without importing what they name. A module is imported once the configuration names a kind of
it, and no other is.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.oauth.client_auth import CLIENT_AUTHENTICATION, ClientAuth
from rotator.oauth.grants import GRANTS, GrantKind
from rotator.plugged.api import SinkKind, SourceKind
from rotator.plugged.judging import Found, Group, UnusableError, loaded, package
from rotator.plugged.words import guarded_client_auth, guarded_grant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import Distribution, EntryPoint


def _take_grant(found: Found) -> None:
    GRANTS[found.name] = guarded_grant(found.kind, f"the grant {found.name} of {found.origin}")


def _take_client_auth(found: Found) -> None:
    what = f"the client authentication {found.name} of {found.origin}"
    CLIENT_AUTHENTICATION[found.name] = guarded_client_auth(found.kind, what)


SINKS = Group("rotator.sinks", "sink", SinkKind, frozenset({"type", "consumer_interval", "after_write", "debounce"}))
SOURCES = Group("rotator.sources", "source", SourceKind, frozenset({"type", "fields"}))
GRANT_KINDS = Group("rotator.grants", "grant", GrantKind, take=_take_grant)
CLIENT_AUTHS = Group("rotator.client_auth", "client authentication", ClientAuth, take=_take_client_auth)

GROUPS = (SINKS, SOURCES, GRANT_KINDS, CLIENT_AUTHS)

Points = dict[str, dict[str, list["EntryPoint"]]]
"""Entry points by the names of their groups and their own."""


@dataclass(slots=True)
class _Shelf:
    """What is known of the installed packages.

    Attributes:
        points: What they offer; None when that has to be read.
        read_at: What the places that packages are installed at were like then.
        found: Kinds that were imported.
        unusable: Those that could not be used, and why.
        unreadable: The packages that do not say what they offer.
    """

    points: Points | None
    read_at: tuple[object, ...]
    found: dict[tuple[str, str], Found]
    unusable: dict[tuple[str, str], UnusableError]
    unreadable: list[str]


_shelf = _Shelf(None, (), {}, {}, [])


def look_again() -> None:
    """Look anew at what is installed, if that has changed, and try again what could not be used.

    A module that was imported stays as it is until the process ends.
    """
    _shelf.unusable.clear()
    if _shelf.read_at != _places():
        _shelf.points = None


def offered(group: Group) -> list[str]:
    """The names of all kinds that installed packages offer."""
    return sorted(_points()[group.name])


def unreadable() -> list[str]:
    """The names of the packages whose entry points cannot be read."""
    _points()
    return sorted(_shelf.unreadable)


def offers(group: Group, name: str) -> str:
    """Which packages offer a kind of this name, for messages; empty for none."""
    return " and ".join(sorted(map(package, _points()[group.name].get(name, ()))))


def find(group: Group, name: str) -> Found:
    """The kind of this name, imported if it has not been yet. It is one of `offered`.

    Raises:
        UnusableError: It cannot be used.
    """
    key = group.name, name
    if key in _shelf.unusable:
        raise _shelf.unusable[key]
    if key not in _shelf.found:
        try:
            found = loaded(group, _only(group, name))
        except UnusableError as error:
            _shelf.unusable[key] = error
            raise
        if group.take is not None:
            group.take(found)
        _shelf.found[key] = found
    return _shelf.found[key]


def used(names: Iterable[tuple[Group, str]]) -> list[Found]:
    """Those of these kinds that come from installed packages, each once."""
    found = (_shelf.found.get((group.name, name)) for group, name in names)
    return list(dict.fromkeys(one for one in found if one is not None))


def fields() -> tuple[str, ...]:
    """The fields of a client's document that the kinds which were imported take."""
    kinds = [one.kind for one in _shelf.found.values()]
    grants = [name for kind in kinds if isinstance(kind, GrantKind) for name in kind.fields]
    proofs = [name for kind in kinds if isinstance(kind, ClientAuth) for name in (kind.field, *kind.further) if name]
    return tuple(dict.fromkeys((*grants, *proofs)))


def _points() -> Points:
    if _shelf.points is None:
        _shelf.read_at = _places()
        points: Points = {group.name: {} for group in GROUPS}
        _shelf.unreadable = []
        seen: set[str] = set()
        for installed in distributions():
            try:
                ours = [point for point in installed.entry_points if point.group in points]
                name = installed.name if ours else ""
            except Exception:  # noqa: BLE001  whatever is wrong with one package must not keep the others from use
                _shelf.unreadable.append(_named(installed))
                continue
            if name not in seen:  # a package that is installed twice: Python imports the first one
                for point in ours:
                    points[point.group].setdefault(point.name, []).append(point)
                seen.update([name] if ours else [])
        _shelf.points = points
    return _shelf.points


def _named(installed: Distribution) -> str:
    try:
        return str(installed.name)
    except Exception:  # noqa: BLE001  as above
        return "a package without a name"


def _places() -> tuple[object, ...]:
    """Changes when a package is installed or removed."""
    return tuple((place, _changed_at(Path(place or "."))) for place in sys.path)


def _changed_at(place: Path) -> int:
    try:
        return place.stat().st_mtime_ns
    except OSError:
        return 0


def _only(group: Group, name: str) -> EntryPoint:
    """The entry point of this name; where two packages offer it, the order of sys.path would say which one counts."""
    points = _points()[group.name][name]
    if len(points) > 1:
        raise UnusableError(
            f"the {group.noun} {name} is offered by {offers(group, name)}",
            "one package that offers it",
            "pip uninstall the one that is not meant",
        )
    return points[0]
