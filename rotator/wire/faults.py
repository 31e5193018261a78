"""How an HTTP request fails, in our words: exceptions of aiohttp, ssl and the system carry requests and secrets."""

from __future__ import annotations

import errno
import ssl
from enum import Enum, auto

import aiohttp

from rotator.core.errors import whence
from rotator.wire.addresses import AddressRefusedError

UNTRUSTED = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is signed by itself, and no trusted file holds it",
    19: "its chain ends in a certificate authority that is not trusted",
    20: "its issuer is not trusted",
    62: "it is for another host name",
    64: "it is for another address",
}
"""Verification codes of OpenSSL (`man X509_STORE_CTX_get_error`)."""


class Fault(Enum):
    """What went wrong. `SLOW` and `BROKEN` leave it open whether the other side has acted on the request."""

    NO_CONNECTION_IN_TIME = auto()
    SLOW = auto()
    UNTRUSTED = auto()
    TLS = auto()
    ADDRESS_REFUSED = auto()
    NO_SUCH_HOST = auto()
    NO_CONNECTION = auto()
    BROKEN = auto()
    TRUNCATED = auto()
    NOT_HTTP = auto()
    UNFORESEEN = auto()


# The first row whose types fit: special ones stand before those that they derive from.
_KINDS: tuple[tuple[Fault, type[Exception] | tuple[type[Exception], ...]], ...] = (
    (Fault.NO_CONNECTION_IN_TIME, aiohttp.ConnectionTimeoutError),
    (Fault.SLOW, TimeoutError),
    (Fault.UNTRUSTED, aiohttp.ClientConnectorCertificateError),
    (Fault.TLS, (aiohttp.ClientSSLError, ssl.SSLError)),
    (Fault.NO_SUCH_HOST, aiohttp.ClientConnectorDNSError),
    (Fault.NO_CONNECTION, aiohttp.ClientConnectorError),
    (Fault.TRUNCATED, aiohttp.ClientPayloadError),
    (Fault.BROKEN, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, OSError)),
    (Fault.NOT_HTTP, aiohttp.ClientError),
)


def fault(error: Exception) -> Fault:
    """The kind of an exception that a request has raised."""
    if _refusal(error) is not None:
        return Fault.ADDRESS_REFUSED
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        if error.errno == errno.ETIMEDOUT:
            # The kernel gave up an instant before our own timer did.
            return Fault.NO_CONNECTION_IN_TIME
        if error.errno is None and isinstance(error.os_error, ConnectionResetError):
            # asyncio says so, without a number, when the other side ends a handshake.
            return Fault.TLS
    return next((kind for kind, types in _KINDS if isinstance(error, types)), Fault.UNFORESEEN)


def untrusted_reason(error: Exception) -> str:
    """Why a certificate is refused."""
    code = getattr(getattr(error, "certificate_error", None), "verify_code", 0)
    return UNTRUSTED.get(code, f"OpenSSL's verification code is {code}")


def refused_address(error: Exception) -> str:
    """Which address was not connected to, and why."""
    refusal = _refusal(error)
    return "" if refusal is None else f"{refusal.address}, and {refusal.why}"


def facts(error: Exception) -> dict[str, str]:
    """What may be told of an exception, by the names that messages have for it: never its own text."""
    return {
        "untrusted": untrusted_reason(error),
        "system": system_reason(error),
        "address": refused_address(error),
        "whence": whence(error),
    }


def _refusal(error: Exception) -> AddressRefusedError | None:
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return inner if isinstance(inner, AddressRefusedError) else None


def system_reason(error: Exception) -> str:
    """The name of a system error, such as ECONNREFUSED."""
    return errno.errorcode.get(getattr(error, "errno", None) or 0, "the system gave no reason")
