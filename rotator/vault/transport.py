"""One HTTP request to Vault, whole or not at all, and to nobody else.

What stock HTTP clients do by themselves is off: proxies and netrc from the environment, cookies, redirects, content
encodings. Each request has one deadline for everything, and an answer has a largest size.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from yarl import URL

from rotator.core.errors import Code, RotationError
from rotator.vault.answers import Answer, DoubtError, DownError, malformed
from rotator.wire.addresses import Reach
from rotator.wire.faults import Fault, facts, fault
from rotator.wire.resolver import system_lookup
from rotator.wire.session import MAX_BODY, TooLargeError, UndecodableError, open_session, read_body
from rotator.wire.trust import Trust, UnusableCAFileError, UnusableCertificateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import aiohttp

    from rotator.wire.addresses import Network
    from rotator.wire.resolver import Lookup
    from rotator.wire.trust import ClientCertificate

CONNECT_TIMEOUT = 3.0
"""Seconds for one connection to be made."""

LIST = "list"
"""The parameter that makes a GET a list."""

LONGEST_LIST = 32 << 20
"""Bytes of a LIST that comes at once, from a server without pages: a million keys of 30 characters."""

CONNECTIONS = 72
"""Open at most: the session's requests in flight, and a few for its own logins and probes."""


class Transport:
    """Carries requests to one Vault.

    Args:
        hosts: `host:port` of every node that the token may be sent to; a standby may redirect among them.
        timeout: Seconds for a whole request, from connecting to the last byte.
        ca_file: PEM bundle to trust instead of the system's; read again whenever the file changes (V30).
        allowed_networks: Where the nodes' addresses must lie; None for anywhere, see `rotator.wire.addresses`.
        lookup: What finds the addresses of a host.
        certificate: What is shown to a Vault that asks for it; read again whenever its files change.
    """

    def __init__(
        self,
        hosts: frozenset[str],
        timeout: float = 5.0,
        ca_file: Path | None = None,
        allowed_networks: tuple[Network, ...] | None = None,
        lookup: Lookup = system_lookup,
        certificate: ClientCertificate | None = None,
    ) -> None:
        self._hosts = hosts
        self._timeout = timeout
        self._trust = Trust(ca_file, certificate)
        self._reach = Reach.of((host.rpartition(":")[0].strip("[]") for host in hosts), allowed_networks)
        self._lookup = lookup
        self._session: aiohttp.ClientSession | None = None

    async def send(self, method: str, url: URL, headers: Mapping[str, str], **body: Any) -> Answer:
        """One request; at most one redirect (307) of a standby to another of the hosts is followed (V04, V05).

        Raises:
            DownError: No connection could be made.
            DoubtError: The deadline passed, or the connection broke.
            RotationError: VAULT_TLS, VAULT_REDIRECTED, VAULT_MALFORMED.
        """
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._exchange(method, url, headers, body)
                if answer.status != 307:  # noqa: PLR2004  the one redirect that keeps method and body and that Vault uses
                    return answer
                sent = (headers.get("X-Vault-Token"), body)
                leader = self._leader(_named(method, url), url, answer, sent)
                return await self._exchange(method, leader, headers, body)
        except RotationError:
            raise
        except Exception as error:  # noqa: BLE001  no foreign exception leaves this room: it may carry token or secret
            failure = _translate(_named(method, url), error, self._timeout)
        # Not raised above: even `from None` would carry the foreign one along, as its context.
        raise failure

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(self, method: str, url: URL, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
        trust = self._trust.context() if url.scheme == "https" else True
        async with self._open().request(
            method, url, headers=headers, allow_redirects=False, ssl=trust, **body
        ) as response:
            most = LONGEST_LIST if LIST in body.get("params", ()) else MAX_BODY
            return Answer(response.status, response.headers, await read_body(response, most))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connect_timeout = min(CONNECT_TIMEOUT, self._timeout)
            self._session = open_session(CONNECTIONS, connect_timeout, self._reach, lookup=self._lookup)
        return self._session

    def _leader(self, request: str, url: URL, answer: Answer, sent: object) -> URL:
        """Where a standby points to, if the token may go there."""
        there, named = None, ""
        try:
            there = url.join(URL(answer.headers.get("Location", ""), encoded=True))
            named = f"{there.host}:{there.port}"
        except ValueError:
            named = ""  # it holds the header
        if there is None or not named:
            raise malformed(f"{request} was answered with a redirect to something that is no address")
        if there.scheme != url.scheme or named not in self._hosts or there.user is not None:
            raise RotationError(
                Code.VAULT_REDIRECTED,
                f"{request} was answered with a redirect to {_shown(there, sent)}, and the token is sent to "
                f"{', '.join(sorted(self._hosts))} over {url.scheme} only; vault.allowed_hosts may name more nodes",
            )
        return there


def _named(method: str, url: URL) -> str:
    """A request for messages: its method, and its path as policies name it."""
    return f"{method.upper()} {url.path.rpartition('/v1/')[2]}"


ECHO = 8
"""Characters in a row of what was sent that make a name one that must not be shown."""


def _shown(url: URL, sent: object) -> str:
    """Scheme and host of a redirect's target as far as they are plain and repeat nothing of what was sent."""
    host = url.host or ""
    plain = host.isascii() and host.replace("-", "").replace(".", "").replace(":", "").isalnum()
    shown = plain and not _repeats(host, str(sent)) and url.scheme in {"http", "https"}
    return f"{url.scheme}://{host}:{url.port}" if shown else "another place"


def _repeats(host: str, sent: str) -> bool:
    """Whether a host's name has a piece of a secret in it: URLs know no capitals, and not every sign."""
    name, secret = ("".join(filter(str.isalnum, text.lower())) for text in (host, sent))
    return any(name[start : start + ECHO] in secret for start in range(len(name) - ECHO + 1))


_WORDS: Mapping[Fault, tuple[Callable[[Code, str], RotationError], Code, str]] = {
    Fault.NO_CONNECTION_IN_TIME: (DownError, Code.VAULT_UNAVAILABLE, "no connection within {connect:g} s"),
    Fault.SLOW: (DoubtError, Code.VAULT_UNAVAILABLE, "not answered whole within {timeout:g} s"),
    Fault.UNTRUSTED: (RotationError, Code.VAULT_TLS, "Vault's certificate is refused: {untrusted}"),
    Fault.TLS: (RotationError, Code.VAULT_TLS, "the TLS handshake failed"),
    Fault.ADDRESS_REFUSED: (DownError, Code.VAULT_ADDRESS_REFUSED, "not sent, since Vault's host is at {address}"),
    Fault.NO_SUCH_HOST: (DownError, Code.VAULT_UNAVAILABLE, "vault.address has no such host"),
    Fault.NO_CONNECTION: (DownError, Code.VAULT_UNAVAILABLE, "no connection: {system}"),
    Fault.TRUNCATED: (DoubtError, Code.VAULT_UNAVAILABLE, "the connection broke before the answer was complete"),
    Fault.BROKEN: (DoubtError, Code.VAULT_UNAVAILABLE, "the connection broke before the answer was complete"),
    Fault.NOT_HTTP: (RotationError, Code.VAULT_MALFORMED, "answered with something that is not proper HTTP"),
    Fault.UNFORESEEN: (RotationError, Code.INTERNAL, "{whence}"),
}
"""What is made of each fault. After a `DoubtError` nobody knows whether Vault has done what it was asked."""


def _translate(request: str, error: Exception, timeout: float) -> RotationError:
    """An exception of aiohttp, ssl or the system as ours; its text stays behind."""
    match error:
        case TooLargeError():
            return malformed(f"{request} was answered with more than {error.most} bytes")
        case UndecodableError():
            return malformed(f"{request} was answered in an encoding that cannot be undone")
        case UnusableCAFileError():
            return RotationError(Code.VAULT_TLS, f"vault.ca_file {error}")
        case UnusableCertificateError():
            return RotationError(Code.VAULT_LOGIN_REFUSED, f"{error}")
    kind, code, words = _WORDS[fault(error)]
    told = words.format(
        connect=min(CONNECT_TIMEOUT, timeout),
        timeout=timeout,
        **facts(error),
    )
    return kind(code, f"{request}: {told}")
