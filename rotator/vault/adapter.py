"""hvac's documented extension point, awaited: its API classes return whatever the adapter's `request` returns.

So `await client.secrets.kv.v2.read_secret_version(…)` works, with our transport and our reading of answers, and what
comes back is always a dict. Errors are `RotationError`; hvac's own exceptions never arise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hvac
import hvac.adapters
from yarl import URL

from rotator.vault import answers
from rotator.vault.policies import within

if TYPE_CHECKING:
    from rotator.core.model import Secret
    from rotator.vault.answers import Document
    from rotator.vault.transport import Transport


class AioAdapter(hvac.adapters.Adapter):  # type: ignore[misc]  # hvac ships no types
    """An adapter whose requests are coroutines.

    hvac's own constructor is not called: it would open a requests.Session.

    Args:
        transport: Carries the requests; shared by adapters and closed by whoever made it.
        base_uri: Where Vault is.
        token: Sent with every request; empty for none.
        namespace: Sent with every request; empty for none.
    """

    def __init__(self, transport: Transport, base_uri: str, token: str = "", namespace: str = "") -> None:
        self.base_uri = base_uri
        self.token = token
        self.namespace = namespace
        self._transport = transport
        self._base = URL(base_uri, encoded=True)
        self._constant = {"X-Vault-Request": "true", **({"X-Vault-Namespace": namespace} if namespace else {})}

    async def request(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        raise_exception: bool = True,  # noqa: FBT001, FBT002  hvac's signature
        wrap_ttl: str | None = None,
        **kwargs: Any,
    ) -> Document:
        """Send one request.

        Args:
            method: HTTP method; Vault's own LIST is one.
            url: Path below `base_uri`, quoted.
            headers: Further headers.
            raise_exception: Part of hvac's signature; errors are always raised.
            wrap_ttl: Lifetime of a response-wrapping token, if one is wanted.
            kwargs: `json` and `params`, as aiohttp takes them.

        Returns:
            The answer's document; empty when Vault answers without one.

        Raises:
            RotationError: See `answers.read` and `Transport.send`.
        """
        del raise_exception
        sent = self._constant | (headers or {})
        if self.token:
            sent["X-Vault-Token"] = self.token
        if wrap_ttl:
            sent["X-Vault-Wrap-TTL"] = wrap_ttl
        # Not parsed from a text again, which would take longer than all else here.
        place = self._base.with_path(f"{self._base.raw_path.rstrip('/')}/{url.strip('/')}", encoded=True)
        answer = await self._transport.send(method, place, sent, **kwargs)
        return answers.read(f"{method.upper()} {url.removeprefix('/v1/')}{within(self.namespace)}", answer)

    async def login(self, url: str, use_token: bool = True, **kwargs: Any) -> Document:  # noqa: FBT001, FBT002  hvac's signature
        """Send a login request; with `use_token`, send its token from now on."""
        document = await self.post(url, **kwargs)
        if use_token:
            self.token = self.get_login_token(document)
        return document  # type: ignore[no-any-return]  # `post` is hvac's and untyped; it returns what `request` does

    def get_login_token(self, response: Document) -> str:
        """The token in the answer to a login.

        Raises:
            RotationError: VAULT_MALFORMED when there is none.
        """
        auth = response.get("auth")
        token = auth.get("client_token") if isinstance(auth, dict) else None
        if not isinstance(token, str) or not token:
            raise answers.malformed("the answer to the login holds no token")
        return token


def client(transport: Transport, address: str, namespace: str, token: Secret | None = None) -> Any:
    """An hvac client to be awaited. Neither VAULT_* variables nor ~/.vault-token have a say (G09).

    Args:
        transport: Carries the requests.
        address: Where Vault is.
        namespace: Empty for none.
        token: Sent with every request.
    """
    sent = token.reveal() if token is not None else ""
    # An empty token, not None: for None hvac would look into the environment and the home directory.
    return hvac.Client(url=address, token=sent, adapter=lambda **_: AioAdapter(transport, address, sent, namespace))
