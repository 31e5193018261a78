"""The one thin transport to an authorization server: it sends what `request` builds and brings back what was answered.

One HTTP request per attempt. Redirects are never followed, for they would carry the secret elsewhere.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from rotator import __version__
from rotator.core.errors import Code, RotationError
from rotator.oauth.answer import LONGEST_TOKEN, Answer
from rotator.oauth.discovery import TOKEN, Discovery
from rotator.oauth.retry_after import http_date, retry_after
from rotator.wire.addresses import Reach
from rotator.wire.faults import Fault, facts, fault
from rotator.wire.kept_certificate import KeptCertificate
from rotator.wire.progress import PROGRESS, Progress
from rotator.wire.resolver import system_lookup
from rotator.wire.session import TooLargeError, UndecodableError, open_session, read_body
from rotator.wire.trust import Trust, UnusableCAFileError, UnusableCertificateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rotator.core.model import Secret
    from rotator.core.ports import Clock
    from rotator.oauth.request import TokenRequest
    from rotator.wire.addresses import Network
    from rotator.wire.resolver import Lookup


LARGEST_ANSWER = 2 * LONGEST_TOKEN
"""Bytes of an answer, once decoded. Small JSON values take twenty times their size when they are read."""

_USER_AGENT = f"rotator/{__version__}"

MOST_CERTIFICATES = 256
"""Client certificates whose TLS contexts are kept; a context takes some 50 kB and 10 ms."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One authorization server.

    Attributes:
        token_url: Its token endpoint (RFC 6749 section 3.2); empty where `issuer` leads to it.
        issuer: Its issuer identifier (RFC 8414 section 2); empty for none.
        endpoints: Further endpoints by their names in RFC 8414 section 2; they outweigh what the issuer says.
        allowed_hosts: Further hosts on which the issuer's metadata may name endpoints, beside the issuer's own.
        timeout: Seconds for a whole request, from connecting to the last byte.
        connect_timeout: Seconds for one connection to be made.
        ca_file: PEM bundle to trust instead of the system's.
        connections: Open at most.
        allowed_networks: Where its addresses must lie; None for anywhere, see `rotator.wire.addresses`.
    """

    token_url: str = ""
    issuer: str = ""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    allowed_hosts: tuple[str, ...] = ()
    timeout: float = 10.0
    connect_timeout: float = 3.0
    ca_file: Path | None = None
    connections: int = 8
    allowed_networks: tuple[Network, ...] | None = None

    @property
    def named(self) -> dict[str, str]:
        """Every endpoint that is configured, by its name."""
        return {**({TOKEN: self.token_url} if self.token_url else {}), **self.endpoints}


class Provider:
    """The connections to one authorization server, shared by all its credentials.

    Args:
        settings: Where it is and how it is spoken to.
        clock: Time.
        lookup: What finds the addresses of its host.
    """

    def __init__(self, settings: ProviderSettings, clock: Clock, lookup: Lookup = system_lookup) -> None:
        self.settings = settings
        self._clock = clock
        self._trusts: dict[tuple[Secret, Secret] | None, Trust] = {}
        self._named = settings.named
        hosts = [URL(url).host for url in (settings.issuer, *self._named.values()) if url]
        self._reach = Reach.of([*hosts, *settings.allowed_hosts], settings.allowed_networks)
        self._lookup = lookup
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._discovery = Discovery(settings.issuer, settings.allowed_hosts, self.get, clock)

    @property
    def audience(self) -> str:
        """Whom assertions are for: the issuer, or the token endpoint where none is known (RFC 7523 section 3)."""
        return self.settings.issuer or self.settings.token_url

    async def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    async def url(self, endpoint: str, *, mutual_tls: bool = False) -> str:
        """Where an endpoint is: as configured, else as the issuer's metadata says.

        Args:
            endpoint: Its name in RFC 8414 section 2.
            mutual_tls: Whether the client shows a certificate there (RFC 8705 section 5).

        Raises:
            RotationError: DISCOVERY_INVALID, PROVIDER_*.
        """
        named = self._named.get(endpoint)
        return named if named is not None else await self._discovery.url(endpoint, mutual_tls=mutual_tls)

    async def ask(self, request: TokenRequest, endpoint: str = TOKEN) -> Answer:
        """One request to an endpoint and its answer, whatever its status.

        A connection that was kept open and turns out to be dead before an answer has begun is replaced once, by a
        fresh one (N04): the server never saw the request, or has dropped it whole (RFC 9112 section 9.3.1). Once an
        answer has begun the server has acted, and asking again would mint twice.

        Raises:
            RotationError: PROVIDER_UNREACHABLE, PROVIDER_TIMEOUT, PROVIDER_TLS, PROVIDER_ADDRESS_REFUSED,
                ANSWER_TRUNCATED, ANSWER_TOO_LARGE, ANSWER_NOT_JSON, ANSWER_STATUS; DISCOVERY_INVALID;
                SECRET_MALFORMED when the client's certificate cannot be used.
        """
        url, shown = _place(await self.url(endpoint, mutual_tls=request.certificate is not None))
        where = f"the {endpoint.replace('_', ' ')} {shown}"
        return await self._call(_Call("POST", url, where, request.headers, request.body, request.certificate))

    async def get(self, url: str, what: str, headers: Mapping[str, str] | None = None) -> Answer:
        """What is at a URL of this server.

        Args:
            url: Where.
            what: The same in words, for messages: `the issuer's metadata`.
            headers: Sent along.

        Raises:
            RotationError: As `ask`.
        """
        place, shown = _place(url)
        sent = {"Accept": "application/json", **(headers or {})}
        return await self._call(_Call("GET", place, f"{what} {shown}", sent))

    async def _call(self, call: _Call) -> Answer:
        used = Progress()
        watched = PROGRESS.set(used)
        try:
            async with asyncio.timeout(self.settings.timeout):
                try:
                    return await self._exchange(call)
                except (aiohttp.ClientError, OSError) as error:
                    if not used.kept or fault(error) is not Fault.BROKEN or _has_begun(error):
                        raise
                    return await self._exchange(call, reuse=False)
        except Exception as error:  # noqa: BLE001  no foreign exception leaves this room: it may carry the secret
            failure = self._translate(error, call.where, used)
        finally:
            PROGRESS.reset(watched)
        # Not raised above: even `from None` would carry the foreign one along, as its context.
        raise failure

    async def _exchange(self, call: _Call, *, reuse: bool = True) -> Answer:
        trust = self._trust(call.certificate).context() if call.url.scheme == "https" else True
        async with self._session(reuse=reuse).request(
            call.method,
            call.url,
            data=call.body,
            headers={**call.headers, "User-Agent": _USER_AGENT},
            allow_redirects=False,
            ssl=trust,
        ) as response:
            body = await read_body(response, LARGEST_ANSWER)
            after, date = (response.headers.get(name) for name in ("Retry-After", "Date"))
            wait = None if after is None else retry_after(after, self._clock.now().wall)
            return Answer(response.status, body, call.where, wait, http_date(date))

    def _trust(self, certificate: tuple[Secret, Secret] | None) -> Trust:
        """Connections of different certificates are never shared: aiohttp tells them by the context."""
        if certificate not in self._trusts:
            if len(self._trusts) >= MOST_CERTIFICATES:
                self._trusts.pop(next(iter(self._trusts)))
            shown = None if certificate is None else KeptCertificate(*certificate)
            self._trusts[certificate] = Trust(self.settings.ca_file, shown)
        return self._trusts[certificate]

    def _session(self, *, reuse: bool) -> aiohttp.ClientSession:
        if reuse not in self._sessions:
            settings = self.settings
            self._sessions[reuse] = open_session(
                settings.connections, settings.connect_timeout, self._reach, lookup=self._lookup, reuse=reuse
            )
        return self._sessions[reuse]

    def _translate(self, error: Exception, where: str, used: Progress) -> RotationError:
        """An exception of aiohttp, ssl or the system as ours; its text stays behind."""
        match error:
            case TooLargeError():
                return RotationError(Code.ANSWER_TOO_LARGE, f"{where} answered with more than {LARGEST_ANSWER} bytes")
            case UndecodableError():
                return RotationError(Code.ANSWER_NOT_JSON, f"{where} answered in an encoding nobody asked for")
            case UnusableCAFileError():
                return RotationError(Code.PROVIDER_TLS, f"ca_file {error}")
            case UnusableCertificateError():
                return RotationError(Code.SECRET_MALFORMED, str(error))
        kind = fault(error)
        code, words = _WORDS[kind]
        told = words.format(
            where=where,
            timeout=self.settings.timeout,
            connect=self.settings.connect_timeout,
            **facts(error),
        )
        return RotationError(code, told, ambiguous=used.sent and kind in _LEFT_OPEN)


@dataclass(frozen=True, slots=True)
class _Call:
    """One HTTP request. It holds secrets."""

    method: str
    url: URL
    where: str
    headers: Mapping[str, str]
    body: bytes | None = None
    certificate: tuple[Secret, Secret] | None = None

    def __repr__(self) -> str:
        return f"_Call({self.where})"


@lru_cache(maxsize=64)
def _place(url: str) -> tuple[URL, str]:
    """A URL, taken apart once for all requests to it; the same as messages show it, without its query."""
    place = URL(url)
    return place, f"{place.origin()}{place.path}"


_WORDS = {
    Fault.NO_CONNECTION_IN_TIME: (Code.PROVIDER_TIMEOUT, "no connection to {where} within {connect:g} s"),
    Fault.SLOW: (Code.PROVIDER_TIMEOUT, "{where} did not answer whole within {timeout:g} s"),
    Fault.UNTRUSTED: (Code.PROVIDER_TLS, "the certificate of {where} is refused: {untrusted}"),
    Fault.TLS: (Code.PROVIDER_TLS, "the TLS handshake with {where} failed"),
    Fault.ADDRESS_REFUSED: (Code.PROVIDER_ADDRESS_REFUSED, "{where} is at {address}"),
    Fault.NO_SUCH_HOST: (Code.PROVIDER_UNREACHABLE, "{where} has a host name that does not resolve"),
    Fault.NO_CONNECTION: (Code.PROVIDER_UNREACHABLE, "no connection to {where}: {system}"),
    Fault.BROKEN: (Code.PROVIDER_UNREACHABLE, "the connection to {where} broke before an answer came"),
    Fault.TRUNCATED: (Code.ANSWER_TRUNCATED, "the answer of {where} ended before it was complete"),
    Fault.NOT_HTTP: (Code.ANSWER_STATUS, "{where} answered with something that is not proper HTTP"),
    Fault.UNFORESEEN: (Code.INTERNAL, "asking {where} failed: {whence}"),
}

_LEFT_OPEN = frozenset({Fault.SLOW, Fault.BROKEN, Fault.TRUNCATED})
"""After these nobody knows whether a request that had been sent has minted a token (P07)."""


def _has_begun(error: Exception) -> bool:
    """Whether an answer had begun when the connection ended; aiohttp then puts its head in place of its own words."""
    return isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)
