"""One HTTP request to a Kubernetes API server, whole or not at all, and to nobody else.

What stock HTTP clients do by themselves is off: proxies and netrc from the environment, cookies, redirects, content
encodings. Each request has one deadline for everything, and an answer has a largest size.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yarl import URL

from rotator import __version__
from rotator.core.errors import Code, RotationError
from rotator.kubernetes.answers import TOO_MANY_REQUESTS, UNAUTHORIZED, Answer, malformed, read, retry_after
from rotator.kubernetes.pacing import Pacing
from rotator.kubernetes.token_file import TokenFile
from rotator.wire.addresses import Reach
from rotator.wire.faults import Fault, facts, fault
from rotator.wire.resolver import system_lookup
from rotator.wire.session import TooLargeError, UndecodableError, open_session, read_body
from rotator.wire.trust import Trust, UnusableCAFileError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import aiohttp

    from rotator.core.model import Secret
    from rotator.core.ports import Clock
    from rotator.kubernetes.answers import Asked, Document
    from rotator.wire.resolver import Lookup

CONNECT_TIMEOUT = 3.0
"""Seconds for one connection to be made."""

CONNECTIONS = 16
"""Open at most, for all sinks of a cluster together."""

LARGEST_ANSWER = 2 << 20
"""Bytes. A Secret's values are at most 1 MiB together, which base64 makes a third longer, and its metadata 256 KiB."""

APPLY = "application/apply-patch+yaml"
"""The content type of server-side apply, also where the body is JSON."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """One API server, as rotator is let into it. Sinks with equal settings share one `Cluster`.

    Attributes:
        api_server: https://HOST:PORT, with a path where something in front of it serves several clusters.
        token_file: Holds the bearer token; read again whenever it changes, as projected tokens do.
        ca_file: PEM bundle to trust instead of the system's; read again whenever it changes.
        timeout: Seconds for a whole request, from connecting to the last byte.
    """

    api_server: str
    token_file: Path
    ca_file: Path | None = None
    timeout: float = 5.0


class Cluster:
    """The connections to one API server, shared by all sinks that it keeps Secrets for.

    Args:
        settings: Where it is and how it is entered.
        clock: Time.
        lookup: What finds the addresses of its host.

    Attributes:
        host: Host and port, for names and messages.
    """

    def __init__(self, settings: ClusterSettings, clock: Clock, lookup: Lookup = system_lookup) -> None:
        self.settings = settings
        url = URL(settings.api_server)
        self.host = f"{url.host}:{url.port}"
        self.clock = clock
        self._token = TokenFile(settings.token_file)
        self._trust = Trust(settings.ca_file)
        self._reach = Reach.of([url.host])
        self._lookup = lookup
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._pacing = Pacing(clock, CONNECTIONS)

    async def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    async def get(self, asked: Asked, path: str) -> Document:
        """Read an object as it is now: without a resourceVersion the answer is the newest state there is.

        Raises:
            RotationError: See `rotator.kubernetes.answers.read`.
        """
        return await self._ask(asked, "GET", path, {})

    async def apply(
        self, asked: Asked, path: str, document: Document, manager: str, *, force: bool = False, dry: bool = False
    ) -> Document:
        """Apply `document` as a field manager.

        Args:
            asked: For messages.
            path: Of the object.
            document: All that this manager wants; what it wanted before and does not want now, is removed.
            manager: Its name.
            force: Whether fields that others have set meanwhile are taken back from them.
            dry: Whether everything is tried and nothing kept.

        Raises:
            RotationError: See `rotator.kubernetes.answers.read`.
        """
        query = {
            "fieldManager": manager,
            **({"force": "true"} if force else {}),
            **({"dryRun": "All"} if dry else {}),
        }
        return await self._ask(asked, "PATCH", path, query, document)

    async def _ask(
        self, asked: Asked, method: str, path: str, query: Mapping[str, str], document: Document | None = None
    ) -> Document:
        token = self._token.current()
        async with self._pacing.leave(asked.request):
            answer = await self._send(asked, method, path, query, document, token)
            if answer.status == UNAUTHORIZED and (renewed := self._token.again()) != token:
                answer = await self._send(asked, method, path, query, document, renewed)
        if answer.status == TOO_MANY_REQUESTS:
            self._pacing.pause(retry_after(answer))
        return read(asked, answer)

    async def _send(
        self,
        asked: Asked,
        method: str,
        path: str,
        query: Mapping[str, str],
        document: Document | None,
        token: Secret,
    ) -> Answer:
        """One request and its answer, whatever its status.

        A connection that breaks is replaced once, by a fresh one (N04): whatever we ask may be asked twice, since what
        is applied carries the resourceVersion that it replaces.

        Raises:
            RotationError: KUBERNETES_UNAVAILABLE, KUBERNETES_TLS, KUBERNETES_ADDRESS_REFUSED, KUBERNETES_MALFORMED.
        """
        headers = {
            "Authorization": f"Bearer {token.reveal()}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"rotator/{__version__}",
            **({"Content-Type": APPLY} if document is not None else {}),
        }
        body = None if document is None else json.dumps(document).encode()
        url = URL(self.settings.api_server.rstrip("/") + path).with_query(dict(query))
        try:
            async with asyncio.timeout(self.settings.timeout):
                try:
                    return await self._exchange(method, url, headers, body)
                except Exception as error:
                    if fault(error) is not Fault.BROKEN:
                        raise
                return await self._exchange(method, url, headers, body, reuse=False)
        except Exception as error:  # noqa: BLE001  no foreign exception leaves this room: it may carry a token
            failure = self._translate(asked, error)
        # Not raised above: even `from None` would carry the foreign one along, as its context.
        raise failure

    async def _exchange(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, *, reuse: bool = True
    ) -> Answer:
        trust = self._trust.context() if url.scheme == "https" else True
        async with self._session(reuse=reuse).request(
            method, url, headers=headers, data=body, allow_redirects=False, ssl=trust
        ) as response:
            return Answer(response.status, response.headers, await read_body(response, LARGEST_ANSWER))

    def _session(self, *, reuse: bool) -> aiohttp.ClientSession:
        if reuse not in self._sessions:
            connect_timeout = min(CONNECT_TIMEOUT, self.settings.timeout)
            self._sessions[reuse] = open_session(
                CONNECTIONS, connect_timeout, self._reach, lookup=self._lookup, reuse=reuse
            )
        return self._sessions[reuse]

    def _translate(self, asked: Asked, error: Exception) -> RotationError:
        """An exception of aiohttp, ssl or the system as ours; its text stays behind."""
        request = asked.request
        match error:
            case RotationError():
                return error
            case TooLargeError():
                return malformed(f"{request} was answered with more than {LARGEST_ANSWER} bytes")
            case UndecodableError():
                return malformed(f"{request} was answered in an encoding that nobody asked for")
            case UnusableCAFileError():
                return RotationError(Code.KUBERNETES_TLS, f"ca_file {error}")
        code, words = _WORDS[fault(error)]
        told = words.format(
            connect=min(CONNECT_TIMEOUT, self.settings.timeout),
            timeout=self.settings.timeout,
            **facts(error),
        )
        return RotationError(code, f"{request}: {told}")


class Clusters:
    """One `Cluster` for all sinks with the same `ClusterSettings`, made when the first one wants it.

    Args:
        clock: Time.
        lookup: What finds the addresses of hosts.
    """

    def __init__(self, clock: Clock, lookup: Lookup = system_lookup) -> None:
        self._clock = clock
        self._lookup = lookup
        self._made: dict[ClusterSettings, Cluster] = {}

    def cluster(self, settings: ClusterSettings) -> Cluster:
        """The one with these settings. One that nobody uses any more has no connections after a few seconds."""
        if settings not in self._made:
            self._made[settings] = Cluster(settings, self._clock, self._lookup)
        return self._made[settings]

    async def close(self) -> None:
        """Close every connection of every one."""
        for cluster in self._made.values():
            await cluster.close()


_WORDS: Mapping[Fault, tuple[Code, str]] = {
    Fault.NO_CONNECTION_IN_TIME: (Code.KUBERNETES_UNAVAILABLE, "no connection within {connect:g} s"),
    Fault.SLOW: (Code.KUBERNETES_UNAVAILABLE, "not answered whole within {timeout:g} s"),
    Fault.UNTRUSTED: (Code.KUBERNETES_TLS, "the server's certificate is refused: {untrusted}"),
    Fault.TLS: (Code.KUBERNETES_TLS, "the TLS handshake failed"),
    Fault.ADDRESS_REFUSED: (Code.KUBERNETES_ADDRESS_REFUSED, "not sent, since the server's host is at {address}"),
    Fault.NO_SUCH_HOST: (Code.KUBERNETES_UNAVAILABLE, "api_server has a host name that does not resolve"),
    Fault.NO_CONNECTION: (Code.KUBERNETES_UNAVAILABLE, "no connection: {system}"),
    Fault.TRUNCATED: (Code.KUBERNETES_UNAVAILABLE, "the connection broke before the answer was complete"),
    Fault.BROKEN: (Code.KUBERNETES_UNAVAILABLE, "the connection broke before an answer came, and the next one as well"),
    Fault.NOT_HTTP: (Code.KUBERNETES_MALFORMED, "answered with something that is not proper HTTP"),
    Fault.UNFORESEEN: (Code.INTERNAL, "{whence}"),
}
"""What is made of each fault. After most of them nobody knows what the server has done: the next look tells."""
