"""The session's token: got by a login, renewed, got anew, and watched over while Vault is away.

One loop does one thing at a time, and after a failure nothing within a second (V12). What is due is a pure question,
`_due`; what came of it is noted in one place, `_attempt`.
"""

from __future__ import annotations

import asyncio
import math
from enum import Enum
from typing import TYPE_CHECKING, Any

from rotator.core.errors import Code, RotationError
from rotator.vault import pacing
from rotator.vault.answers import DoubtError, DownError, ForbiddenError
from rotator.vault.auth import auth_lease

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

    from rotator.core.model import Secret
    from rotator.core.ports import Clock, Journal
    from rotator.vault.auth import Lease, Login


class Task(Enum):
    """What the keeper may have to do."""

    LOGIN = "login"
    RENEW = "renew"
    PROBE = "probe"


class Keeper:
    """Keeps one Vault token alive.

    Args:
        login: How to get one.
        connect: Makes an hvac client that sends this token, or none.
        clock: Time.
        journal: Told of logins, renewals and of each change between well and not well.
        on_recovered: Called when Vault can be used again after it could not.

    Attributes:
        client: The hvac client that sends the newest token.
        generation: Grows by one with each new token.
        trouble: Why Vault cannot be used now; None when nothing speaks against it.
        recovered_at: When `trouble` last went away, on the elapsed clock.
        tried: Set once the first login has been tried.
        mute: Whether the token is not allowed to look itself up, so that refusals tell nothing about its life.
    """

    def __init__(
        self,
        login: Login,
        connect: Callable[[Secret | None], Any],
        clock: Clock,
        journal: Journal,
        on_recovered: Callable[[], None],
    ) -> None:
        self.client = connect(None)
        self.generation = 0
        self.trouble: RotationError | None = None
        self.recovered_at: float | None = None
        self.tried = asyncio.Event()
        self.mute = False
        self._login = login
        self._connect = connect
        self._clock = clock
        self._journal = journal
        self._on_recovered = on_recovered
        self._wake = asyncio.Event()
        self._lease: Lease | None = None
        self._first_ttl = self._logged_in = self._obtained = self._renew_at = 0.0
        self._at_max = self._doubt = self._refused = False
        self._failures = 0
        self._not_before = -math.inf
        self._stamp: object = None
        self._logging_in: asyncio.Task[RotationError | None] | None = None

    @property
    def expires(self) -> float | None:
        """When the token dies unless it is renewed, on the elapsed clock; None without one; it may be infinite."""
        return None if self._lease is None else self._obtained + self._lease.ttl

    async def run(self) -> None:
        """Keep the token alive until cancelled."""
        works = {Task.RENEW: self._renew, Task.PROBE: self._probe}
        while True:
            match self._due(self._now()):
                case None:
                    await self._rest()
                case Task.LOGIN:
                    await self._attempt_login()
                case task:
                    await self._attempt(works[task](), task)

    async def log_in(self) -> None:
        """Get a new token now; callers at the same time share one login, which their cancellation does not cut.

        Raises:
            RotationError: VAULT_LOGIN_REFUSED or VAULT_*.
        """
        error = await self._attempt_login()
        if error is not None:
            raise RotationError(error.code, error.detail, retry_after=error.retry_after)

    async def revive(self) -> bool:
        """After a refusal: is it the token that is dead, and is there a new one now? (RELOGIN1)

        Raises:
            RotationError: VAULT_LOGIN_REFUSED or VAULT_* when a dead token could not be replaced.
        """
        if self.mute:
            return False
        generation = self.generation
        try:
            await self.client.auth.token.lookup_self()
        except ForbiddenError:
            if generation != self.generation:
                return True  # `run` replaced it meanwhile
            if self._now() - self._logged_in < pacing.FLOOR:
                refused = "Vault refuses the token that it gave out a moment ago"
                raise DoubtError(Code.VAULT_UNAVAILABLE, refused) from None
            await self.log_in()
            return True
        return False

    def suspect(self, error: RotationError, since: float) -> None:
        """A request that began at `since` found Vault away, or failed in a way that may mean so."""
        if since < (self.recovered_at or -math.inf):
            return
        if isinstance(error, DownError) or error.code is Code.VAULT_TLS:
            self._troubled(error)
        self._doubt = True
        self._wake.set()

    async def revoke(self) -> None:
        """Give the token back if this session made it (V15); say so when that cannot be done."""
        if self._logging_in is not None:
            self._logging_in.cancel()
        if self._lease is None or not self._login.owns_token:
            return
        try:
            await self.client.auth.token.revoke_self()
        except RotationError as error:
            self._journal.event("vault.token_left", error=error.code.text, detail=error.detail, expires_at=self._dies())
        else:
            self._journal.event("vault.token_revoked")
        self._lease = None

    def _due(self, now: float) -> Task | None:
        replaced = self._login.stamp() != self._stamp
        if replaced and self.tried.is_set() and (self._refused or not self._login.owns_token):
            return Task.LOGIN
        if now < self._not_before:
            return None
        if self._lease is None or now >= self._obtained + self._lease.ttl:
            return Task.LOGIN
        if self.trouble is not None or self._doubt:
            return Task.PROBE
        if now < self._renew_at:
            return None
        return Task.LOGIN if self._at_max else Task.RENEW

    async def _attempt_login(self) -> RotationError | None:
        if self._logging_in is None or self._logging_in.done():
            self._logging_in = asyncio.create_task(self._attempt(self._log_in(), Task.LOGIN))
        return await asyncio.shield(self._logging_in)

    async def _attempt(self, work: Coroutine[Any, Any, None], task: Task) -> RotationError | None:
        started = self._now()
        try:
            await work
        except RotationError as error:
            self._failed(error, task, started)
            return error
        finally:
            self.tried.set()
        self._doubt = False
        # A renewal that met the max TTL is followed by a login at once.
        self._not_before = started if task is Task.RENEW else started + pacing.FLOOR
        if self._lease is not None:
            self._recovered()
        return None

    async def _log_in(self) -> None:
        started = self._now()
        self._stamp = self._login.stamp()
        lease = await self._login.login(self._connect)
        known = self._lease is not None and self._lease.token == lease.token
        self._refused = False
        self._logged_in = started
        self._take(lease, started)
        self._first_ttl, self._at_max = lease.ttl, not lease.renewable
        if not known:
            self.client = self._connect(lease.token)
            self.generation += 1
            self._journal.event(
                "vault.login", method=self._login.kind, ttl_s=_finite(lease.ttl), expires_at=self._dies()
            )

    async def _renew(self) -> None:
        started, generation = self._now(), self.generation
        try:
            lease = auth_lease(await self.client.auth.token.renew_self())
        except RotationError as error:
            if not isinstance(error, ForbiddenError) and error.code is not Code.VAULT_REFUSED:
                raise
            # It will not be renewed: the next step is a login, unless a caller has made one meanwhile.
            self._at_max = self._at_max or generation == self.generation
            return
        if generation != self.generation:
            return
        self.mute = False
        self._at_max = not lease.renewable or lease.ttl < pacing.SHORTENED * self._first_ttl
        self._take(lease, started)
        if self._at_max:
            self._renew_at = started
        self._journal.event("vault.token_renewed", ttl_s=_finite(lease.ttl), expires_at=self._dies())

    async def _probe(self) -> None:
        """Ask the least that shows Vault at work: about the token itself."""
        generation = self.generation
        try:
            await self.client.auth.token.lookup_self()
        except ForbiddenError:
            if not self.mute and generation == self.generation:
                self._lease = None  # dead: the next step is a login

    def _take(self, lease: Lease, started: float) -> None:
        """Hold a lease; its life is counted from before the request was sent."""
        self._lease, self._obtained, self._failures = lease, started, 0
        self._renew_at = started + lease.ttl * pacing.renewal_share(lease.token.reveal())

    def _failed(self, error: RotationError, task: Task, started: float) -> None:
        self._failures += 1
        self._refused = error.code in pacing.REFUSALS
        self._not_before = started + pacing.wait_after(error, self._failures, str(self.generation))
        alive = self._lease is not None and self._now() < self._obtained + self._lease.ttl
        if alive and task is Task.RENEW:
            self._doubt = True  # a full disk refuses renewals and serves reads (V27): a probe tells
        elif not (alive and (self._refused or error.code is Code.VAULT_THROTTLED)):
            self._troubled(error)
        elif self._refused and self._failures == 1:
            self._tell_trouble("vault.denied", error, expires_at=self._dies())  # there is time to mend it

    def _troubled(self, error: RotationError) -> None:
        before, self.trouble = self.trouble, error
        if before is None or before.code is not error.code:
            self._tell_trouble("vault.denied" if self._refused else "vault.unavailable", error)

    def _tell_trouble(self, event: str, error: RotationError, **fields: object) -> None:
        self._journal.event(event, error=error.code.text, detail=error.detail, cure=error.code.cure, **fields)

    def _recovered(self) -> None:
        if self.trouble is None:
            return
        self._journal.event("vault.recovered", after=self.trouble.code.text)
        self.trouble = None
        self._failures = 0
        self.recovered_at = self._now()
        self._on_recovered()

    async def _rest(self) -> None:
        """Until the next look: a tick at most, less when something is due earlier or asked for."""
        now = self._now()
        until = min((at for at in (self._renew_at, self._not_before) if at > now), default=math.inf)
        sleeping = asyncio.create_task(self._sleep(min(pacing.TICK, until - now)))
        woken = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait((sleeping, woken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            woken.cancel()
        self._wake.clear()

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def _now(self) -> float:
        return self._clock.elapsed()

    def _dies(self) -> datetime | None:
        expires = self.expires
        return None if expires is None or math.isinf(expires) else self._clock.now().at(expires)


def _finite(ttl: float) -> float | None:
    """Seconds, or None for a token that does not expire."""
    return None if math.isinf(ttl) else ttl
