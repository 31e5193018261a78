"""Tokens that nobody needs any more are revoked, after an overlap and beside all else.

Whatever becomes of it, passes neither wait for it nor learn of it. What has not been revoked when rotator ends, or when
the credential is configured anew, is forgotten: such tokens end by themselves, as all do without this.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rotator.core import policy
from rotator.core.errors import Code, RotationError, whence
from rotator.core.supersession import superseded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rotator.core.model import BearerToken, CredentialSpec, Secret
    from rotator.core.observation import Observation
    from rotator.core.ports import Clock, Journal, Sink

ATTEMPTS, FIRST_PAUSE = 5, 10.0
"""How often a revocation is tried, and seconds between the first two tries; the pause doubles."""


class Revoker:
    """Revokes the superseded tokens of one credential.

    Args:
        spec: The credential.
        after: Seconds that a token is left to its consumers once every sink holds a newer one.
        revoke: Revokes a token.
        sinks: The credential's; they are read once more before a token is revoked.
        turn: Shared by all credentials of a provider: so many revocations are made there at once. Their requests must
            not take the connections from those that mint.
        clock: Time.
        journal: Told what became of it.
    """

    def __init__(
        self,
        spec: CredentialSpec,
        after: float,
        revoke: Callable[[Secret], Awaitable[None]],
        sinks: Sequence[Sink],
        turn: asyncio.Semaphore,
        clock: Clock,
        journal: Journal,
    ) -> None:
        self._spec = spec
        self._after = after
        self._revoke = revoke
        self._sinks = sinks
        self._turn = turn
        self._clock = clock
        self._journal = journal
        self._known: dict[str, BearerToken] = {}
        # Nothing is revoked that was found in a sink and may be of another provider: what is sent there is a secret.
        self._inputs: set[str] = set()
        self._pending: dict[str, asyncio.Task[None]] = {}
        self._failing: Code | None = None

    def look(self, seen: Observation) -> None:
        """See what a pass has left behind; tokens that it superseded are seen to from now on."""
        now = self._clock.elapsed()
        if seen.inputs is not None:
            self._inputs.add(seen.inputs)
        for token in policy.tokens(seen):
            if token.fingerprint in self._pending:  # it is needed again: its time counts anew
                self._pending.pop(token.fingerprint).cancel()
        for token in superseded(self._known.values(), seen, now):
            del self._known[token.fingerprint]
            task = asyncio.create_task(self._see_to(token), name=f"revocation for {self._spec.name}")
            self._pending[token.fingerprint] = task
        found = (token for token in policy.tokens(seen) if token.inputs in self._inputs)
        known = {**self._known, **{token.fingerprint: token for token in found}}
        self._known = {name: token for name, token in known.items() if token.expires > now}
        self._pending = {name: task for name, task in self._pending.items() if not task.done()}

    async def close(self) -> None:
        """Forget what has not been revoked yet."""
        pending = list(self._pending.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _see_to(self, token: BearerToken) -> None:
        await self._pass_time(self._after)
        for attempt in range(1, ATTEMPTS + 1):
            async with self._turn:
                if token.expires <= self._clock.elapsed():
                    return
                failure = await self._attempt(token)
            if failure is None:
                return
            pause = max(FIRST_PAUSE * 2.0 ** (attempt - 1), failure.retry_after or 0.0)
            if not failure.code.retryable or attempt == ATTEMPTS or token.remaining(self._clock.elapsed()) <= pause:
                self._tell_failure(token, failure, attempt)
                return
            await self._pass_time(pause)

    async def _attempt(self, token: BearerToken) -> RotationError | None:
        """Revoke it unless somebody needs it after all; why it could not be done."""
        try:
            if await self._is_needed(token):
                return None
            await self._revoke(token.access_token)
        except RotationError as error:
            return error
        except Exception as error:  # noqa: BLE001  a bug here must not end the others' revocations
            return RotationError(Code.INTERNAL, whence(error))
        self._failing = None
        self._journal.event(
            "token.revoked",
            credential=self._spec.name,
            provider=self._spec.provider,
            fingerprint=token.fingerprint,
            remaining_s=round(token.remaining(self._clock.elapsed()), 1),
        )
        return None

    async def _is_needed(self, token: BearerToken) -> bool:
        """Whether a sink holds it: another rotator may have put it there since the last look.

        Raises:
            RotationError: A sink could not be looked at.
        """
        records = await asyncio.gather(*(sink.read() for sink in self._sinks))
        return token.fingerprint in {record.fingerprint for record in records if record is not None}

    def _tell_failure(self, token: BearerToken, failure: RotationError, attempts: int) -> None:
        """Tell it once: a server that revokes no tokens of this kind says so of each."""
        before, self._failing = self._failing, failure.code
        if failure.code is before:
            return
        now = self._clock.now()
        self._journal.event(
            "token.revocation_failed",
            credential=self._spec.name,
            provider=self._spec.provider,
            fingerprint=token.fingerprint,
            error=failure.code.text,
            detail=failure.detail,
            cure=failure.code.cure,
            attempts=attempts,
            expires_at=now.at(token.expires),
        )

    async def _pass_time(self, seconds: float) -> None:
        until = self._clock.elapsed() + seconds
        while (left := until - self._clock.elapsed()) > 0:
            await self._clock.sleep(left)
