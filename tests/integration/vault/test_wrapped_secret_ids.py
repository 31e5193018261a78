"""Secret ids that are delivered response-wrapped (V31)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.vault.logins.approle import AppRoleLogin
from rotator.vault.wrapping import WrappedSecretId
from tests.integration.vault.visits import settings, until, visiting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.vault.administration import Admin, AppRole
    from tests.integration.vault.visits import Visit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secret-id"


async def deliver(admin: Admin, file: Path, path: str) -> Secret:
    """Have Vault wrap its answer to a write, and put the wrapping token into the file."""
    answer = await admin.api.adapter.post(f"/v1/{path}", wrap_ttl="60s")
    token = Secret(answer["wrap_info"]["token"])
    file.write_text(token.reveal())  # noqa: ASYNC240  a few bytes
    return token


def secret_id_of(role: AppRole) -> str:
    return f"auth/approle/role/{role.name}/secret-id"


async def refusal(visit: Visit) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await visit.session.call(lambda client: client.auth.token.lookup_self(), {})
    return caught.value


async def test_v31_a_wrapped_secret_id_is_unwrapped_once_and_serves_every_login(admin: Admin, file: Path) -> None:
    role = await admin.approle(token_type="batch", token_ttl="4s")
    await deliver(admin, file, secret_id_of(role))
    login = AppRoleLogin(role.role_id, WrappedSecretId(file))
    async with visiting(settings(admin.bao, login)) as visit:
        await until(lambda: visit.told() == ["vault.login", "vault.login"], 6)


async def test_v31_a_secret_id_that_somebody_unwrapped_before_is_told_as_a_possible_interception(
    admin: Admin, file: Path
) -> None:
    role = await admin.approle()
    stolen = await deliver(admin, file, secret_id_of(role))
    await admin.api.write_data("sys/wrapping/unwrap", data={"token": stolen.reveal()})
    async with visiting(settings(admin.bao, AppRoleLogin(role.role_id, WrappedSecretId(file)))) as visit:
        error = await refusal(visit)
        assert error.code is Code.VAULT_WRAP_SPENT
        assert str(file) in error.detail
        assert stolen.reveal() not in error.detail
        (told,) = visit.journal.named("vault.denied")
        assert told["error"] == "vault_wrap_spent"
        assert "sys/wrapping/unwrap" in str(told["cure"])
        await deliver(admin, file, secret_id_of(role))
        await until(lambda: visit.session.authenticated, 3)


async def test_v31_a_wrapped_secret_id_that_two_use_raises_the_alarm_at_the_second_and_leaves_the_first_alone(
    admin: Admin, file: Path
) -> None:
    """As when a file is copied, or when one rotator is started again without a newly wrapped secret id."""
    role = await admin.approle()
    token = await deliver(admin, file, secret_id_of(role))
    async with (
        visiting(settings(admin.bao, AppRoleLogin(role.role_id, WrappedSecretId(file)))) as first,
        visiting(settings(admin.bao, AppRoleLogin(role.role_id, WrappedSecretId(file)))) as second,
    ):
        error = await refusal(second)
        assert error.code is Code.VAULT_WRAP_SPENT
        assert f"Vault does not unwrap the secret id from {file}: that was done before" in error.detail
        ((name, told),) = second.journal.events
        assert (name, told["error"]) == ("vault.denied", "vault_wrap_spent")
        assert token.reveal() not in f"{told}"
        assert "may have been intercepted" in Code.VAULT_WRAP_SPENT.meaning
        assert (await first.session.call(lambda client: client.auth.token.lookup_self(), {}))["data"]["path"]
        assert first.told() == ["vault.login"]


async def test_v31_a_wrapping_token_that_was_exchanged_for_another_is_not_unwrapped(admin: Admin, file: Path) -> None:
    role = await admin.approle()
    planted = await deliver(admin, file, "sys/wrapping/wrap")
    async with visiting(settings(admin.bao, AppRoleLogin(role.role_id, WrappedSecretId(file)))) as visit:
        error = await refusal(visit)
    assert (error.code, "has been replaced" in error.detail) == (Code.VAULT_WRAP_SPENT, True)
    assert await admin.api.write_data("sys/wrapping/lookup", data={"token": planted.reveal()})


async def test_v31_a_secret_id_of_another_mount_is_not_unwrapped(admin: Admin, file: Path) -> None:
    role = await admin.approle()
    await deliver(admin, file, secret_id_of(role))
    login = AppRoleLogin(role.role_id, WrappedSecretId(file), mount="elsewhere")
    async with visiting(settings(admin.bao, login)) as visit:
        assert (await refusal(visit)).code is Code.VAULT_WRAP_SPENT
