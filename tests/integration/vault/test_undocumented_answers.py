"""A Vault, or what answers in its place, whose answers are JSON and not what its API documents."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.vault.kv_source import KvSource
from rotator.vault.logins.approle import AppRoleLogin
from rotator.vault.logins.token import TokenLogin
from rotator.vault.policies import missing_capabilities
from rotator.vault.session import VaultSettings
from tests.integration.vault.visits import visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.vault.auth import Login

LOOKUP, MOUNT, DOCUMENT = "auth/token/lookup-self", "sys/internal/ui/mounts/secret/apps/x", "secret/data/apps/x"
CAPABILITIES, APPROLE = "sys/capabilities-self", "auth/approle/login"
METADATA = {"version": 1, "created_time": "2026-01-01T00:00:00Z"}
DOCUMENTED: dict[str, Any] = {
    LOOKUP: {"data": {"ttl": 600, "renewable": False}},
    MOUNT: {"data": {"path": "secret/", "type": "kv", "options": {"version": "2"}}},
    DOCUMENT: {"data": {"data": {"client_id": "x", "client_secret": "CANARY"}, "metadata": METADATA}},
    CAPABILITIES: {"data": {"secret/data/apps/x": ["read"]}},
}


@asynccontextmanager
async def _answering(answers: dict[str, Any]) -> AsyncIterator[str]:
    """An address whose paths have these answers."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(answers[request.path.removeprefix("/v1/")])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def test_what_is_documented_is_read() -> None:
    async with _answering(DOCUMENTED) as address, visiting(_settings(address)) as visit:
        credentials = await KvSource(visit.session, "secret/apps/x").read()
        assert (credentials.client_id, credentials.version) == ("x", "v1@2026-01-01T00:00:00Z")
        assert await missing_capabilities(visit.session, {"secret/data/apps/x": ("read",)}) == {}


def _settings(address: str, login: Login | None = None) -> VaultSettings:
    return VaultSettings(address, login or TokenLogin(Secret("hvs.CANARY")))


READING: dict[str, tuple[str, Any, Code, str]] = {
    "a mount without a name": (MOUNT, {"data": {}}, Code.VAULT_MALFORMED, "does not name it"),
    "no mount at all": (MOUNT, {}, Code.VAULT_MALFORMED, "does not name it"),
    "another mount": (
        MOUNT,
        {"data": {"path": "other/", "type": "kv"}},
        Code.VAULT_MALFORMED,
        "names another one",
    ),
    "a mount of another kind": (
        MOUNT,
        {"data": {"path": "secret/", "type": "transit"}},
        Code.MOUNT_MISSING,
        "is no KV secrets engine",
    ),
    "a document that is a list": (
        DOCUMENT,
        {"data": {"data": ["CANARY"], "metadata": METADATA}},
        Code.VAULT_MALFORMED,
        "holds no document",
    ),
    "a document without a version": (
        DOCUMENT,
        {"data": {"data": {"client_secret": "CANARY"}}},
        Code.VAULT_MALFORMED,
        "holds no version",
    ),
    "a version that is a text": (
        DOCUMENT,
        {"data": {"data": {}, "metadata": {**METADATA, "version": "1"}}},
        Code.VAULT_MALFORMED,
        "holds no version",
    ),
}


@pytest.mark.parametrize("what", READING)
async def test_credentials_are_not_read_from(what: str) -> None:
    path, wrong, code, told = READING[what]
    async with _answering({**DOCUMENTED, path: wrong}) as address, visiting(_settings(address)) as visit:
        with pytest.raises(RotationError) as caught:
            await KvSource(visit.session, "secret/apps/x").read()
    assert caught.value.code is code
    assert told in caught.value.detail
    assert "CANARY" not in repr(caught.value)


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": ["read"]}])
async def test_capabilities_are_not_read_from_an_answer_without_any(answer: dict[str, Any]) -> None:
    async with _answering({**DOCUMENTED, CAPABILITIES: answer}) as address, visiting(_settings(address)) as visit:
        with pytest.raises(RotationError, match="capabilities holds none") as caught:
            await missing_capabilities(visit.session, {"secret/data/apps/x": ("read",)})
    assert caught.value.code is Code.VAULT_MALFORMED


@pytest.mark.parametrize("answer", [{}, {"data": {}}, {"data": {"ttl": "600"}}])
async def test_a_token_whose_lifetime_is_not_told_is_no_login(answer: dict[str, Any]) -> None:
    async with _answering({**DOCUMENTED, LOOKUP: answer}) as address, visiting(_settings(address)) as visit:
        trouble = await visit.session.tried()
    assert trouble is not None
    assert trouble.code is Code.VAULT_MALFORMED
    assert "does not tell its lifetime" in trouble.detail


@pytest.mark.parametrize("answer", [{}, {"auth": None}, {"auth": {"client_token": ""}}, {"auth": {"client_token": 7}}])
async def test_an_answer_without_a_token_is_no_login(answer: dict[str, Any]) -> None:
    login = AppRoleLogin(Secret("role"), Secret("CANARY"))
    async with _answering({APPROLE: answer}) as address, visiting(_settings(address, login)) as visit:
        trouble = await visit.session.tried()
    assert trouble is not None
    assert trouble.code is Code.VAULT_MALFORMED
    assert "CANARY" not in repr(trouble)
