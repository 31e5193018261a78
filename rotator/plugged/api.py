"""What a plugin is made of. `rotator.plugins` is where its authors find all of this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.ports import Sink, Source
    from rotator.oauth.client_auth import ClientAuth
    from rotator.oauth.grants import GrantKind
    from rotator.plugged.site import Site

API = 1
"""Goes up when a plugin that was written for the one before would not work any more."""

LONGEST = 10.0
"""Seconds for one call, as for every attempt."""

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkKind(Generic[S]):
    """A kind of sink. The entry point's name, in `rotator.sinks`, is its `type` in the configuration.

    Attributes:
        settings: The keys of its table beside `type`, `consumer_interval` and those for hooks, which are rotator's; a
            model that refuses unknown keys, as `rotator.plugins.Section` does. No key holds a secret itself.
        place: From the settings and the credential's name, what tells this sink from all others of its kind: a path, a
            table and a row. It is shown and is in `name`. Pure.
        make: From the settings and the site, the sink. Does no I/O. An `async def close()` of what it makes is called
            once it is not used any more.
        deadline: Seconds for one call, 0.1 to 10.
    """

    settings: type[S]
    place: Callable[[S, str], str]
    make: Callable[[S, Site], Sink]
    deadline: float = LONGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind(Generic[S]):
    """A kind of source. The entry point's name, in `rotator.sources`, is its `type` in the configuration.

    Attributes:
        settings: The keys of its table beside `type` and `fields`, which are rotator's. See `SinkKind`.
        make: See `SinkKind`; `site.wanted` says which fields the document has to hold.
        deadline: Seconds for one call, 0.1 to 10.
    """

    settings: type[S]
    make: Callable[[S, Site], Source]
    deadline: float = LONGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What an entry point names.

    Attributes:
        api: The version of this API that it was written for, as a figure: 1.
        kind: What it adds: a `SinkKind` in `rotator.sinks`, a `SourceKind` in `rotator.sources`, a `GrantKind` in
            `rotator.grants`, a `ClientAuth` in `rotator.client_auth`.
    """

    api: int
    kind: SinkKind[Any] | SourceKind[Any] | GrantKind | ClientAuth
