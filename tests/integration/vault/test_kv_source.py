"""Documents with client credentials that are not usable, and what is said about each."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.document import Wanted
from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.vault.kv_source import KvSource
from tests.integration.vault.visits import settings, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.demo.bao import BaoServer
    from rotator.vault.session import VaultSession
    from tests.integration.vault.administration import Admin

NUMBERS = itertools.count()


@pytest.fixture
def key() -> str:
    return f"apps/source-{next(NUMBERS)}"


@pytest.fixture
async def session(bao: BaoServer) -> AsyncIterator[VaultSession]:
    async with visiting(settings(bao)) as visit:
        yield visit.session


async def refusal(session: VaultSession, path: str, **names: str) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await KvSource(session, path, Wanted(names=names)).read()
    return caught.value


GOOD = {"client_id": "me", "client_secret": "hush"}


@pytest.mark.parametrize(
    ("document", "what"),
    [
        pytest.param({"client_id": "me"}, "field client_secret at {path} is missing", id="V16 missing"),
        pytest.param({**GOOD, "client_secret": None}, "field client_secret at {path} is null", id="V16 null"),
        pytest.param({**GOOD, "client_id": ""}, "field client_id at {path} is an empty string", id="V16 empty"),
        pytest.param({**GOOD, "client_id": 7}, "field client_id at {path} is a number", id="V16 number"),
        pytest.param({**GOOD, "client_secret": ["hush"]}, "field client_secret at {path} is a list", id="V16 list"),
        pytest.param({**GOOD, "client_secret": True}, "field client_secret at {path} is a boolean", id="V16 boolean"),
        pytest.param(
            {**GOOD, "client_secret_previous": {}}, "field client_secret_previous at {path} is a map", id="V16 map"
        ),
    ],
)
async def test_an_unusable_field_is_named_with_its_fault_and_its_cure(
    session: VaultSession, admin: Admin, key: str, document: dict[str, Any], what: str
) -> None:
    await admin.put(key, **document)
    error = await refusal(session, f"secret/{key}")
    assert error.code is Code.SECRET_MALFORMED
    assert error.detail.startswith(
        f"{what.format(path=f'secret/{key}')}, wanted a non-empty string. Mend it with `bao kv"
    )
    assert "hush" not in error.detail


async def test_v16_nothing_at_the_path_is_told_with_the_command_that_writes_it(session: VaultSession, key: str) -> None:
    error = await refusal(session, f"secret/{key}")
    assert error.code is Code.SECRET_MISSING
    assert error.detail == (
        f"there is nothing at secret/{key}. Write `bao kv put secret/{key} client_id=… client_secret=…`"
    )


async def test_v16_a_deleted_version_is_told_with_a_command_that_brings_it_back(
    session: VaultSession, admin: Admin, key: str
) -> None:
    await admin.put(key, **GOOD)
    await admin.api.secrets.kv.v2.delete_latest_version_of_secret(key)
    error = await refusal(session, f"secret/{key}")
    assert error.code is Code.SECRET_DELETED
    command = f"bao kv undelete -versions=1 secret/{key}"
    assert command in error.detail
    await admin.cli(*command.split()[1:])
    assert (await KvSource(session, f"secret/{key}").read()).client_id == "me"


async def test_v16_a_destroyed_version_is_said_to_be_gone(session: VaultSession, admin: Admin, key: str) -> None:
    await admin.put(key, **GOOD)
    await admin.api.secrets.kv.v2.destroy_secret_versions(key, [1])
    error = await refusal(session, f"secret/{key}")
    assert (error.code, "destroyed" in error.detail) == (Code.SECRET_DELETED, True)


async def test_v16_data_null_is_a_deleted_document(session: VaultSession, admin: Admin, key: str) -> None:
    await admin.api.write_data(f"secret/data/{key}", data={"data": None})
    assert (await refusal(session, f"secret/{key}")).code is Code.SECRET_DELETED


async def test_fields_may_have_other_names(session: VaultSession, admin: Admin, key: str) -> None:
    await admin.put(key, user="me", password="hush")
    names = {"client_id": "user", "client_secret": "password"}
    read = await KvSource(session, f"secret/{key}", Wanted(names=names)).read()
    assert (read.client_id, read.secrets) == ("me", (Secret("hush"),))


async def test_a_key_that_was_removed_and_written_again_has_another_version(
    session: VaultSession, admin: Admin, key: str
) -> None:
    source = KvSource(session, f"secret/{key}")
    await admin.put(key, **GOOD)
    before = await source.read()
    await admin.api.secrets.kv.v2.delete_metadata_and_all_versions(key)
    await admin.put(key, **GOOD)
    assert (await source.read()).version != before.version


async def test_v22_a_path_that_no_engine_serves_is_told(session: VaultSession) -> None:
    assert (await refusal(session, "nowhere/apps/x")).code is Code.MOUNT_MISSING


async def test_v22_a_mount_that_is_no_kv_engine_is_told(session: VaultSession) -> None:
    error = await refusal(session, "cubbyhole/x")
    assert (error.code, "no KV secrets engine" in error.detail) == (Code.MOUNT_MISSING, True)


async def test_v22_an_engine_that_is_replaced_by_one_of_the_other_version_is_found_again(
    session: VaultSession, admin: Admin
) -> None:
    mount = await admin.mount(1)
    await admin.api.write_data(f"{mount}/app", data=GOOD)
    source = KvSource(session, f"{mount}/app")
    await source.read()
    await admin.api.sys.disable_secrets_engine(mount)
    await refusal(session, f"{mount}/app")
    await admin.bao.enable_kv(mount, 2)
    await admin.api.write_data(f"{mount}/data/app", data={"data": GOOD})
    assert (await source.read()).version.startswith("v1@")


async def test_v09_a_path_below_which_the_token_may_do_nothing_is_denied_with_the_policy_to_add(
    admin: Admin, key: str
) -> None:
    token = await admin.token('path "secret/data/other" { capabilities = ["read"] }')
    async with visiting(settings(admin.bao, token)) as visit:
        other = await refusal(visit.session, "elsewhere/app/x")
        error = await refusal(visit.session, f"secret/{key}")
    assert (other.code, 'path "elsewhere/data/app/x"' in other.detail) == (Code.VAULT_DENIED, True)
    assert (error.code, f'path "secret/data/{key}"' in error.detail) == (Code.VAULT_DENIED, True)


async def test_the_policy_that_needs_names_suffices(admin: Admin, key: str) -> None:
    await admin.put(key, **GOOD)
    token = await admin.token(f'path "secret/data/{key}" {{ capabilities = ["read"] }}')
    async with visiting(settings(admin.bao, token)) as visit:
        source = KvSource(visit.session, f"secret/{key}")
        assert await source.needs() == {f"secret/data/{key}": ("read",)}
        assert (await source.read()).client_id == "me"
