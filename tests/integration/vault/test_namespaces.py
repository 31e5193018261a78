"""Everything that a session does, in a child namespace of a real server."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from rotator.contract import record
from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.vault import adapter
from rotator.vault.kv_sink import KvSink
from rotator.vault.kv_source import KvSource
from rotator.vault.logins.approle import AppRoleLogin
from rotator.vault.transport import Transport
from tests.integration.vault.visits import settings, until, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.demo.bao import BaoServer
    from rotator.vault.session import VaultSession

RULES = 'path "secret/*" { capabilities = ["create", "read", "update"] }'


class Namespace:
    """A namespace with a parent of its own, AppRole, and KV v2 at `secret/`."""

    def __init__(self, bao: BaoServer, transport: Transport) -> None:
        self.parent = f"n{uuid.uuid4().hex[:8]}"
        self.path = f"{self.parent}/child"
        self._root, self._outer, self.api = (
            adapter.client(transport, bao.address, where, bao.root_token) for where in ("", self.parent, self.path)
        )

    async def create(self) -> None:
        await self._root.write_data(f"sys/namespaces/{self.parent}")
        await self._outer.write_data("sys/namespaces/child")
        await self.api.write_data("sys/auth/approle", data={"type": "approle"})
        await self.api.write_data("sys/mounts/secret", data={"type": "kv", "options": {"version": "2"}})
        await self.api.sys.create_or_update_acl_policy("rotator", RULES)

    async def remove(self) -> None:
        """Remove it, and wait until Vault has: it takes the mounts away first."""
        gone = ""
        async with asyncio.timeout(10):
            while "there is no such namespace" not in gone:
                await self._outer.adapter.request("DELETE", "/v1/sys/namespaces/child")
                try:
                    await self.api.adapter.get("/v1/secret/data/app")
                except RotationError as error:
                    gone = error.detail

    async def login(self, **role: object) -> AppRoleLogin:
        """A login with a new role of the namespace."""
        name = f"r{uuid.uuid4().hex[:8]}"
        data = {"token_policies": ["rotator"], "token_ttl": "1h", **role}
        await self.api.write_data(f"auth/approle/role/{name}", data=data)
        role_id = (await self.api.auth.approle.read_role_id(name))["data"]["role_id"]
        secret_id = (await self.api.auth.approle.generate_secret_id(name))["data"]["secret_id"]
        return AppRoleLogin(Secret(role_id), Secret(secret_id))


@pytest_asyncio.fixture
async def namespace(bao: BaoServer) -> AsyncIterator[Namespace]:
    transport = Transport(frozenset({bao.address.rpartition("/")[2]}))
    namespace = Namespace(bao, transport)
    await namespace.create()
    yield namespace
    await transport.close()


async def refusal(session: VaultSession, path: str = "secret/app") -> RotationError:
    with pytest.raises(RotationError) as caught:
        await KvSource(session, path).read()
    return caught.value


async def write(namespace: Namespace) -> Any:
    document = {"data": {"client_id": "me", "client_secret": "hush"}}
    return await namespace.api.write_data("secret/data/app", data=document)


async def test_a_login_a_read_and_a_write_take_place_in_the_namespace(bao: BaoServer, namespace: Namespace) -> None:
    await write(namespace)
    async with visiting(settings(bao, await namespace.login(), namespace=namespace.path)) as visit:
        assert (await KvSource(visit.session, "secret/app").read()).client_id == "me"
        await KvSink(visit.session, "secret/token", "app").write(record())
    stored = await namespace.api.adapter.get("/v1/secret/data/token")
    assert stored["data"]["data"]["access_token"] == "token.one"


async def test_a_mount_is_the_one_of_the_namespace_and_not_that_of_the_root(
    bao: BaoServer, namespace: Namespace
) -> None:
    """The root namespace has KV v2 at `secret/`; this one gets KV v1 there."""
    await namespace.api.sys.disable_secrets_engine("secret")
    await namespace.api.write_data("sys/mounts/secret", data={"type": "kv", "options": {"version": "1"}})
    async with visiting(settings(bao, await namespace.login(), namespace=namespace.path)) as visit:
        place = await visit.session.mounts.resolve("secret/app")
    assert (place.mount, place.version, place.key) == ("secret", 1, "app")


async def test_a_token_is_renewed_in_the_namespace_and_revoked_there_in_the_end(
    bao: BaoServer, namespace: Namespace
) -> None:
    async with visiting(settings(bao, await namespace.login(token_ttl="3s"), namespace=namespace.path)) as visit:
        await until(lambda: "vault.token_renewed" in visit.told(), 5)
    assert visit.told() == ["vault.login", "vault.token_renewed", "vault.token_revoked"]


async def test_a_namespace_that_does_not_exist_is_named_by_the_refused_login(
    bao: BaoServer, namespace: Namespace
) -> None:
    async with visiting(settings(bao, await namespace.login(), namespace="nowhere")) as visit:
        error = await refusal(visit.session)
    assert error.code is Code.VAULT_LOGIN_REFUSED
    assert error.detail.endswith(
        "POST auth/approle/login in namespace nowhere was answered 404: there is no such namespace"
    )


async def test_a_token_for_a_namespace_that_does_not_exist_is_refused_by_name(bao: BaoServer) -> None:
    async with visiting(settings(bao, namespace="nowhere")) as visit:
        error = await refusal(visit.session)
    assert error.code is Code.VAULT_LOGIN_REFUSED
    assert "in namespace nowhere was answered 404: there is no such namespace" in error.detail


async def test_a_login_at_another_namespace_than_the_roles_names_the_one_that_was_asked(
    bao: BaoServer, namespace: Namespace
) -> None:
    async with visiting(settings(bao, await namespace.login(), namespace=namespace.parent)) as visit:
        error = await refusal(visit.session)
    assert error.code is Code.VAULT_LOGIN_REFUSED
    assert f"POST auth/approle/login in namespace {namespace.parent} was answered 403" in error.detail


async def test_a_path_that_the_policies_do_not_allow_is_told_with_its_namespace(
    bao: BaoServer, namespace: Namespace
) -> None:
    await namespace.api.sys.create_or_update_acl_policy(
        "rotator", 'path "secret/data/other" { capabilities = ["read"] }'
    )
    async with visiting(settings(bao, await namespace.login(), namespace=namespace.path)) as visit:
        await visit.session.mounts.resolve("secret/other")
        error = await refusal(visit.session)
        unseen = await refusal(visit.session, "elsewhere/app")
    assert (error.code, unseen.code) == (Code.VAULT_DENIED, Code.VAULT_DENIED)
    assert f"policies for rotator in namespace {namespace.path} do not suffice" in error.detail
    assert f"mounted at elsewhere/app in namespace {namespace.path}: " in unseen.detail


async def test_a_namespace_that_is_removed_is_no_missing_document(bao: BaoServer, namespace: Namespace) -> None:
    """Else somebody would be told to write one, and a sink would be taken for an empty one."""
    await write(namespace)
    async with visiting(settings(bao, namespace=namespace.path)) as visit:
        source = KvSource(visit.session, "secret/app")
        await source.read()
        await namespace.remove()
        with pytest.raises(RotationError) as caught:
            await source.read()
    assert caught.value.code is Code.VAULT_REFUSED
    assert f"in namespace {namespace.path} was answered 404: there is no such namespace" in caught.value.detail
