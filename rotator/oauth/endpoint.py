"""The one thin transport to token endpoints: it sends what `request` builds and hands on to `answer` what comes back.

One HTTP request per attempt. Redirects are never followed, for they would carry the secret elsewhere.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from rotator import __version__
from rotator.core.errors import Code, RotationError, whence
from rotator.oauth.answer import LONGEST_TOKEN, Answer, Expectations, read_answer
from rotator.oauth.client_auth import ClientAuthSettings, prove
from rotator.oauth.grants import GrantParameters, grant_form
from rotator.oauth.request import token_request
from rotator.oauth.retry_after import retry_after
from rotator.wire.addresses import Reach
from rotator.wire.faults import Fault, fault, refused_address, system_reason, untrusted_reason
from rotator.wire.resolver import system_lookup
from rotator.wire.session import TooLargeError, UndecodableError, open_session, read_body
from rotator.wire.trust import Trust, UnusableCAFileError

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.core.model import ClientCredentials, Grant
    from rotator.core.ports import Clock
    from rotator.oauth.request import TokenRequest
    from rotator.wire.addresses import Network
    from rotator.wire.resolver import Lookup


LARGEST_ANSWER = 2 * LONGEST_TOKEN
"""Bytes of an answer, once decoded. Small JSON values take twenty times their size when they are read."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One authorization server.

    Attributes:
        token_url: Its token endpoint (RFC 6749 section 3.2).
        audience: Whom assertions are for; empty for the token endpoint (RFC 7523 section 3).
        timeout: Seconds for a whole request, from connecting to the last byte.
        connect_timeout: Seconds for one connection to be made.
        ca_file: PEM bundle to trust instead of the system's.
        connections: Open at most.
        allowed_networks: Where its addresses must lie; None for anywhere, see `rotator.wire.addresses`.
    """

    token_url: str
    audience: str = ""
    timeout: float = 10.0
    connect_timeout: float = 3.0
    ca_file: Path | None = None
    connections: int = 8
    allowed_networks: tuple[Network, ...] | None = None


class Provider:
    """The connections to one authorization server, shared by all its credentials.

    Args:
        settings: Where it is and how it is spoken to.
        clock: Time.
        lookup: What finds the addresses of its host.
    """

    def __init__(self, settings: ProviderSettings, clock: Clock, lookup: Lookup = system_lookup) -> None:
        self.settings = settings
        url = URL(settings.token_url)
        self._where = f"the token endpoint {url.origin()}{url.path}"
        self._clock = clock
        self._trust = Trust(settings.ca_file)
        self._reach = Reach.of([url.host], settings.allowed_networks)
        self._lookup = lookup
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    @property
    def audience(self) -> str:
        """Whom assertions are for."""
        return self.settings.audience or self.settings.token_url

    async def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    async def ask(self, request: TokenRequest) -> Answer:
        """One request and its answer, whatever its status.

        A connection that was kept open and turns out to be dead before an answer has begun is replaced once, by a
        fresh one (N04): the server never saw the request, or has dropped it whole (RFC 9112 section 9.3.1). Once an
        answer has begun the server has acted, and asking again would mint twice.

        Raises:
            RotationError: PROVIDER_UNREACHABLE, PROVIDER_TIMEOUT, PROVIDER_TLS, PROVIDER_ADDRESS_REFUSED,
                ANSWER_TRUNCATED, ANSWER_TOO_LARGE, ANSWER_NOT_JSON, ANSWER_STATUS.
        """
        used = SimpleNamespace(kept=False, sent=False)
        try:
            async with asyncio.timeout(self.settings.timeout):
                try:
                    return await self._exchange(request, used)
                except (aiohttp.ClientError, OSError) as error:
                    if not used.kept or fault(error) is not Fault.BROKEN or _has_begun(error):
                        raise
                    return await self._exchange(request, used, reuse=False)
        except Exception as error:  # noqa: BLE001  no foreign exception leaves this room: it may carry the secret
            failure = self._translate(error, used)
        # Not raised above: even `from None` would carry the foreign one along, as its context.
        raise failure

    async def _exchange(self, request: TokenRequest, used: SimpleNamespace, *, reuse: bool = True) -> Answer:
        trust = self._trust.context() if self.settings.token_url.startswith("https:") else True
        headers = {**request.headers, "Accept-Encoding": "identity", "User-Agent": f"rotator/{__version__}"}
        async with self._session(reuse=reuse).post(
            self.settings.token_url,
            data=request.body,
            headers=headers,
            allow_redirects=False,
            ssl=trust,
            trace_request_ctx=used,
        ) as response:
            body = await read_body(response, LARGEST_ANSWER)
            wait = retry_after(response.headers.get("Retry-After"), self._clock.now().wall)
            return Answer(response.status, body, self._where, wait)

    def _session(self, *, reuse: bool) -> aiohttp.ClientSession:
        if reuse not in self._sessions:
            settings = self.settings
            session = open_session(
                settings.connections, settings.connect_timeout, self._reach, lookup=self._lookup, reuse=reuse
            )
            session.trace_configs.append(_note_progress())
            self._sessions[reuse] = session
        return self._sessions[reuse]

    def _translate(self, error: Exception, used: SimpleNamespace) -> RotationError:
        """An exception of aiohttp, ssl or the system as ours; its text stays behind."""
        where = self._where
        match error:
            case TooLargeError():
                return RotationError(Code.ANSWER_TOO_LARGE, f"{where} answered with more than {LARGEST_ANSWER} bytes")
            case UndecodableError():
                return RotationError(Code.ANSWER_NOT_JSON, f"{where} answered in an encoding nobody asked for")
            case UnusableCAFileError():
                return RotationError(Code.PROVIDER_TLS, f"ca_file {error}")
        kind = fault(error)
        code, words = _WORDS[kind]
        told = words.format(
            where=where,
            timeout=self.settings.timeout,
            connect=self.settings.connect_timeout,
            untrusted=untrusted_reason(error),
            system=system_reason(error),
            address=refused_address(error),
            whence=whence(error),
        )
        return RotationError(code, told, ambiguous=used.sent and kind in _LEFT_OPEN)


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


def _note_progress() -> aiohttp.TraceConfig:
    """Tell a request how far it came: whether its connection had been used before, whether it has been sent.

    aiohttp says so in no other way.
    """

    async def reused(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
        context.trace_request_ctx.kept = True

    async def sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
        context.trace_request_ctx.sent = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reused)
    trace.on_request_headers_sent.append(sent)
    trace.freeze()
    return trace


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """What one credential asks its provider for, and how its client proves itself.

    Attributes:
        parameters: What is asked for.
        client_auth: How the client proves itself.
        assertion_audience: Whom its assertions are for; empty for what the provider has.
        expected: What an answer is held against.
    """

    parameters: GrantParameters = field(default_factory=GrantParameters)
    client_auth: ClientAuthSettings = field(default_factory=ClientAuthSettings)
    assertion_audience: str = ""
    expected: Expectations = field(default_factory=Expectations)


class HttpTokenEndpoint:
    """A token endpoint as one credential sees it; see `rotator.core.ports.TokenEndpoint`."""

    def __init__(self, provider: Provider, settings: EndpointSettings, clock: Clock) -> None:
        self._provider = provider
        self._settings = settings
        self._clock = clock

    async def mint(self, credentials: ClientCredentials) -> Grant:
        """See `rotator.core.ports.TokenEndpoint`."""
        now = self._clock.now()
        audience = self._settings.assertion_audience or self._provider.audience
        form = await grant_form(credentials, self._settings.parameters, audience, now)
        proof = await prove(credentials, self._settings.client_auth, audience, now)
        issued = self._clock.now()
        answer = await self._provider.ask(token_request(form, proof))
        grant = read_answer(answer, self._settings.expected, issued)
        # A scope is shown and stored where no secret belongs, and servers have been seen to echo (P44).
        sent = {secret.reveal() for secret in (*credentials.secrets, *credentials.further.values())}
        return replace(grant, scope="") if sent & set(grant.scope.split()) else grant
