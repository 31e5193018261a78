"""A real server that is brought into trouble by its own means: quotas, locks, audit devices, mounts."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web

from rotator.contract import record
from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.demo.bao import BaoServer
from rotator.vault.kv_sink import KvSink
from rotator.vault.kv_source import KvSource
from rotator.vault.logins.approle import AppRoleLogin
from rotator.vault.logins.token import TokenLogin
from rotator.vault.session import VaultSettings
from tests.integration.vault.relay import Forward, Relay
from tests.integration.vault.visits import settings, until, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rotator.vault.session import VaultSession
    from tests.integration.vault.administration import Admin

NUMBERS = itertools.count()
GOOD = {"client_id": "me", "client_secret": "hush"}


@pytest.fixture
def key() -> str:
    return f"apps/trouble-{next(NUMBERS)}"


async def look(session: VaultSession) -> Any:
    return await session.call(lambda client: client.auth.token.lookup_self(), {})


async def refusal(session: VaultSession, path: str = "secret/apps/x") -> RotationError:
    with pytest.raises(RotationError) as caught:
        await KvSource(session, path).read()
    return caught.value


async def test_v03_a_vault_that_is_not_initialised_is_waited_for() -> None:
    bao = BaoServer("inmem")
    try:
        await bao.listen()
        async with visiting(VaultSettings(bao.address, TokenLogin(lambda: bao.root_token))) as visit:
            assert (await refusal(visit.session)).code is Code.VAULT_UNAVAILABLE
            await bao.open()
            await until(lambda: visit.session.authenticated, 5)
            assert visit.told() == ["vault.unavailable", "vault.login", "vault.recovered"]
    finally:
        bao.close()


async def test_v03_a_namespace_that_is_locked_is_an_outage_until_it_is_unlocked(admin: Admin) -> None:
    name = f"team{next(NUMBERS)}"
    await admin.api.write_data(f"sys/namespaces/{name}", data={})
    async with visiting(settings(admin.bao, None, namespace=name)) as visit:
        await look(visit.session)
        locked = await admin.api.write_data(f"sys/namespaces/api-lock/lock/{name}", data={})
        error = await refusal(visit.session)
        assert (error.code, "namespace is locked" in error.detail) == (Code.VAULT_UNAVAILABLE, True)
        await admin.api.write_data(f"sys/namespaces/api-lock/unlock/{name}", data=locked["data"])
        await until(lambda: visit.session.trouble is None, 5)
        assert visit.told() == ["vault.login", "vault.unavailable", "vault.recovered"]


@pytest_asyncio.fixture(params=[False, True], ids=["without Retry-After", "with Retry-After"])
async def metered(request: pytest.FixtureRequest, admin: Admin) -> AsyncIterator[str]:
    """A mount below which one request in three seconds is let through."""
    mount = await admin.mount(2)
    await admin.api.write_data(f"{mount}/data/app", data={"data": GOOD})
    await admin.api.write_data("sys/quotas/config", data={"enable_rate_limit_response_headers": request.param})
    quota = {"path": f"{mount}/", "rate": 1, "interval": "3s"}
    await admin.api.write_data(f"sys/quotas/rate-limit/{mount}", data=quota)
    yield mount
    await admin.api.adapter.delete(f"/v1/sys/quotas/rate-limit/{mount}")


async def test_v07_a_quota_holds_all_callers_back_for_as_long_as_vault_says_or_a_second(
    admin: Admin, metered: str
) -> None:
    async with (
        Relay(admin.bao.address).serving() as relay,
        visiting(VaultSettings(relay.address, TokenLogin(admin.bao.root_token))) as visit,
    ):
        source = KvSource(visit.session, f"{metered}/app")
        await source.read()
        waits = [(await refusal(visit.session, f"{metered}/app")).retry_after or 0.0 for _ in range(5)]
        assert 0.9 <= waits[0] <= 3.0
        assert waits == sorted(waits, reverse=True)
        assert relay.count(f"/v1/{metered}/data/app") == 2
        assert visit.session.trouble is None
        async with asyncio.timeout(8):
            while not await _read(source):
                pass
        assert relay.count(f"/v1/{metered}/data/app") <= 5


async def _read(source: KvSource) -> bool:
    """Whether it could be read; if not, returns when Vault has asked to be asked again."""
    try:
        await source.read()
    except RotationError as error:
        wait = error.retry_after
    else:
        return True
    assert wait is not None
    await asyncio.sleep(wait)
    return False


@pytest.mark.parametrize(
    ("role", "why"),
    [
        pytest.param({"secret_id_num_uses": 1}, "used up", id="used up"),
        pytest.param({"secret_id_ttl": "1s"}, "expired", id="expired"),
        pytest.param({"secret_id_bound_cidrs": ["192.0.2.0/24"]}, "this machine's address", id="of another network"),
    ],
)
async def test_v13_a_secret_id_that_is_good_no_more_is_told_and_a_new_one_needs_no_restart(
    admin: Admin, tmp_path: Path, role: dict[str, Any], why: str
) -> None:
    bad, good = await admin.approle(**role), await admin.approle()
    file, role_id = tmp_path / "secret-id", tmp_path / "role-id"
    secret_id = await bad.secret_id()
    await _spend(admin, bad.role_id, secret_id, role)
    file.write_text(secret_id.reveal())
    role_id.write_text(bad.role_id.reveal())
    async with visiting(settings(admin.bao, AppRoleLogin(role_id, file))) as visit:
        error = await refusal(visit.session)
        assert error.code is Code.VAULT_LOGIN_REFUSED
        assert why in error.detail
        assert secret_id.reveal() not in error.detail
        role_id.write_text(good.role_id.reveal())
        file.write_text((await good.secret_id()).reveal())
        await until(lambda: visit.session.authenticated, 3)
        assert visit.told() == ["vault.denied", "vault.login", "vault.recovered"]


async def _spend(admin: Admin, role_id: Secret, secret_id: Secret, role: dict[str, Any]) -> None:
    """Use the secret id up, or wait until its life is over."""
    login = {"role_id": role_id.reveal(), "secret_id": secret_id.reveal()}
    if "secret_id_num_uses" in role:
        await admin.api.write_data("auth/approle/login", data=login)
    if "secret_id_ttl" in role:
        await asyncio.sleep(1.1)  # its life, not luck


async def test_v18_a_document_of_ten_thousand_fields_is_read_and_its_token_url_has_no_say(
    admin: Admin, key: str
) -> None:
    await admin.put(key, **GOOD, token_url="https://evil.example/token")

    async def crowd(_: web.Request, forward: Forward) -> web.Response:
        answer = await forward()
        document = json.loads(answer.body)  # type: ignore[arg-type]  # bytes, as the relay makes it
        if "metadata" in document["data"]:
            # More than bao itself takes in a request; HashiCorp's Vault does.
            document["data"]["data"] |= {f"field{number}": "x" * 20 for number in range(10_000)}
        return web.json_response(document)

    async with Relay(admin.bao.address).serving() as relay:
        relay.meddle = crowd
        async with visiting(VaultSettings(relay.address, TokenLogin(admin.bao.root_token))) as visit:
            read = await KvSource(visit.session, f"secret/{key}").read()
    assert (read.client_id, read.secrets) == ("me", (Secret("hush"),))
    assert "evil" not in repr(read)


async def test_v18_a_document_beyond_a_megabyte_is_refused(admin: Admin, key: str) -> None:
    # The server escapes this character with six.
    await admin.put(key, **GOOD, ballast="<" * 200_000)
    async with visiting(settings(admin.bao)) as visit:
        error = await refusal(visit.session, f"secret/{key}")
    assert (error.code, "more than 1048576 bytes" in error.detail) == (Code.VAULT_MALFORMED, True)


async def test_v22_a_mount_that_was_moved_is_told_at_its_old_path_and_found_at_its_new_one(admin: Admin) -> None:
    mount = await admin.mount(2)
    await admin.api.write_data(f"{mount}/data/app", data={"data": GOOD})
    async with visiting(settings(admin.bao)) as visit:
        source, sink = KvSource(visit.session, f"{mount}/app"), KvSink(visit.session, f"{mount}/token", "billing")
        await source.read()
        await sink.write(record())
        await admin.api.write_data("sys/remount", data={"from": mount, "to": f"{mount}-moved"})
        await _until_mounted(admin, f"{mount}-moved")
        assert (await refusal(visit.session, f"{mount}/app")).code is Code.SECRET_MISSING
        assert (await refusal(visit.session, f"{mount}/app")).code is Code.MOUNT_MISSING
        with pytest.raises(RotationError) as caught:
            await sink.write(record("two", life=700))
        assert caught.value.code is Code.MOUNT_MISSING
        moved = KvSink(visit.session, f"{mount}-moved/token", "billing")
        assert await moved.read() == record()


async def _until_mounted(admin: Admin, mount: str) -> None:
    async with asyncio.timeout(5):
        while f"{mount}/" not in (await admin.api.sys.list_mounted_secrets_engines())["data"]:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.01)


async def test_v26_a_blocked_audit_device_is_an_outage_in_which_calls_fail_at_once_and_ends_with_it(
    passing_admin: Admin,
) -> None:
    bao = passing_admin.bao
    pipe = bao.home / "audit"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    async with visiting(settings(bao, timeout=0.5)) as visit:
        await bao.request("PUT", "sys/audit/pipe", {"type": "file", "options": {"file_path": str(pipe)}})
        await _fill(reader)
        assert "not answered whole within 0.5 s" in (await refusal(visit.session)).detail
        await until(lambda: visit.session.trouble is not None, 5)
        async with asyncio.timeout(3):  # waiting for each would take 16 s
            await asyncio.gather(*(refusal(visit.session) for _ in range(1000)))
        os.read(reader, 1 << 20)
        await until(lambda: visit.session.trouble is None, 5)
        assert visit.told() == ["vault.login", "vault.unavailable", "vault.recovered"]
    os.close(reader)


async def _fill(pipe: int) -> None:
    """Write to a pipe until it takes nothing more."""
    try:
        while True:
            os.write(pipe, b"\n" * 4096)
    except BlockingIOError:
        pass
