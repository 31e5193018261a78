"""Token requests whose outcome the provider's gate learns of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.model import ClientCredentials, Grant
    from rotator.core.ports import Clock, TokenEndpoint
    from rotator.engine.gate import Gate


NOT_ITS_FAULT = frozenset({Code.PLUGIN_UNAVAILABLE, Code.PLUGIN_REFUSED, Code.PLUGIN_TIMEOUT, Code.PLUGIN_FAILED})
"""Failures of plugins, which tell nothing of the provider: neither that it is away nor that it is there."""


class GatedEndpoint:
    """A token endpoint that tells its provider's gate how it went.

    Args:
        endpoint: Where tokens are minted.
        gate: Its provider's.
        clock: Time.
        recovered: Told when an answer has ended an outage of the provider.
        nearing: Told when the provider's quota is nearly used up.
    """

    __slots__ = ("_clock", "_endpoint", "_gate", "_nearing", "_recovered")

    def __init__(
        self,
        endpoint: TokenEndpoint,
        gate: Gate,
        clock: Clock,
        recovered: Callable[[Gate], None],
        nearing: Callable[[Gate], None] = lambda _: None,
    ) -> None:
        self._endpoint = endpoint
        self._gate = gate
        self._clock = clock
        self._recovered = recovered
        self._nearing = nearing

    async def mint(self, credentials: ClientCredentials) -> Grant:
        """See `rotator.core.ports.TokenEndpoint`."""
        try:
            with self._gate.asking(self._clock.elapsed()):
                grant = await self._endpoint.mint(credentials)
        except RotationError as error:
            if error.code in NOT_ITS_FAULT:
                raise
            if self._gate.failed(error, self._clock.elapsed()):
                self._recovered(self._gate)
            raise
        now = self._clock.elapsed()
        if self._gate.answered(now):
            self._recovered(self._gate)
        if self._gate.minted(now):
            self._nearing(self._gate)
        return grant
