"""Tokens that are checked before they are published, and revoked when nobody needs them, by the installed rotator."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.acceptance import test_login
from tests.support.api import an_api
from tests.support.oidc import Options
from tests.support.plain_client import PlainClient
from tests.support.process import Rotator, rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api import Api
    from tests.support.process import Site

SIGNED, OPAQUE = Options(), Options(opaque=True)


def probing(api: Api) -> str:
    return f'[defaults.verify]\nprobe = {{ url = "{api.url}", timeout = "1s" }}\n'


async def prepared(site: Site, extra: str, options: Options = SIGNED) -> Path:
    """One credential, and these keys for it."""
    site.extra, site.provider = extra, f'issuer = "{site.oidc.issuer}"'
    await site.prepare([])
    site.clients["billing"] = site.oidc.register(lifetime=site.lifetime, options=options)
    await site.store("billing", site.clients["billing"].secret.reveal())
    return site.write(["billing"])


async def active(site: Site, token: str) -> bool:
    """Whether the provider takes a token for good."""
    async with aiohttp.ClientSession() as session:
        answer = await PlainClient(site.oidc, session).introspect(site.clients["billing"], token)
    found: bool = answer["active"]
    return found


async def test_a_bad_token_is_not_published_the_good_one_stays_and_a_good_one_follows(site: Site) -> None:
    async with an_api() as api:
        configuration = await prepared(site, probing(api))
        async with Rotator(configuration) as daemon:
            await daemon.says("token.delivered", count=2)
            good = site.file("billing").read_text()
            assert api.tokens == [good]
            api.refuses_new = True
            # Another version of the same document: a new token is wanted at once.
            await site.store("billing", site.clients["billing"].secret.reveal())
            rejected = await daemon.says("token.rejected")
            assert (rejected["error"], rejected["stage"], rejected["retryable"]) == ("verify_refused", "verify", False)
            assert "does not take the token: it answered 401" in rejected["detail"]
            assert rejected["remaining_s"] > 500
            await asyncio.sleep(3)  # long enough for a look
            assert (await site.document("billing"))["access_token"] == site.file("billing").read_text() == good
            api.refuses_new = False
            await site.store("billing", site.clients["billing"].secret.reveal())
            await daemon.says("credential.recovered", after="verify_refused")
            await daemon.says("token.delivered", count=4)
            assert site.file("billing").read_text() == api.tokens[-1] != good
        told = json.dumps(daemon.events)
        assert all(token not in told for token in api.tokens)


async def test_an_api_that_is_down_for_three_attempts_costs_one_token(site: Site) -> None:
    async with an_api() as api:
        api.status = 503
        configuration = await prepared(site, probing(api))
        async with Rotator(configuration, level="debug") as daemon:
            rejected = await daemon.says("token.rejected", error="verify_unavailable")
            assert rejected["retryable"] is True
            await daemon.says("token.mint_retried", attempt=3, within=40)
            assert not site.file("billing").exists()
            api.status = 200
            await daemon.says("token.delivered", count=2, within=40)
        assert site.requests() == 1
        assert len(set(api.tokens)) == 1
        assert site.file("billing").read_text() == api.tokens[0]


async def test_an_api_that_hangs_delays_nobody_else(site: Site) -> None:
    async with an_api() as api:
        api.hangs = True
        checked = probing(api).replace("defaults", "credentials.billing")
        site.extra, site.provider = checked, "max_in_flight = 1"
        configuration = await site.prepare(["billing", "search"])
        async with Rotator(configuration) as daemon:
            await daemon.says("token.delivered", credential="search", count=2)
            await daemon.says("token.rejected", credential="billing", error="verify_unavailable")
            assert not daemon.named("token.minted", credential="billing")


CLAIMS = '[defaults.verify]\nclaims = {{ iss = "{}", scope = "openid admin" }}\n'


async def test_signed_claims_are_what_they_should_be_or_nothing_is_published(site: Site) -> None:
    await prepared(site, CLAIMS.format("https://another.example"))
    configuration = site.home / "config.toml"
    async with Rotator(configuration) as daemon:
        rejected = await daemon.says("token.rejected")
        assert rejected["detail"] == "the token's iss is another one; wanted 'https://another.example', to the letter"
        site.extra = CLAIMS.format(site.oidc.issuer)
        site.write(["billing"])
        daemon.signal(signal.SIGHUP)
        await daemon.says("token.delivered", count=2)


async def test_a_token_that_the_provider_itself_takes_for_good_is_published(site: Site) -> None:
    configuration = await prepared(site, "[defaults.verify]\nintrospection = true\n", OPAQUE)
    async with Rotator(configuration) as daemon:
        await daemon.says("token.delivered", count=2)
    (asked,) = site.oidc.requests(site.clients["billing"].client_id, "/token/introspection")
    assert asked.header("Authorization")[0].startswith("Basic ")
    assert site.requests() == 1


async def test_a_rotated_refresh_token_is_stored_although_the_token_that_came_with_it_is_refused(site: Site) -> None:
    configuration = await test_login.prepared(site, test_login.STARTED)
    await test_login.sign_in(configuration)
    first = (await test_login.kept(site.bao))["refresh_token"]
    site.extra += '[credentials.wallet.verify]\nclaims = { aud = "urn:another", signed = false }\n'
    site.write(["backend"])
    async with Rotator(configuration) as daemon:
        await daemon.says("token.rejected", credential="wallet", error="verify_refused")
    stored = await test_login.kept(site.bao)
    assert stored["refresh_token"] != first
    assert stored["claimed_by"] == ""
    alive = [one.token.reveal() for one in site.oidc.refresh_tokens(site.clients["wallet"].client_id) if not one.used]
    assert alive == [stored["refresh_token"]]


async def test_check_live_makes_the_checks_with_a_token_that_is_thrown_away(site: Site) -> None:
    async with an_api() as api:
        api.status = 403
        configuration = await prepared(site, probing(api))
        code, out, _ = await rotator("check", "--live", "-o", "json", "-c", configuration)
    assert code == 1
    assert "verify_refused" in out
    assert not site.file("billing").exists()


async def test_a_superseded_token_is_revoked_after_the_overlap_and_the_new_one_is_not(site: Site) -> None:
    configuration = await prepared(site, '[defaults]\nrevoke_after = "2s"\n', OPAQUE)
    async with Rotator(configuration) as daemon:
        await daemon.says("token.delivered", count=2)
        old = site.file("billing").read_text()
        await site.store("billing", site.clients["billing"].secret.reveal())
        await daemon.says("token.delivered", count=4)
        assert await active(site, old), "its consumers may not have read the new one yet"
        revoked = await daemon.says("token.revoked")
        assert revoked["fingerprint"] == daemon.named("token.minted")[0]["fingerprint"]
        assert not await active(site, old)
        assert await active(site, site.file("billing").read_text())


async def test_of_a_provider_that_revokes_no_such_tokens_it_is_told_once_and_tokens_go_on(site: Site) -> None:
    configuration = await prepared(site, '[defaults]\nrevoke_after = "1s"\n')
    async with Rotator(configuration) as daemon:
        for count in (2, 4, 6):
            await daemon.says("token.delivered", count=count)
            await asyncio.sleep(5)  # two tokens of one credential are five seconds apart
            await site.store("billing", site.clients["billing"].secret.reveal())
        failed = await daemon.says("token.revocation_failed")
        assert failed["level"] == "warning"
        assert "unsupported_token_type" in failed["detail"]
        assert len(daemon.named("token.revocation_failed")) == 1


@pytest.mark.parametrize("keys", ["revoke_after = '5m'", "[defaults.verify]\nclaims = {}"], ids=["revocation", "keys"])
async def test_a_provider_of_which_it_is_not_known_where_to_ask_is_refused_at_the_start(site: Site, keys: str) -> None:
    site.extra = keys if keys.startswith("[") else f"[defaults]\n{keys}"
    configuration = await site.prepare(["billing"])
    code, _, said = await rotator("check", "-c", configuration)
    assert code == 2
    assert "nor issuer" in said
