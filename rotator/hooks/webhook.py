"""A request to somebody who wants to know of a write. It carries no token: who may have that reads it from the sink."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yarl import URL

from rotator import __version__
from rotator.core.errors import Code, RotationError
from rotator.wire.addresses import Reach
from rotator.wire.faults import Fault, facts, fault
from rotator.wire.session import open_session
from rotator.wire.threads import in_thread
from rotator.wire.trust import Trust, UnusableCAFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rotator.core.model import Secret
    from rotator.hooks.port import Occasion

CONNECT_WITHIN = 3.0
"""Seconds for one connection to be made."""

COME_AGAIN = frozenset({408, 425, 429})
"""Statuses below 500 that may pass (RFC 9110 section 15.5.9, RFC 8470 section 5.2, RFC 6585 section 4)."""


@dataclass(frozen=True, slots=True)
class WebhookHook:
    """A POST of a JSON object: credential, sink, fingerprint, expires_at.

    One request; TLS verified, no redirect followed, no proxy, no address that a provider may not have either. Any
    status from 200 to 299 is a success; the answer's body is not read.

    Attributes:
        url: https, or http on this machine.
        deadline: Seconds for the whole request.
        ca_file: PEM bundle to trust instead of the system's.
        bearer: Reads what `Authorization: Bearer` shows, in a thread; None for no such header. Raises RotationError.
    """

    url: str
    deadline: float = 10.0
    ca_file: Path | None = None
    bearer: Callable[[], Secret] | None = field(default=None, repr=False)
    kind = "webhook"

    @property
    def name(self) -> str:
        """See `rotator.hooks.port.Hook`; without the query, in which people put secrets."""
        url = URL(self.url)
        return f"webhook:{url.origin()}{url.raw_path}"

    async def run(self, occasion: Occasion) -> None:
        """See `rotator.hooks.port.Hook`.

        Raises:
            RotationError: HOOK_UNREACHABLE, HOOK_TLS, HOOK_REFUSED, HOOK_TIMEOUT, HOOK_BEARER.
        """
        where = f"the {self.name.replace(':', ' ', 1)}"
        try:
            async with asyncio.timeout(self.deadline):
                status = await self._post(json.dumps(occasion.told()).encode(), await self._headers())
        except RotationError:
            raise
        except Exception as error:  # noqa: BLE001  no foreign exception leaves this room: it carries the request
            failure: RotationError | None = self._translate(error, where)
        else:
            failure = _judge(status, where)
        if failure is not None:
            raise failure

    async def check(self) -> None:
        """See `rotator.hooks.port.Hook`: the files are looked at; no request is sent.

        Raises:
            RotationError: HOOK_TLS, HOOK_BEARER, HOOK_TIMEOUT.
        """
        try:
            async with asyncio.timeout(self.deadline):
                await self._headers()
                await in_thread(Trust(self.ca_file).context, "trust of a hook")
        except UnusableCAFileError as error:
            raise RotationError(Code.HOOK_TLS, f"ca_file {error}") from None
        except TimeoutError:
            detail = f"the files of {self.name} could not be read within {self.deadline:g} s: see whether a disk hangs"
            raise RotationError(Code.HOOK_TIMEOUT, detail) from None

    async def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"rotator/{__version__}",
        }
        if self.bearer is not None:
            bearer = await in_thread(self.bearer, "bearer of a hook")
            headers["Authorization"] = f"Bearer {bearer.reveal()}"
        return headers

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> int:
        trust = (
            await in_thread(Trust(self.ca_file).context, "trust of a hook") if self.url.startswith("https:") else True
        )
        reach = Reach.of([URL(self.url).host])
        async with (
            open_session(1, min(CONNECT_WITHIN, self.deadline), reach, reuse=False) as session,
            session.post(self.url, data=body, headers=headers, allow_redirects=False, ssl=trust) as response,
        ):
            return response.status

    def _translate(self, error: Exception, where: str) -> RotationError:
        if isinstance(error, UnusableCAFileError):
            return RotationError(Code.HOOK_TLS, f"ca_file {error}")
        code, words = _WORDS[fault(error)]
        told = words.format(
            where=where,
            deadline=self.deadline,
            **facts(error),
        )
        return RotationError(code, told)


def _judge(status: int, where: str) -> RotationError | None:
    """What a status means; None for a success."""
    if 200 <= status <= 299:  # noqa: PLR2004  RFC 9110 section 15.3
        return None
    if 300 <= status <= 399:  # noqa: PLR2004  RFC 9110 section 15.4
        return RotationError(Code.HOOK_REFUSED, f"{where} answered {status}, a redirect; it is not followed")
    if status >= 500 or status in COME_AGAIN:  # noqa: PLR2004  RFC 9110 section 15.6
        return RotationError(Code.HOOK_UNREACHABLE, f"{where} answered {status}; wanted 200 to 299")
    return RotationError(Code.HOOK_REFUSED, f"{where} answered {status}; wanted 200 to 299")


_WORDS = {
    Fault.NO_CONNECTION_IN_TIME: (Code.HOOK_UNREACHABLE, "no connection to {where} in time"),
    Fault.SLOW: (Code.HOOK_TIMEOUT, "{where} did not answer within {deadline:g} s"),
    Fault.UNTRUSTED: (Code.HOOK_TLS, "the certificate of {where} is refused: {untrusted}"),
    Fault.TLS: (Code.HOOK_TLS, "the TLS handshake with {where} failed"),
    Fault.ADDRESS_REFUSED: (Code.HOOK_REFUSED, "{where} is at {address}; nothing was sent"),
    Fault.NO_SUCH_HOST: (Code.HOOK_UNREACHABLE, "{where} has a host name that does not resolve"),
    Fault.NO_CONNECTION: (Code.HOOK_UNREACHABLE, "no connection to {where}: {system}"),
    Fault.BROKEN: (Code.HOOK_UNREACHABLE, "the connection to {where} broke before an answer came"),
    Fault.TRUNCATED: (Code.HOOK_UNREACHABLE, "the answer of {where} ended before it was complete"),
    Fault.NOT_HTTP: (Code.HOOK_UNREACHABLE, "{where} answered with something that is not proper HTTP"),
    Fault.UNFORESEEN: (Code.INTERNAL, "asking {where} failed: {whence}"),
}
