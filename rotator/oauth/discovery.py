"""Where an issuer's endpoints are: its metadata, read once an hour (RFC 8414, OpenID Connect Discovery 1.0).

The issuer stands in the configuration, so that a client secret goes where the operator says. What its metadata adds is
believed only when it names that very issuer, and only for endpoints on its own host or one that the operator allows.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from yarl import URL

from rotator.core.errors import Code, RotationError
from rotator.oauth.answer import OK, json_object

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from rotator.core.ports import Clock
    from rotator.oauth.answer import Answer

TOKEN = "token_endpoint"  # noqa: S105  names of RFC 8414 section 2
AUTHORIZATION = "authorization_endpoint"
DEVICE_AUTHORIZATION = "device_authorization_endpoint"
INTROSPECTION = "introspection_endpoint"
REVOCATION = "revocation_endpoint"
KEYS = "jwks_uri"

LIFE, AGAIN = 3600.0, 60.0
"""Seconds for which metadata is good, and until a refresh that failed is tried again; the old serves meanwhile."""

SERVER_ERROR = 5
HTTP_TOO_MANY = 429


def places(issuer: str) -> tuple[str, ...]:
    """Where an issuer's metadata may be: as OpenID Connect has it, and as RFC 8414 section 3.1 has it.

    The first is asked first, for most servers have only that; the second where there is nothing at the first.
    """
    url = URL(issuer)
    path = url.path.rstrip("/")
    openid = f"{url.origin()}{path}/.well-known/openid-configuration"
    return openid, f"{url.origin()}/.well-known/oauth-authorization-server{path}"


def read_metadata(answer: Answer, issuer: str) -> dict[str, str]:
    """The endpoints that metadata names, by name; those for certificates as `mtls:NAME`.

    Args:
        answer: What was found, status 200.
        issuer: Whose it must be.

    Raises:
        RotationError: DISCOVERY_INVALID; ANSWER_NOT_JSON, ANSWER_CONTRADICTORY.
    """
    fields = json_object(answer)
    said = fields.get("issuer")
    if said != issuer:
        shown = f"names the issuer {said!r}" if isinstance(said, str) and _is_plain(said) else "names no issuer"
        raise _invalid(f"{answer.where} {shown}, wanted exactly {issuer!r} (RFC 8414 section 3.3)")
    aliases = fields.get("mtls_endpoint_aliases")
    return dict(_endpoints(fields)) | {
        f"mtls:{name}": url for name, url in _endpoints(aliases if isinstance(aliases, dict) else {})
    }


def check_host(endpoint: str, url: str, issuer: str, allowed_hosts: tuple[str, ...]) -> None:
    """See that an endpoint is where secrets may be sent: on the issuer's own host and port, or on an allowed one.

    Raises:
        RotationError: DISCOVERY_INVALID.
    """
    there, own = URL(url), URL(issuer)
    allowed = {own.authority, *allowed_hosts}
    safe = there.scheme in {"https", own.scheme}
    if not safe or there.user is not None or not {there.authority, there.host} & allowed:
        raise _invalid(
            f"the metadata of {issuer} names a {endpoint} on {there.scheme}://{there.host}:{there.port}, and secrets "
            f"are sent to {', '.join(sorted(allowed))} only; allowed_hosts may name more"
        )


def _endpoints(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    names = (TOKEN, AUTHORIZATION, DEVICE_AUTHORIZATION, INTROSPECTION, REVOCATION, KEYS)
    said = ((name, fields.get(name)) for name in names)
    return [(name, url) for name, url in said if isinstance(url, str) and _is_plain(url)]


def _is_plain(url: str) -> bool:
    """Whether it is a URL that may be shown and asked: absolute, without what no URL holds."""
    if not url.isascii() or not url.isprintable() or len(url) > 2048 or " " in url:  # noqa: PLR2004  RFC 9110 asks for 8000; nobody needs these
        return False
    try:
        return bool(URL(url).host)
    except ValueError:
        return False


def _invalid(detail: str) -> RotationError:
    return RotationError(Code.DISCOVERY_INVALID, detail)


class Discovery:
    """The metadata of one issuer, as far as it is needed.

    Args:
        issuer: Its identifier; empty for none.
        allowed_hosts: Hosts on which endpoints may be, beside the issuer's own; with a port where it is not 443.
        get: Fetches a URL; its second argument says what it is.
        clock: Time.
    """

    def __init__(
        self,
        issuer: str,
        allowed_hosts: tuple[str, ...],
        get: Callable[[str, str], Awaitable[Answer]],
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._allowed_hosts = allowed_hosts
        self._get = get
        self._clock = clock
        self._known: dict[str, str] | None = None
        self._good_until = float("-inf")
        self._both = False
        self._asking = asyncio.Lock()

    async def url(self, endpoint: str, *, mutual_tls: bool = False) -> str:
        """Where an endpoint is.

        Args:
            endpoint: One of the names above.
            mutual_tls: Whether the client shows a certificate there.

        Raises:
            RotationError: DISCOVERY_INVALID when the metadata cannot be believed or names no such endpoint;
                PROVIDER_* when it was not to be had.
        """
        if not self._issuer:
            raise _invalid(f"the configuration names no {endpoint}, and no issuer whose metadata could")
        known = await self._metadata(endpoint)
        found = (known.get(f"mtls:{endpoint}") if mutual_tls else None) or known.get(endpoint)
        if found is None:
            raise _invalid(f"the metadata of {self._issuer} names no {endpoint}")
        # Only what is used is held to it: some issuers have their public keys elsewhere.
        check_host(endpoint, found, self._issuer, self._allowed_hosts)
        return found

    async def _metadata(self, endpoint: str) -> dict[str, str]:
        async with self._asking:
            if self._known is None or self._clock.elapsed() >= self._good_until:
                await self._refresh()
            known = self._known or {}
            if endpoint not in known and not self._both:
                # Some servers have endpoints that OpenID Connect does not know in RFC 8414's document alone.
                self._both = True
                with suppress(RotationError):
                    known = self._known = {**await self._read(places(self._issuer)[1:]), **known}
            return known

    async def _refresh(self) -> None:
        try:
            self._known = await self._read(places(self._issuer))
            self._both = False
        except RotationError:
            if self._known is None:
                raise
            # What was read before goes on serving: an issuer whose metadata is away may well mint tokens.
            self._good_until = self._clock.elapsed() + AGAIN
        else:
            self._good_until = self._clock.elapsed() + LIFE

    async def _read(self, where: tuple[str, ...]) -> dict[str, str]:
        """The metadata at the first of these places that has any."""
        answer = None
        for place in where:
            answer = await self._get(place, "the issuer's metadata at")
            if answer.status == OK:
                return read_metadata(answer, self._issuer)
            if answer.status // 100 == SERVER_ERROR or answer.status == HTTP_TOO_MANY:
                code = Code.PROVIDER_THROTTLED if answer.status == HTTP_TOO_MANY else Code.PROVIDER_UNAVAILABLE
                told = f"{answer.where} answered with status {answer.status}"
                raise RotationError(code, told, retry_after=answer.wait)
        status = 0 if answer is None else answer.status
        raise _invalid(f"there is no metadata of {self._issuer} at {' or '.join(where)}: status {status}")
