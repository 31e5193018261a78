"""The servers that all other tests rely on are what they are taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from rotator.demo.admin import BaoError
from rotator.demo.bao import find_bao

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.demo.bao import BaoServer
    from tests.conftest import Admission
    from tests.support.oidc import OidcProvider


async def test_a_token_may_do_what_its_rules_say_and_no_more(
    bao: BaoServer, kv2_mount: str, admission: Admission
) -> None:
    token = await admission.token(f'path "{kv2_mount}/data/mine" {{ capabilities = ["create"] }}')
    await bao.request("POST", f"{kv2_mount}/data/mine", {"data": {"a": "b"}}, token=token)
    with pytest.raises(BaoError, match="403"):
        await bao.request("GET", f"{kv2_mount}/data/mine", token=token)


async def test_what_is_stored_outlives_a_stop_and_a_kill(own_bao: BaoServer) -> None:
    await own_bao.enable_kv("kept", 2)
    await own_bao.request("POST", "kept/data/key", {"data": {"a": "b"}})
    await own_bao.stop()
    await own_bao.start()
    own_bao.kill()
    await own_bao.start()
    assert (await own_bao.request("GET", "kept/data/key"))["data"]["data"] == {"a": "b"}


async def test_a_sealed_server_refuses_until_it_is_unsealed(own_bao: BaoServer) -> None:
    await own_bao.seal()
    with pytest.raises(BaoError, match="503"):
        await own_bao.request("GET", "sys/mounts")
    await own_bao.unseal()
    assert "sys/" in (await own_bao.request("GET", "sys/mounts"))["data"]


def test_a_missing_program_is_told_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(BaoError, match=r"pip install 'rotator\[demo\]'"):
        find_bao([tmp_path])


async def test_the_authorization_server_keeps_its_clients_over_a_restart(own_oidc_provider: OidcProvider) -> None:
    client = own_oidc_provider.register()
    own_oidc_provider.stop()
    own_oidc_provider.start()
    auth = {"Authorization": aiohttp.encode_basic_auth(client.client_id, client.secret.reveal())}
    form = {"grant_type": "client_credentials", "scope": "openid admin"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(own_oidc_provider.token_url, data=form, headers=auth) as answer,
    ):
        document = await answer.json()
    assert list(document) == ["access_token", "expires_in", "token_type", "scope"]
