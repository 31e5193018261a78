"""The session when Vault, seen through a relay, misbehaves in ways that a sound server does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from rotator.core.errors import Code, RotationError
from rotator.vault.session import VaultSettings
from tests.integration.vault.relay import Forward, Relay
from tests.integration.vault.visits import until, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.demo.bao import BaoServer
    from rotator.vault.logins.approle import AppRoleLogin
    from rotator.vault.session import VaultSession
    from tests.integration.vault.administration import Admin


@pytest.fixture
async def relay(bao: BaoServer) -> AsyncIterator[Relay]:
    async with Relay(bao.address).serving() as relay:
        yield relay


@pytest.fixture
async def login(admin: Admin) -> AppRoleLogin:
    return await (await admin.approle()).login()


async def read(session: VaultSession) -> object:
    needs = {"sys/mounts": ("read",)}
    return await session.call(lambda client: client.adapter.get("/v1/sys/mounts"), needs)


async def refusal(session: VaultSession) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await read(session)
    return caught.value


def error(status: int, **headers: str) -> web.Response:
    return web.json_response({"errors": ["told by the relay"]}, status=status, headers=headers)


async def test_v07_while_vault_asks_for_fewer_requests_none_is_sent(relay: Relay, login: AppRoleLogin) -> None:
    async def throttle(request: web.Request, forward: Forward) -> web.Response:
        return error(429, **{"Retry-After": "1"}) if request.path == "/v1/sys/mounts" else await forward()

    relay.meddle = throttle
    async with visiting(VaultSettings(relay.address, login)) as visit:
        await refusal(visit.session)
        again = await refusal(visit.session)
        assert again.code is Code.VAULT_THROTTLED
        assert 0 < (again.retry_after or 0) <= 1
        assert relay.count("/v1/sys/mounts") == 1
        await asyncio.sleep(again.retry_after or 0)  # what was asked for, not luck
        await refusal(visit.session)
        assert relay.count("/v1/sys/mounts") == 2


async def test_v12_a_failing_login_is_repeated_after_one_and_two_seconds_and_never_in_haste(
    relay: Relay, login: AppRoleLogin
) -> None:
    async def fail(request: web.Request, forward: Forward) -> web.Response:
        del request, forward
        return error(503)

    relay.meddle = fail
    async with visiting(VaultSettings(relay.address, login)):
        await until(lambda: len(relay.seen) == 3, 5)
    first, second = (later - earlier for earlier, later in zip(relay.times, relay.times[1:], strict=False))
    assert 0.95 <= first <= 1.3
    assert 1.75 <= second <= 2.3


async def test_v12_v27_a_renewal_that_fails_while_reads_work_is_no_outage_and_is_not_repeated_in_haste(
    relay: Relay, admin: Admin
) -> None:
    async def full_disk(request: web.Request, forward: Forward) -> web.Response:
        return error(500) if request.path.endswith("renew-self") else await forward()

    relay.meddle = full_disk
    role = await admin.approle(token_ttl="8s")
    async with visiting(VaultSettings(relay.address, await role.login())) as visit:
        await until(lambda: relay.count("/v1/auth/token/renew-self") == 2, 8)
        await read(visit.session)
        assert visit.told() == ["vault.login"]
    tried = [at for (_, path), at in zip(relay.seen, relay.times, strict=True) if path.endswith("renew-self")]
    assert tried[1] - tried[0] >= 0.95


async def test_v10_a_token_that_died_during_an_outage_is_replaced_before_anybody_calls(
    relay: Relay, login: AppRoleLogin
) -> None:
    async def dead(request: web.Request, forward: Forward) -> web.Response:
        if request.path.endswith("lookup-self"):
            return error(403)
        return error(500) if request.path == "/v1/sys/mounts" else await forward()

    relay.meddle = dead
    async with visiting(VaultSettings(relay.address, login)) as visit:
        await refusal(visit.session)
        await until(lambda: len(visit.told("vault.login")) == 2, 5)


async def test_v10_a_vault_that_refuses_every_new_token_is_not_logged_in_to_again_and_again(
    relay: Relay, login: AppRoleLogin
) -> None:
    async def refuse(request: web.Request, forward: Forward) -> web.Response:
        return await forward() if request.path.endswith("/login") else error(403)

    relay.meddle = refuse
    async with visiting(VaultSettings(relay.address, login)) as visit:
        codes = {(await refusal(visit.session)).code for _ in range(20)}
        assert codes == {Code.VAULT_UNAVAILABLE}
        assert relay.count("/v1/auth/approle/login") == 1


async def test_a_request_from_before_the_recovery_does_not_make_a_new_outage(relay: Relay, login: AppRoleLogin) -> None:
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(request: web.Request, forward: Forward) -> web.Response:
        if request.path != "/v1/sys/mounts":
            return await forward()
        if not held.is_set():
            held.set()
            await release.wait()
        return error(503)

    relay.meddle = hold
    async with visiting(VaultSettings(relay.address, login)) as visit:
        early = asyncio.create_task(refusal(visit.session))
        await held.wait()
        await refusal(visit.session)
        await until(lambda: visit.session.trouble is None, 5)
        release.set()
        await early
        assert visit.session.trouble is None
        assert visit.told("vault.unavailable") == ["vault.unavailable"]


async def test_a_token_that_may_not_look_itself_up_is_not_taken_for_dead_by_a_probe(relay: Relay, admin: Admin) -> None:
    lookup = "/v1/auth/token/lookup-self"

    async def fail(request: web.Request, forward: Forward) -> web.Response:
        return error(500) if request.path == "/v1/sys/mounts" else await forward()

    role = await admin.approle('path "x" { capabilities = ["read"] }', token_no_default_policy=True)
    async with visiting(VaultSettings(relay.address, await role.login())) as visit:
        expires = visit.session.token_expires or 0.0
        await until(lambda: visit.session.clock.now().elapsed - (expires - 3600) > 1, 3)
        assert (await refusal(visit.session)).code is Code.VAULT_DENIED
        logins, looks = relay.count("/v1/auth/approle/login"), relay.count(lookup)
        relay.meddle = fail
        await refusal(visit.session)
        await until(lambda: relay.count(lookup) > looks, 5)
        await refusal(visit.session)
        await until(lambda: relay.count(lookup) > looks + 1, 5)
        assert relay.count("/v1/auth/approle/login") == logins
        assert visit.session.authenticated
