"""The daemon as its users meet it: a process, signals, servers that come and go."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.process import Rotator

if TYPE_CHECKING:
    from tests.support.process import Site

NAMES = ["billing", "reporting", "search"]
SECONDS_TO_NOTICE = 5.0


async def test_tokens_reach_vault_and_files_in_the_first_providers_shape(site: Site) -> None:
    configuration = await site.prepare(NAMES)
    async with Rotator(configuration) as rotator:
        ready = await rotator.says("daemon.ready")
        document = await site.document("billing")
        assert ready["fresh"] == 3
        assert document["token_type"] == "Bearer"
        assert document["scope"] == "openid admin"
        assert document["expires_in"] == "600"
        assert all(isinstance(value, str) for value in document.values())
        assert site.file("billing").read_text() == document["access_token"]
        assert site.requests() == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
async def test_a_restart_with_fresh_tokens_asks_for_none_r02(site: Site, number: signal.Signals) -> None:
    configuration = await site.prepare(NAMES)
    async with Rotator(configuration) as rotator:
        await rotator.says("daemon.ready")
        rotator.signal(number)
        assert await rotator.ended() == (0 if number is signal.SIGTERM else -signal.SIGKILL)
    before = [await site.document(name) for name in NAMES]
    async with Rotator(configuration) as rotator:
        await rotator.says("daemon.ready")
        await rotator.says("token.adopted", count=3)
        assert not rotator.named("token.minted")
    assert site.requests() == 3
    assert [await site.document(name) for name in NAMES] == before


async def test_sigterm_drains_tells_so_and_gives_the_vault_token_back_r04_v15(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as rotator:
        await rotator.says("daemon.ready")
        rotator.signal(signal.SIGTERM)
        assert await rotator.ended() == 0
        assert [event["event"] for event in rotator.events[-3:]] == [
            "daemon.draining",
            "vault.token_revoked",
            "daemon.stopped",
        ]


async def test_a_provider_that_is_down_at_the_start_is_noticed_within_5_s_of_its_return_p01(site: Site) -> None:
    configuration = await site.prepare(NAMES)
    site.oidc.stop()
    async with Rotator(configuration) as rotator:
        await rotator.says("token.mint_failed", count=3)
        await asyncio.sleep(8)  # long enough for backoffs to have grown
        assert len(rotator.named("token.mint_failed")) == 3
        site.oidc.start()
        await rotator.says("credential.recovered", count=3, within=SECONDS_TO_NOTICE)
        assert rotator.runs


async def test_a_vault_that_is_sealed_at_the_start_is_noticed_within_5_s_of_its_return_v01(site: Site) -> None:
    configuration = await site.prepare(NAMES)
    await site.bao.seal()
    async with Rotator(configuration) as rotator:
        await rotator.says("vault.unavailable")
        await asyncio.sleep(8)  # long enough for backoffs to have grown
        assert len(rotator.named("vault.unavailable")) == 1
        assert rotator.runs
        await site.bao.unseal()
        await rotator.says("token.delivered", count=6, within=SECONDS_TO_NOTICE)
        assert site.requests() == 3


async def test_a_provider_outage_longer_than_a_life_is_survived_and_its_end_noticed_within_5_s_p47(site: Site) -> None:
    site.lifetime = 12
    configuration = await site.prepare(NAMES)
    async with Rotator(configuration) as rotator:
        await rotator.says("daemon.ready")
        site.oidc.stop()
        await rotator.says("token.expired", count=3, within=30)
        assert len(rotator.named("token.mint_failed", credential="billing")) == 1
        expired = await site.document("billing")
        assert datetime.fromisoformat(expired["expires_at"]) <= datetime.now(UTC)  # noqa: TID251  what consumers see
        site.oidc.start()
        await rotator.says("credential.recovered", count=3, within=SECONDS_TO_NOTICE)


async def test_a_vault_outage_longer_than_a_life_is_survived_and_files_stay_fresh_v02(site: Site) -> None:
    site.lifetime = 12
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as rotator:
        await rotator.says("daemon.ready")
        await site.bao.seal()
        await rotator.says("vault.unavailable")
        first = site.file("billing").read_text()
        await rotator.says("token.delivered", sink=f"file:{site.file('billing')}", count=4, within=40)
        assert site.file("billing").read_text() != first
        await site.bao.unseal()
        recovered = rotator.says("credential.recovered", sink="vault:secret/tokens/billing", within=SECONDS_TO_NOTICE)
        await recovered
        assert (await site.document("billing"))["access_token"] == site.file("billing").read_text()


async def test_a_reload_adds_removes_and_leaves_the_others_alone_r05(site: Site) -> None:
    configuration = await site.prepare(["billing", "search"])
    async with Rotator(configuration) as rotator:
        await rotator.says("daemon.ready")
        await site.register("reporting")
        site.write(["billing", "reporting"])
        rotator.signal(signal.SIGHUP)
        reloaded = await rotator.says("config.reloaded")
        assert (reloaded["added"], reloaded["changed"], reloaded["removed"]) == (["reporting"], [], ["search"])
        await rotator.says("token.delivered", credential="reporting", count=2)
        assert len(site.oidc.requests(site.clients["billing"].client_id)) == 1


async def test_a_reload_of_a_bad_file_keeps_the_old_configuration_r05(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as rotator:
        await rotator.says("daemon.ready")
        site.extra = '\n[credentials.billing.tyop]\nsecret = "CANARY"\n'
        site.write(["billing"])
        rotator.signal(signal.SIGHUP)
        rejected = await rotator.says("config.rejected")
        assert "CANARY" not in str(rotator.events)
        assert rejected["line"]
        await site.store("billing", site.clients["billing"].secret.reveal())
        await rotator.says("token.minted", reason="inputs_changed")


async def test_a_wrong_secret_is_parked_and_a_repaired_one_is_noticed_within_seconds_p14_p45(site: Site) -> None:
    configuration = await site.prepare(["billing", "search"])
    await site.store("billing", "wrong")
    async with Rotator(configuration) as rotator:
        rejected = await rotator.says("credential.rejected", credential="billing")
        assert (rejected["error"], rejected["stage"], rejected["retryable"]) == ("invalid_client", "grant", False)
        await rotator.says("token.delivered", credential="search", count=2)
        await site.store("billing", site.clients["billing"].secret.reveal())
        await rotator.says("credential.recovered", credential="billing", within=SECONDS_TO_NOTICE + 2)


async def test_the_previous_secret_serves_while_the_new_one_is_not_accepted_yet(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    await site.store("billing", "too new", client_secret_previous=site.clients["billing"].secret.reveal())
    async with Rotator(configuration) as rotator:
        await rotator.says("credential.previous_secret", credential="billing")
        await rotator.says("token.delivered", credential="billing", count=2)


async def test_a_token_that_somebody_deleted_is_delivered_again_without_a_mint_v23(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as rotator:
        await rotator.says("daemon.ready")
        site.file("billing").unlink()
        await site.bao.request("DELETE", "secret/data/tokens/billing")
        await rotator.says("token.delivered", count=4)
        assert (await site.document("billing"))["access_token"] == site.file("billing").read_text()
        assert site.requests() == 1


async def test_somebody_elses_data_is_refused_and_left_alone_v24(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    await site.bao.request("POST", "secret/data/tokens/billing", {"data": {"password": "theirs"}})
    async with Rotator(configuration) as rotator:
        failed = await rotator.says("token.delivery_failed", sink="vault:secret/tokens/billing")
        assert failed["error"] == "sink_foreign"
        assert "bao kv metadata patch" in failed["detail"]
        await rotator.says("token.delivered", sink=f"file:{site.file('billing')}")
    assert await site.document("billing") == {"password": "theirs"}


async def test_no_secret_and_no_token_is_in_any_line_at_debug_level(site: Site) -> None:
    configuration = await site.prepare(NAMES)
    async with Rotator(configuration, level="debug") as rotator:
        await rotator.says("daemon.ready")
        rotator.signal(signal.SIGTERM)
        await rotator.ended()
        told = str(rotator.events)
        tokens = [site.file(name).read_text() for name in NAMES]
        secrets = [client.secret.reveal() for client in site.clients.values()]
        secrets += [(site.home / "secret-id").read_text()]
        assert [hidden for hidden in [*tokens, *secrets] if hidden in told] == []
