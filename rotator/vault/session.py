"""How everybody else speaks to Vault: one session, many callers.

While Vault is known to be away every call fails at once and only the keeper probes, so that a thousand credentials
make no storm. A refused call is explained: a dead token is replaced and the call made once more, a missing capability
is named together with the policy text that grants it (V09, V10).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from yarl import URL

from rotator.core.errors import Code, RotationError
from rotator.vault import adapter, policies
from rotator.vault.answers import DoubtError, DownError, ForbiddenError
from rotator.vault.keeper import Keeper
from rotator.vault.mounts import Mounts
from rotator.vault.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from rotator.core.ports import Clock, Journal
    from rotator.vault.answers import Document
    from rotator.vault.auth import Login
    from rotator.vault.policies import Needs
    from rotator.wire.addresses import Network

IN_FLIGHT = 64
"""Requests of callers at the same time, so that a start does not wait for the way there and back: a Vault 50 ms away
serves twice as many as with half of it, 1,060 a second, and one nearby is bounded by our own processor either way. What
a Vault serves in a second is for its rate limits to say (429); they do not count what is in flight."""


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """Where Vault is and how it is entered.

    Attributes:
        address: `https://host:port`, perhaps with a path.
        auth: One of the logins of `rotator.vault.logins`.
        namespace: Empty for the root namespace.
        ca_file: PEM bundle to trust instead of the system's.
        timeout: Seconds for one request as a whole, more than 0.
        allowed_hosts: `host:port` of further nodes to which a standby may redirect.
        allowed_networks: Where the addresses of all of them must lie; None for anywhere.
    """

    address: str
    auth: Login
    namespace: str = ""
    ca_file: Path | None = None
    timeout: float = 5.0
    allowed_hosts: tuple[str, ...] = ()
    allowed_networks: tuple[Network, ...] | None = None

    @property
    def hosts(self) -> frozenset[str]:
        """Every node that the token may be sent to."""
        url = URL(self.address)
        return frozenset((f"{url.host}:{url.port}", *self.allowed_hosts))


def _nobody() -> None:
    """Nobody waits for the recovery."""


class VaultSession:
    """One authenticated session. `run` it as a task, `call` through it, `close` it in the end.

    Args:
        settings: Where Vault is and how it is entered.
        clock: Time.
        journal: Told of `vault.login`, `vault.token_renewed`, `vault.unavailable`, `vault.recovered`, `vault.denied`,
            `vault.token_revoked`, `vault.token_left`.
        on_recovered: Called when Vault can be used again after it could not; must not block.

    Attributes:
        mounts: Which secrets engine serves a path.
    """

    def __init__(
        self, settings: VaultSettings, clock: Clock, journal: Journal, on_recovered: Callable[[], None] = _nobody
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._transport = Transport(
            settings.hosts,
            settings.timeout,
            settings.ca_file,
            settings.allowed_networks,
            certificate=settings.auth.certificate,
        )
        connect = partial(adapter.client, self._transport, settings.address, settings.namespace)
        self._keeper = Keeper(settings.auth, connect, clock, journal, on_recovered)
        self.mounts = Mounts(self, settings.namespace)
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._diagnosis = asyncio.Lock()
        self._quiet_until = float("-inf")
        self._denied: set[tuple[str, ...]] = set()

    @property
    def clock(self) -> Clock:
        """The session's time."""
        return self._clock

    @property
    def address(self) -> str:
        """Where Vault is."""
        return self._settings.address

    @property
    def entered(self) -> bool:
        """Whether there has been a login, whatever came of it since."""
        return self._keeper.generation > 0

    @property
    def generation(self) -> int:
        """Grows with each new token. What a token was lent, such as leases, ends with it."""
        return self._keeper.generation

    @property
    def trouble(self) -> RotationError | None:
        """Why Vault cannot be used now; None when nothing is known to speak against it."""
        return self._keeper.trouble

    @property
    def authenticated(self) -> bool:
        """Whether there is a token and Vault takes it, as far as is known."""
        return self._keeper.expires is not None and self._keeper.trouble is None

    @property
    def token_expires(self) -> float | None:
        """When the token dies unless it is renewed, on the elapsed clock; None without one; it may be infinite."""
        return self._keeper.expires

    @property
    def recovered_at(self) -> float | None:
        """When Vault was last found usable again after it was not, on the elapsed clock."""
        return self._keeper.recovered_at

    async def run(self) -> None:
        """Log in and keep the login alive, until cancelled. Vault may be away at any time, also at the start (V01)."""
        await self._keeper.run()

    async def tried(self) -> RotationError | None:
        """Wait for the end of the first login attempt, and tell why Vault cannot be used, if so.

        The wait is bounded, by `timeout` and a second, also when `run` has not been started.
        """
        # Each call comes by here, and none has to wait after the start: a deadline would cost more than the question.
        if not self._keeper.tried.is_set():
            try:
                async with asyncio.timeout(self._settings.timeout + 1):
                    await self._keeper.tried.wait()
            except TimeoutError:
                return RotationError(Code.VAULT_UNAVAILABLE, "no login to Vault has been tried yet")
        return self.trouble

    async def call(self, operation: Callable[[Any], Awaitable[Document]], needs: Needs) -> Document:
        """Do one operation, a second time only when its token turned out dead and was replaced.

        Args:
            operation: Makes one request with the hvac client it is given.
            needs: What the operation needs from the token's policies, to explain a refusal.

        Raises:
            RotationError: VAULT_UNAVAILABLE, VAULT_LOGIN_REFUSED, … at once while Vault is known to be out of use;
                VAULT_DENIED with the policy text to add; and whatever `answers.read` makes of the answer.
        """
        await self.tried()
        async with self._slots:
            generation, refused = self._keeper.generation, True
            try:
                return await self._once(operation, needs)
            except ForbiddenError:
                refused = not await self._revived(generation)
            if not refused:
                try:
                    return await self._once(operation, needs)
                except ForbiddenError:
                    pass  # a fresh token is refused as well: the policies are to blame
            raise await self._denial(needs)

    async def close(self) -> None:
        """Revoke the token if this session made it, and close every connection; `run` has ended before."""
        await self._keeper.revoke()
        await self._transport.close()

    async def _once(self, operation: Callable[[Any], Awaitable[Document]], needs: Needs) -> Document:
        since = self._clock.elapsed()
        self._refuse_early(since)
        try:
            document = await operation(self._keeper.client)
        except RotationError as error:
            if isinstance(error, (DownError, DoubtError)) or error.code is Code.VAULT_TLS:
                self._keeper.suspect(error, since)
            elif error.code is Code.VAULT_THROTTLED:
                self._quiet_until = self._clock.elapsed() + (error.retry_after or 0.0)
            raise
        self._denied.discard(tuple(needs))
        return document

    def _refuse_early(self, now: float) -> None:
        trouble = self._keeper.trouble
        if trouble is not None:
            raise RotationError(trouble.code, trouble.detail)
        if self._keeper.expires is None:
            raise RotationError(Code.VAULT_UNAVAILABLE, "rotator is not logged in to Vault yet")
        if now < self._quiet_until:
            wait = self._quiet_until - now
            raise RotationError(Code.VAULT_THROTTLED, "Vault asked for fewer requests a moment ago", retry_after=wait)

    async def _revived(self, generation: int) -> bool:
        """Whether there is a newer token than the refused one: one look and one login for all callers together."""
        async with self._diagnosis:
            return self._keeper.generation != generation or await self._keeper.revive()

    async def _denial(self, needs: Needs) -> RotationError:
        """What to tell about a refusal by the policies; told to the journal once per path until it works again."""
        client = self._keeper.client
        try:
            missing = policies.lacking(needs, await client.sys.get_capabilities(list(needs))) if needs else {}
        except ForbiddenError:
            self._keeper.mute = True
            missing = dict(needs)
        # Nothing missing: something else than a policy said no. Say what the request needs all the same.
        error = RotationError(Code.VAULT_DENIED, policies.explain(needs, missing or needs, self._settings.namespace))
        if tuple(needs) not in self._denied and needs:
            self._denied.add(tuple(needs))
            fields = {"path": ", ".join(missing or needs), "error": error.code.text, "detail": error.detail}
            self._journal.event("vault.denied", cure=error.code.cure, **fields)
        return error
