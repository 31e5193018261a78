"""One HTTP request to Vault, whole or not at all, and to nobody else.

What stock HTTP clients do by themselves is off: proxies and netrc from the environment, cookies, redirects, content
encodings. Each request has one deadline for everything, and an answer has a largest size.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from rotator.core.errors import Code, RotationError, whence
from rotator.vault.answers import Answer, DoubtError, DownError, malformed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_BODY = 1 << 20
"""Bytes of an answer's body; KV documents are smaller."""

CONNECT_TIMEOUT = 3.0
"""Seconds for one connection to be made."""

CONNECTIONS = 40
"""Open at most: the session's requests in flight, and a few for its own logins and probes."""

UNTRUSTED = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is signed by itself, and vault.ca_file does not hold it",
    19: "its chain ends in a certificate authority that vault.ca_file does not hold",
    20: "its issuer is not in vault.ca_file",
    62: "it is for another host name",
    64: "it is for another address",
}
"""Verification codes of OpenSSL (`man X509_STORE_CTX_get_error`) in our words."""


class Transport:
    """Carries requests to one Vault.

    Args:
        hosts: `host:port` of every node that the token may be sent to; a standby may redirect among them.
        timeout: Seconds for a whole request, from connecting to the last byte.
        ca_file: PEM bundle to trust instead of the system's; read again whenever the file changes (V30).
    """

    def __init__(self, hosts: frozenset[str], timeout: float = 5.0, ca_file: Path | None = None) -> None:
        self._hosts = hosts
        self._timeout = timeout
        self._trust = _Trust(ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, method: str, url: str, headers: Mapping[str, str], **body: Any) -> Answer:
        """One request; at most one redirect (307) of a standby to another of the hosts is followed (V04, V05).

        Raises:
            DownError: No connection could be made.
            DoubtError: The deadline passed, or the connection broke.
            RotationError: VAULT_TLS, VAULT_REDIRECTED, VAULT_MALFORMED.
        """
        request = f"{method.upper()} {_api_path(URL(url, encoded=True))}"
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._exchange(method, URL(url, encoded=True), headers, body)
                if answer.status != 307:  # noqa: PLR2004  the one redirect that keeps method and body and that Vault uses
                    return answer
                return await self._exchange(method, self._leader(request, url, answer), headers, body)
        except RotationError:
            raise
        except Exception as error:  # noqa: BLE001  no foreign exception leaves this room: it may carry token or secret
            raise _translate(request, error, self._timeout) from None

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(self, method: str, url: URL, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
        trust = self._trust.context() if url.scheme == "https" else True
        async with self._open().request(
            method, url, headers={**headers, "Accept-Encoding": "identity"}, allow_redirects=False, ssl=trust, **body
        ) as response:
            return Answer(
                response.status, response.headers, await _body(f"{method.upper()} {_api_path(url)}", response)
            )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECT_TIMEOUT, self._timeout)),
            )
        return self._session

    def _leader(self, request: str, url: str, answer: Answer) -> URL:
        """Where a standby points to, if the token may go there."""
        here = URL(url, encoded=True)
        try:
            there = here.join(URL(answer.headers.get("Location", ""), encoded=True))
            named = f"{there.host}:{there.port}"
        except ValueError:
            raise malformed(f"{request} was answered with a redirect to something that is no address") from None
        if there.scheme != here.scheme or named not in self._hosts or there.user is not None:
            raise RotationError(
                Code.VAULT_REDIRECTED,
                f"{request} was answered with a redirect to {_shown(there)}, and the token is sent to "
                f"{', '.join(sorted(self._hosts))} over {here.scheme} only; vault.allowed_hosts may name more nodes",
            )
        return there


def _api_path(url: URL) -> str:
    """The path as policies name it."""
    return url.path.rpartition("/v1/")[2]


def _shown(url: URL) -> str:
    """Scheme and host of a redirect's target as far as they are plain; the rest may hold anything."""
    host = url.host or ""
    plain = host.isascii() and host.replace("-", "").replace(".", "").replace(":", "").isalnum()
    return f"{url.scheme}://{host}:{url.port}" if plain and url.scheme in {"http", "https"} else "another place"


async def _body(request: str, response: aiohttp.ClientResponse) -> bytes:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        response.close()
        raise malformed(f"{request} was answered with an encoded body, although none was asked for")
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > MAX_BODY:
            response.close()
            raise malformed(f"{request} was answered with more than {MAX_BODY} bytes")
    return bytes(body)


class _Trust:
    """The TLS context, made anew when the file with the certificate authorities is another one."""

    def __init__(self, ca_file: Path | None) -> None:
        self._ca_file = ca_file
        self._stamp: tuple[int, int, int] | None = None
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        try:
            stamp = None if self._ca_file is None else _stamp(self._ca_file)
            if self._context is None or stamp != self._stamp:
                self._context, self._stamp = _context(self._ca_file), stamp
        except (OSError, ssl.SSLError) as error:
            why = _errno(error) if not isinstance(error, ssl.SSLError) else "it holds no certificates in PEM form"
            raise RotationError(Code.VAULT_TLS, f"vault.ca_file {self._ca_file} cannot be used: {why}") from None
        return self._context


def _stamp(file: Path) -> tuple[int, int, int]:
    status = os.stat(file)  # noqa: PTH116  one system call per request, without the detour over pathlib
    return status.st_mtime_ns, status.st_size, status.st_ino


def _context(ca_file: Path | None) -> ssl.SSLContext:
    """Like ssl.create_default_context, which however would write session keys where SSLKEYLOGFILE points."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=ca_file)
    return context


_BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError, OSError)


def _translate(request: str, error: Exception, timeout: float) -> RotationError:
    """An exception of aiohttp, ssl or the system as ours; its text stays behind."""
    connecting = min(CONNECT_TIMEOUT, timeout)
    refused = f"{request}: Vault's certificate is refused: {_untrusted(error)}"
    unavailable = Code.VAULT_UNAVAILABLE
    # The first row whose types fit: special ones stand before those that they derive from.
    rows: tuple[tuple[type[Exception] | tuple[type[Exception], ...], RotationError], ...] = (
        (aiohttp.ConnectionTimeoutError, DownError(unavailable, f"{request}: no connection within {connecting:g} s")),
        (TimeoutError, DoubtError(unavailable, f"{request} was not answered whole within {timeout:g} s")),
        (aiohttp.ClientConnectorCertificateError, RotationError(Code.VAULT_TLS, refused)),
        ((aiohttp.ClientSSLError, ssl.SSLError), RotationError(Code.VAULT_TLS, f"{request}: the TLS handshake failed")),
        (aiohttp.ClientConnectorDNSError, DownError(unavailable, f"{request}: vault.address has no such host")),
        (aiohttp.ClientConnectorError, DownError(unavailable, f"{request}: no connection: {_errno(error)}")),
        (_BROKEN, DoubtError(unavailable, f"{request}: the connection broke before the answer was complete")),
        (aiohttp.ClientError, malformed(f"{request} was answered with no proper HTTP ({type(error).__name__})")),
        (Exception, RotationError(Code.INTERNAL, f"{request}: {whence(error)}")),
    )
    return next(ours for types, ours in rows if isinstance(error, types))


def _untrusted(error: Exception) -> str:
    code = getattr(getattr(error, "certificate_error", None), "verify_code", 0)
    return UNTRUSTED.get(code, f"OpenSSL's verification code is {code}")


def _errno(error: Exception) -> str:
    return errno.errorcode.get(getattr(error, "errno", None) or 0, "the system gave no reason")
