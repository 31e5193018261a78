"""Whether the API that a token is for takes it: one request that an operator has named."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yarl import URL

from rotator import __version__
from rotator.core.errors import RotationError
from rotator.oauth.checks.check import is_passing, refused, unavailable
from rotator.oauth.retry_after import retry_after
from rotator.wire.addresses import Reach
from rotator.wire.faults import Fault, facts, fault
from rotator.wire.session import open_session
from rotator.wire.trust import UnusableCAFileError

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.core.model import ClientCredentials, Grant, Secret
    from rotator.core.ports import Clock
    from rotator.oauth.checks.commons import Commons
    from rotator.wire.addresses import Network

CONNECT_WITHIN = 3.0
"""Seconds for one connection to be made."""

UNAUTHORIZED, FORBIDDEN = 401, 403


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """What is asked of the API.

    Attributes:
        url: https, or http on this machine.
        method: GET, HEAD or POST; without a body.
        expect: The statuses that are a success; empty for all from 200 to 299.
        timeout: Seconds for the whole request.
        ca_file: PEM bundle to trust instead of the system's.
        allowed_networks: Where its addresses must lie; None for anywhere, see `rotator.wire.addresses`.
    """

    url: str
    method: str = "GET"
    expect: tuple[int, ...] = ()
    timeout: float = 5.0
    ca_file: Path | None = None
    allowed_networks: tuple[Network, ...] | None = None


class Probe:
    """Sends the token to the API once; see `rotator.oauth.checks.check.Check`.

    TLS verified, no redirect followed, no proxy, no address that a provider may not have either. The body of the
    answer is not read.

    Args:
        settings: What is asked.
        commons: Shared by all checks.
        clock: Time.
    """

    name = "probe"

    def __init__(self, settings: ProbeSettings, commons: Commons, clock: Clock) -> None:
        self._settings = settings
        self._outages = commons.outages
        self._trust = commons.trust(settings.ca_file)
        self._clock = clock
        url = URL(settings.url)
        self._where = f"the API at {url.origin()}{url.raw_path}"

    async def verify(self, _: ClientCredentials, grant: Grant) -> Grant:
        """See `rotator.oauth.checks.check.Check`."""
        status = await self._outages.ask(self._where, lambda: self._ask(grant.access_token))
        if status in {UNAUTHORIZED, FORBIDDEN}:
            raise refused(f"{self._where} does not take the token: it answered {status}; wanted {self._wanted()}")
        if not self._is_good(status):
            what = "a redirect, which is not followed" if 300 <= status <= 399 else "which says nothing good of it"  # noqa: PLR2004  RFC 9110 section 15.4
            raise refused(f"{self._where} answered the token with {status}, {what}; wanted {self._wanted()}")
        return grant

    def _is_good(self, status: int) -> bool:
        expect = self._settings.expect
        return status in expect if expect else 200 <= status <= 299  # noqa: PLR2004  RFC 9110 section 15.3

    def _wanted(self) -> str:
        return " or ".join(map(str, self._settings.expect)) or "200 to 299"

    async def _ask(self, token: Secret) -> int:
        try:
            async with asyncio.timeout(self._settings.timeout):
                answer: tuple[int, float | None] | RotationError = await self._request(token)
        except Exception as error:  # noqa: BLE001  no foreign exception leaves this room: it carries the token
            answer = self._translate(error)
        # Not raised above: even `from None` would carry the foreign one along, as its context.
        if isinstance(answer, RotationError):
            raise answer
        status, wait = answer
        if is_passing(status):
            raise unavailable(f"{self._where} answered {status}", wait)
        return status

    async def _request(self, token: Secret) -> tuple[int, float | None]:
        settings = self._settings
        trust = self._trust.context() if settings.url.startswith("https:") else True
        headers = {
            "Authorization": f"Bearer {token.reveal()}",
            "Accept-Encoding": "identity",
            "User-Agent": f"rotator/{__version__}",
        }
        reach = Reach.of([URL(settings.url).host], settings.allowed_networks)
        connect_within = min(CONNECT_WITHIN, settings.timeout)
        async with (
            open_session(1, connect_within, reach, reuse=False) as session,
            session.request(
                settings.method, settings.url, headers=headers, allow_redirects=False, ssl=trust
            ) as response,
        ):
            wait = retry_after(response.headers.get("Retry-After"), self._clock.now().wall)
            return response.status, wait

    def _translate(self, error: Exception) -> RotationError:
        if isinstance(error, UnusableCAFileError):
            return unavailable(f"verify.probe.ca_file {error}")
        told = _WORDS[fault(error)].format(
            where=self._where,
            timeout=self._settings.timeout,
            **facts(error),
        )
        return unavailable(told)


_WORDS = {
    Fault.NO_CONNECTION_IN_TIME: "no connection to {where} in time",
    Fault.SLOW: "{where} did not answer within {timeout:g} s",
    Fault.UNTRUSTED: "the certificate of {where} is refused: {untrusted}; the token was not sent",
    Fault.TLS: "the TLS handshake with {where} failed",
    Fault.ADDRESS_REFUSED: "{where} is at {address}; the token was not sent",
    Fault.NO_SUCH_HOST: "{where} has a host name that does not resolve",
    Fault.NO_CONNECTION: "no connection to {where}: {system}",
    Fault.BROKEN: "the connection to {where} broke before an answer came",
    Fault.TRUNCATED: "the answer of {where} ended before it was complete",
    Fault.NOT_HTTP: "{where} answered with something that is not proper HTTP",
    Fault.UNFORESEEN: "asking {where} failed: {whence}",
}
