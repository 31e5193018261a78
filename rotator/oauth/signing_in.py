"""How a person starts a grant: authorization code with PKCE over a loopback redirect, or a device code.

RFC 6749 section 4.1, RFC 7636, RFC 8252 section 7.3, RFC 9207; RFC 8628. What comes of it is a refresh token.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.oauth import discovery
from rotator.oauth.answer import OK, fields_or_none, json_object, read_answer, refused
from rotator.oauth.as_client import client_request
from rotator.oauth.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.model import ClientCredentials, Moment
    from rotator.core.ports import Clock
    from rotator.oauth.answer import Answer
    from rotator.oauth.client_auth import Form
    from rotator.oauth.endpoint import EndpointSettings
    from rotator.oauth.provider import Provider

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

USUAL_INTERVAL, SLOWER = 5.0, 5.0
"""Seconds between two questions whether a device code has been approved, and by which `slow_down` lengthens them
(RFC 8628 sections 3.2 and 3.5)."""

LONGEST_INTERVAL = 60.0

SERVER_ERROR = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person is asked to agree to.

    Attributes:
        scope: Asked for at the sign-in.
        parameters: Further parameters of the authorization request.
    """

    scope: str
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Began:
    """An authorization request that waits for its answer.

    Attributes:
        url: Where the person's browser goes.
        redirect_uri: Where it comes back to.
        state: What it brings back, so that no other page can answer in its place.
        verifier: The secret half of the challenge in `url` (RFC 7636 section 4.1).
    """

    url: str
    redirect_uri: str
    state: str
    verifier: Secret


@dataclass(frozen=True, slots=True)
class Device:
    """A device code that waits for approval.

    Attributes:
        code: What is asked with.
        user_code: What the person types in.
        where: The page to type it into.
        directly: The same page with the code in it; empty when the server names none.
        interval: Seconds between two questions.
        lifetime: Seconds until the code ends.
    """

    code: Secret
    user_code: str
    where: str
    directly: str
    interval: float
    lifetime: float


class SignIn:
    """One sign-in of a client.

    Args:
        provider: The authorization server.
        settings: What the credential asks for, and how its client proves itself.
        credentials: The client's.
        clock: Time.
    """

    def __init__(
        self, provider: Provider, settings: EndpointSettings, credentials: ClientCredentials, clock: Clock
    ) -> None:
        self._provider = provider
        self._settings = settings
        self._credentials = credentials
        self._clock = clock

    async def begin(self, asked: Asked, redirect_uri: str) -> Began:
        """The URL that a person's browser has to visit.

        Raises:
            RotationError: DISCOVERY_INVALID, PROVIDER_*.
        """
        endpoint = await self._provider.url(discovery.AUTHORIZATION)
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query: Form = [
            ("response_type", "code"),
            ("client_id", self._credentials.client_id),
            ("redirect_uri", redirect_uri),
            *((("scope", asked.scope),) if asked.scope else ()),
            ("state", state),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
            *(("resource", uri) for uri in self._settings.parameters.resource),
            *asked.parameters,
        ]
        between = "&" if "?" in endpoint else "?"
        return Began(f"{endpoint}{between}{urlencode(query)}", redirect_uri, state, Secret(verifier))

    def code(self, began: Began, answer: Mapping[str, str]) -> Secret:
        """The authorization code in what the browser brought back.

        Raises:
            RotationError: LOGIN_REFUSED, when it is the answer to something else, or the person or the server said no.
        """
        if not secrets.compare_digest(answer.get("state", "").encode(), began.state.encode()):
            raise RotationError(Code.LOGIN_REFUSED, "the browser came back from another request than this one")
        issuer = self._provider.settings.issuer
        if issuer and answer.get("iss", issuer) != issuer:
            raise RotationError(Code.LOGIN_REFUSED, "the browser came back from another issuer (RFC 9207)")
        if "error" in answer or not answer.get("code"):
            said = refusal(400, {"error": answer.get("error")}, "the authorization endpoint", None)
            raise RotationError(Code.LOGIN_REFUSED, said.detail)
        return Secret(answer["code"])

    async def redeem(self, began: Began, code: Secret) -> Secret:
        """Trade the authorization code for tokens; the refresh token among them.

        Raises:
            RotationError: NO_REFRESH_TOKEN; an error code of RFC 6749 section 5.2; PROVIDER_*, ANSWER_*, ….
        """
        form = [
            ("grant_type", "authorization_code"),
            ("code", code.reveal()),
            ("redirect_uri", began.redirect_uri),
            ("code_verifier", began.verifier.reveal()),
        ]
        issued = self._clock.now()
        return self._refresh_token(await self._post(form, discovery.TOKEN), issued)

    async def begin_device(self, asked: Asked) -> Device:
        """Ask for a device code.

        Raises:
            RotationError: DISCOVERY_INVALID, PROVIDER_*, ANSWER_*, an error code of RFC 6749 section 5.2.
        """
        form: Form = [*((("scope", asked.scope),) if asked.scope else ()), *asked.parameters]
        answer = await self._post(form, discovery.DEVICE_AUTHORIZATION)
        if answer.status != OK:
            raise refused(answer)
        match json_object(answer):
            case {
                "device_code": str() as code,
                "user_code": str() as user_code,
                "verification_uri": str() as where,
                "expires_in": float() as lifetime,
                **rest,
            } if code and user_code.isprintable() and where.isprintable() and lifetime > 0:
                directly, interval = rest.get("verification_uri_complete"), rest.get("interval")
                return Device(
                    Secret(code),
                    user_code,
                    where,
                    directly if isinstance(directly, str) and directly.isprintable() else "",
                    min(interval, LONGEST_INTERVAL) if isinstance(interval, float) and interval > 0 else USUAL_INTERVAL,
                    lifetime,
                )
            case _:
                raise RotationError(Code.ANSWER_NOT_JSON, f"{answer.where} answered without a device code (RFC 8628)")

    async def poll(self, device: Device) -> Secret:
        """Wait until the person has approved the device code; the refresh token.

        Raises:
            RotationError: LOGIN_REFUSED when the person said no, or the code ended before; and as `redeem`.
        """
        form: Form = [("grant_type", DEVICE_GRANT), ("device_code", device.code.reveal())]
        interval, ends = device.interval, self._clock.elapsed() + device.lifetime
        while self._clock.elapsed() < ends:
            await self._clock.sleep(interval)
            issued = self._clock.now()
            try:
                answer = await self._post(form, discovery.TOKEN)
            except RotationError as error:
                if not error.code.retryable:
                    raise
                # The person may be typing the code in while the network fails (RFC 8628 section 3.5).
                interval = min(2 * interval, LONGEST_INTERVAL)
                continue
            if answer.status // 100 == SERVER_ERROR:
                continue
            match (fields_or_none(answer) or {}).get("error"):
                case "authorization_pending":
                    continue
                case "slow_down":
                    interval += SLOWER
                case "access_denied":
                    raise RotationError(Code.LOGIN_REFUSED, "the person at the browser said no")
                case "expired_token":
                    break
                case _:
                    return self._refresh_token(answer, issued)
        raise RotationError(Code.LOGIN_REFUSED, "nobody approved the device code before it ended")

    def _refresh_token(self, answer: Answer, issued: Moment) -> Secret:
        token = read_answer(answer, self._settings.expected, issued).refresh_token
        if token is None:
            raise RotationError(Code.NO_REFRESH_TOKEN, f"{answer.where} answered with an access token alone")
        return token

    async def _post(self, form: Form, endpoint: str) -> Answer:
        now = self._clock.now()
        request = await client_request(form, self._credentials, self._provider, self._settings, now)
        return await self._provider.ask(request, endpoint)
