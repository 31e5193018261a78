"""Sinks and sources of plugins, as the rest of rotator sees them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rotator.core.errors import RotationError
from rotator.core.model import ClientCredentials, Secret, TokenRecord
from rotator.plugged.guard import Guard

if TYPE_CHECKING:
    from pydantic import BaseModel

    from rotator.plugged.judging import Found
    from rotator.plugged.site import Site


class Part:
    """A part of a plugin, or why there is none.

    Args:
        found: The kind.
        settings: What the configuration says.
        site: Where it is put up.
        methods: What it has to have.
    """

    def __init__(self, found: Found, settings: BaseModel, site: Site, methods: tuple[str, ...]) -> None:
        self._guard = Guard(f"{site.name} of {found.origin}", found.kind.deadline)
        self._part: Any = None
        self._unmade: RotationError | None = None
        try:
            part = self._guard.now("make", lambda: found.kind.make(settings, site))
            lacks = [name for name in methods if not callable(getattr(part, name, None))]
            if lacks:
                raise self._guard.failed("make", f"returned a {type(part).__name__}", f"something with {lacks[0]}()")
            self._part = part
        except RotationError as error:
            self._unmade = error

    async def _call(self, name: str, *arguments: object) -> Any:
        if self._unmade is not None:
            raise RotationError(self._unmade.code, self._unmade.detail)
        return await self._guard.call(name, lambda: getattr(self._part, name)(*arguments))

    async def close(self) -> None:
        """Let it close what it has opened, if it wants to. It may fail: nobody needs it any more."""
        if callable(getattr(self._part, "close", None)):
            with suppress(RotationError):
                await self._call("close")


class PluggedSink(Part):
    """A sink of a plugin; see `rotator.core.ports.Sink`.

    Each of its failures is a RotationError: PLUGIN_TIMEOUT, PLUGIN_FAILED, or what the plugin raised.
    """

    def __init__(self, found: Found, settings: BaseModel, site: Site) -> None:
        super().__init__(found, settings, site, ("read", "write", "check"))
        self.kind = found.name
        self.name = site.name

    async def read(self) -> TokenRecord | None:
        """See `rotator.core.ports.Sink`."""
        held = await self._call("read")
        return None if held is None else self._whole("read", held)

    async def write(self, record: TokenRecord) -> TokenRecord:
        """See `rotator.core.ports.Sink`."""
        return self._whole("write", await self._call("write", record))

    async def check(self) -> None:
        """See `rotator.core.ports.Sink`."""
        await self._call("check")

    def _whole(self, name: str, held: object) -> TokenRecord:
        if isinstance(held, TokenRecord) and self._guard.now(name, lambda: _is_whole(held)):
            return held
        wanted = "a whole TokenRecord, its times in UTC and whole seconds"
        raise self._guard.failed(name, f"returned a {type(held).__name__} that is none", wanted)


class PluggedSource(Part):
    """A source of a plugin; see `rotator.core.ports.Source` and `PluggedSink`."""

    def __init__(self, found: Found, settings: BaseModel, site: Site) -> None:
        super().__init__(found, settings, site, ("read",))

    async def read(self) -> ClientCredentials:
        """See `rotator.core.ports.Source`."""
        held = await self._call("read")
        if isinstance(held, ClientCredentials) and self._guard.now("read", lambda: _is_sound(held)):
            return held
        wanted = "ClientCredentials, with texts for client_id and version, and a Secret for each secret"
        raise self._guard.failed("read", f"returned a {type(held).__name__} that is none", wanted)


def _is_whole(record: TokenRecord) -> bool:
    return TokenRecord.parse(record.fields()) == record


def _is_sound(held: ClientCredentials) -> bool:
    texts: tuple[object, ...] = (held.client_id, held.version)
    secrets: list[object] = [*held.secrets, *held.further.values()]
    return all(isinstance(text, str) for text in texts) and all(isinstance(secret, Secret) for secret in secrets)
