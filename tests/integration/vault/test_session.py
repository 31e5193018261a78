"""One session with a real Vault: logins, renewals, outages, refusals."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.vault.logins.approle import AppRoleLogin
from rotator.vault.logins.token import TokenLogin
from rotator.vault.policies import missing_capabilities
from rotator.vault.session import VaultSettings
from tests.integration.vault.administration import FULL, Admin
from tests.integration.vault.visits import Visit, settings, until, visiting

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.vault.session import VaultSession


async def read(session: VaultSession, path: str = "x") -> Any:
    needs = {f"secret/data/{path}": ("read",)}
    return await session.call(lambda client: client.adapter.get(f"/v1/secret/data/{path}"), needs)


async def refusal(session: VaultSession, path: str = "x") -> RotationError:
    with pytest.raises(RotationError) as caught:
        await read(session, path)
    return caught.value


async def accessors(admin: Admin) -> int:
    return len((await admin.api.auth.token.list_accessors())["data"]["keys"])


async def test_v14_a_thousand_calls_use_one_login(admin: Admin) -> None:
    await admin.put("x", a="b")
    role = await admin.approle()
    async with visiting(settings(admin.bao, await role.login())) as visit:
        await asyncio.gather(*(read(visit.session) for _ in range(1000)))
        assert visit.told() == ["vault.login"]


async def test_v15_the_token_of_a_login_is_revoked_at_the_end(admin: Admin) -> None:
    role = await admin.approle()
    before = await accessors(admin)
    async with visiting(settings(admin.bao, await role.login())) as visit:
        assert await accessors(admin) == before + 1
    assert await accessors(admin) == before
    assert visit.told("vault.token_revoked") == ["vault.token_revoked"]


async def test_v15_a_token_that_was_handed_in_is_not_revoked(admin: Admin) -> None:
    token = await admin.token()
    async with visiting(settings(admin.bao, token)) as visit:
        assert visit.session.authenticated
    assert await admin.api.auth.token.lookup(token.reveal())


async def test_v10_a_revoked_token_is_replaced_by_one_login_for_all_callers(admin: Admin) -> None:
    await admin.put("x", a="b")
    role = await admin.approle()
    async with visiting(settings(admin.bao, await role.login())) as visit:
        await visit.session.call(lambda client: client.auth.token.revoke_self(), {})
        await until(lambda: _older_than_a_second(visit), 3)
        await asyncio.gather(*(read(visit.session) for _ in range(50)))
        assert visit.told() == ["vault.login", "vault.login"]


def _older_than_a_second(visit: Visit) -> bool:
    """A token that is refused within a second of its login is waited for, not replaced."""
    expires = visit.session.token_expires
    return expires is not None and visit.session.clock.now().elapsed - (expires - 3600) > 1


async def test_v09_a_refusal_names_path_capability_and_policy_and_leaves_the_session_alone(admin: Admin) -> None:
    await admin.put("allowed", a="b")
    role = await admin.approle('path "secret/data/allowed" { capabilities = ["read"] }')
    async with visiting(settings(admin.bao, await role.login())) as visit:
        error = await refusal(visit.session, "forbidden")
        assert error.code is Code.VAULT_DENIED
        assert "secret/data/forbidden lacks read" in error.detail
        assert 'path "secret/data/forbidden" { capabilities = ["read"] }' in error.detail
        assert await read(visit.session, "allowed")
        assert visit.told() == ["vault.login", "vault.denied"]


async def test_v09_a_denied_path_is_told_once_until_it_works_again(admin: Admin) -> None:
    await admin.put("later", a="b")
    name = await admin.policy('path "secret/data/none" { capabilities = ["read"] }')
    role = await admin.approle(token_policies=[name])
    async with visiting(settings(admin.bao, await role.login())) as visit:
        await refusal(visit.session, "later")
        await refusal(visit.session, "later")
        assert visit.told("vault.denied") == ["vault.denied"]
        await admin.api.sys.create_or_update_acl_policy(name, FULL)
        assert await read(visit.session, "later")
        await admin.api.sys.create_or_update_acl_policy(name, 'path "x" { capabilities = ["read"] }')
        await refusal(visit.session, "later")
        assert visit.told("vault.denied") == ["vault.denied"] * 2


async def test_v09_a_token_that_may_not_look_itself_up_causes_one_login_more_and_no_loop(admin: Admin) -> None:
    role = await admin.approle('path "x" { capabilities = ["read"] }', token_no_default_policy=True)
    async with visiting(settings(admin.bao, await role.login())) as visit:
        await until(lambda: _older_than_a_second(visit), 3)
        errors = [await refusal(visit.session, f"forbidden-{number}") for number in range(5)]
        assert {error.code for error in errors} == {Code.VAULT_DENIED}
        assert visit.told("vault.login") == ["vault.login"] * 2


async def test_v11_a_token_is_renewed_and_replaced_before_its_max_ttl(admin: Admin) -> None:
    await admin.put("x", a="b")
    role = await admin.approle(token_ttl="3s", token_max_ttl="5s")
    async with visiting(settings(admin.bao, await role.login())) as visit:
        async with asyncio.timeout(15):
            while visit.told().count("vault.login") < 3:
                await read(visit.session)
        told = visit.told()
        assert told[:2] == ["vault.login", "vault.token_renewed"]
        assert set(told) == {"vault.login", "vault.token_renewed"}


async def test_v12_a_token_that_cannot_be_renewed_is_replaced_without_haste(admin: Admin) -> None:
    role = await admin.approle(token_type="batch", token_ttl="4s")
    async with visiting(settings(admin.bao, await role.login())) as visit:
        await until(lambda: len(visit.told("vault.login")) == 2, 6)
        assert visit.told() == ["vault.login", "vault.login"]


async def test_v13_a_wrong_secret_id_is_told_and_a_new_file_works_without_restart(admin: Admin, tmp_path: Path) -> None:
    role = await admin.approle()
    file = tmp_path / "secret-id"
    file.write_text("5ecret")
    async with visiting(settings(admin.bao, AppRoleLogin(role.role_id, file))) as visit:
        error = await refusal(visit.session)
        assert error.code is Code.VAULT_LOGIN_REFUSED
        assert str(file) in error.detail
        assert "5ecret" not in error.detail
        file.write_text((await role.secret_id()).reveal())
        await until(lambda: visit.session.authenticated, 3)
        assert visit.told() == ["vault.denied", "vault.login", "vault.recovered"]
        assert visit.recoveries == 1


async def test_v13_a_secret_id_that_ran_out_is_told_while_the_token_still_works(admin: Admin, tmp_path: Path) -> None:
    await admin.put("x", a="b")
    role = await admin.approle(token_type="batch", token_ttl="6s", secret_id_num_uses=1)
    file = tmp_path / "secret-id"
    file.write_text((await role.secret_id()).reveal())
    async with visiting(settings(admin.bao, AppRoleLogin(role.role_id, file))) as visit:
        await until(lambda: visit.told("vault.denied") == ["vault.denied"], 6)
        assert await read(visit.session)
        assert visit.session.authenticated
        file.write_text((await role.secret_id()).reveal())
        await until(lambda: visit.told("vault.login") == ["vault.login"] * 2, 8)


async def test_a_token_file_is_read_again_when_it_is_replaced(admin: Admin, tmp_path: Path) -> None:
    await admin.put("x", a="b")
    file, first, second = tmp_path / "token", await admin.token(), await admin.token()
    file.write_text(first.reveal())
    async with visiting(settings(admin.bao, TokenLogin(file))) as visit:
        await read(visit.session)
        file.write_text(second.reveal())
        await until(lambda: len(visit.told("vault.login")) == 2, 3)
        await admin.api.auth.token.revoke(first.reveal())
        assert await read(visit.session)


async def test_a_dead_token_that_was_handed_in_is_a_refused_login(admin: Admin) -> None:
    async with visiting(settings(admin.bao, Secret("s.nonsense"))) as visit:
        error = await refusal(visit.session)
        assert error.code is Code.VAULT_LOGIN_REFUSED
        assert "nonsense" not in str(error)


async def test_v01_a_session_starts_with_a_sealed_vault_and_recovers_by_itself(passing_admin: Admin) -> None:
    await passing_admin.put("x", a="b")
    role = await passing_admin.approle()
    login = await role.login()
    await passing_admin.bao.seal()
    async with visiting(settings(passing_admin.bao, login)) as visit:
        error = await refusal(visit.session)
        assert (error.code, "sealed" in error.detail) == (Code.VAULT_UNAVAILABLE, True)
        await passing_admin.bao.unseal()
        await until(lambda: visit.session.authenticated, 5)
        assert await read(visit.session)
        assert visit.told() == ["vault.unavailable", "vault.login", "vault.recovered"]


async def test_v01_a_session_starts_with_an_unreachable_vault_and_sees_it_within_five_seconds(
    passing_admin: Admin,
) -> None:
    bao = passing_admin.bao
    await bao.stop()
    async with visiting(VaultSettings(bao.address, TokenLogin(lambda: bao.root_token))) as visit:
        assert "ECONNREFUSED" in (await refusal(visit.session)).detail
        await bao.start()
        await until(lambda: visit.session.authenticated, 5)
        assert visit.recoveries == 1


async def test_v02_seal_and_unseal_while_running_is_told_once_each_way(passing_admin: Admin) -> None:
    await passing_admin.put("x", a="b")
    role = await passing_admin.approle()
    async with visiting(settings(passing_admin.bao, await role.login())) as visit:
        await passing_admin.bao.seal()
        errors = await asyncio.gather(*(refusal(visit.session) for _ in range(100)))
        assert {error.code for error in errors} == {Code.VAULT_UNAVAILABLE}
        await passing_admin.bao.unseal()
        await until(lambda: visit.session.trouble is None, 5)
        assert await read(visit.session)
        assert visit.told() == ["vault.login", "vault.unavailable", "vault.recovered"]
        assert visit.session.recovered_at is not None


async def test_v26_a_vault_that_hangs_is_an_outage_in_which_calls_fail_at_once(passing_admin: Admin) -> None:
    await passing_admin.put("x", a="b")
    role = await passing_admin.approle()
    async with visiting(settings(passing_admin.bao, await role.login(), timeout=0.5)) as visit:
        passing_admin.bao.freeze()
        assert "not answered whole within 0.5 s" in (await refusal(visit.session)).detail
        await until(lambda: visit.session.trouble is not None, 5)
        async with asyncio.timeout(3):  # waiting for each would take 16 s
            await asyncio.gather(*(refusal(visit.session) for _ in range(1000)))
        passing_admin.bao.thaw()
        await until(lambda: visit.session.trouble is None, 5)
        assert await read(visit.session)
        assert visit.told() == ["vault.login", "vault.unavailable", "vault.recovered"]


async def test_a_call_before_the_first_login_fails_in_time_when_nobody_runs_the_session(admin: Admin) -> None:
    visit = Visit(settings(admin.bao, None, timeout=0.1))
    error = await refusal(visit.session)
    await visit.session.close()
    assert error.code is Code.VAULT_UNAVAILABLE


async def test_missing_capabilities_are_told_by_path(admin: Admin) -> None:
    token = await admin.token('path "secret/data/some" { capabilities = ["read", "update"] }')
    needs = {"secret/data/some": ("create", "read", "update"), "secret/metadata/some": ("read",)}
    async with visiting(settings(admin.bao, token)) as visit:
        missing = await missing_capabilities(visit.session, needs)
    assert missing == {"secret/data/some": ("create",), "secret/metadata/some": ("read",)}


async def test_root_lacks_nothing(admin: Admin) -> None:
    async with visiting(settings(admin.bao)) as visit:
        assert await missing_capabilities(visit.session, {"secret/data/x": ("read",)}) == {}
