"""The page about checks and revocation, done as it is written, at the certified authorization server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from tests.docs.test_consumers import API, api
from tests.support.oidc import Options
from tests.support.pages import example
from tests.support.process import Rotator

if TYPE_CHECKING:
    from tests.docs.conftest import Place
    from tests.support.oidc import OidcProvider

PAGE = "docs/howto/verify.md"
THX = "https://auth.thx.network"


async def prepared(site: Place, server: OidcProvider, label: str, options: Options) -> str:
    """The application that the block needs, and the block with this machine's places in it."""
    who = server.register(options=options)
    (site.home / "secret").write_text(who.secret.reveal())
    await site.sh(f"bao kv put secret/apps/billing client_id={who.client_id} client_secret=@secret")
    written = example(PAGE, label).replace(THX, server.issuer)
    site.configure("")
    return (site.home / "config.toml").read_text().partition("[providers.")[0] + written


async def fingerprint(site: Place) -> str:
    return (await site.sh("bao kv get -field=fingerprint secret/tokens/billing")).strip()


async def test_a_token_is_published_when_it_says_what_it_should_and_the_api_takes_it(
    site: Place, oidc_provider: OidcProvider
) -> None:
    says = 200
    shown: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        shown.append(request.headers.get("Authorization"))
        return web.Response(status=says)

    text = await prepared(site, oidc_provider, "claims", Options())
    file = site.home / "config.toml"
    async with api(answer) as address:
        file.write_text(text.replace(API, address))
        await site.sh("rotator check --live; rotator rotate --force")
        good = await fingerprint(site)
        assert shown[-1] is not None
        says = 403
        assert "verify_refused" in await site.sh("rotator rotate --force", code=1)
        says = 503
        assert "verify_unavailable" in await site.sh("rotator rotate --force", code=1)
        says = 200
        file.write_text(file.read_text().replace('iss = "', 'iss = "https://other.example/'))
        assert "https://other.example/" in await site.sh("rotator rotate --force", code=1)
    assert await fingerprint(site) == good, "consumers keep the one that stood the checks"


async def test_an_opaque_token_is_introspected_and_revoked_once_it_is_superseded(
    site: Place, oidc_provider: OidcProvider
) -> None:
    text = await prepared(site, oidc_provider, "introspection", Options(opaque=True))
    assert 'revoke_after = "5m"' in text
    quick = text.replace('revoke_after = "5m"', 'revoke_after = "1s"\nrecheck_interval = "1s"')
    (site.home / "config.toml").write_text(quick)
    async with Rotator(site.home / "config.toml") as daemon:
        await daemon.says("token.delivered")
        first = await fingerprint(site)
        await asyncio.sleep(1.1)  # two tokens that are issued in one second are equally good: docs/adr/0007
        await site.sh("bao kv patch secret/apps/billing client_secret=@secret")  # a new version means a new token
        revoked = await daemon.says("token.revoked")
    assert revoked["fingerprint"] == first
    assert await fingerprint(site) != first
