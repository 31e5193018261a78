"""The installed rotator keeps Kubernetes Secrets: on a fake API server, and on the real one where there is one."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from tests.support.kubernetes import token_of
from tests.support.kubernetes_fixtures import admin, api_server, fake, place, real
from tests.support.process import Rotator, rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.kubernetes_fixtures import Place
    from tests.support.process import Site

__all__ = ["admin", "api_server", "fake", "place", "real"]


async def prepared(site: Site, place: Place) -> Path:
    """A configuration that delivers to Vault, to a file and to a Secret."""
    file = await site.prepare(["billing"])
    table = {
        "api_server": place.admin.url,
        "namespace": place.namespace,
        "name": place.name,
        "token_file": place.token_file,
        "ca_file": place.admin.ca_file,
    }
    secret = ", ".join(f'{key} = "{value}"' for key, value in table.items())
    sink = f'  {{ type = "kubernetes", {secret}, keys = {{ token = "access_token" }} }},\n'
    text = file.read_text()
    file.write_text(text.replace("sinks = [\n", f"sinks = [\n{sink}"))
    return file


async def held(place: Place) -> str:
    return base64.b64decode((await place.secret())["data"]["token"]).decode()


async def test_one_pass_delivers_and_the_next_adopts_what_the_secret_holds(site: Site, place: Place) -> None:
    file = await prepared(site, place)
    code, out, err = await rotator("rotate", "-c", file, "-o", "json")
    assert code == 0, err
    assert [line["action"] for line in json.loads(out)] == ["minted"]
    assert await held(place) == site.file("billing").read_text()
    _, out, _ = await rotator("rotate", "-c", file, "-o", "json")
    assert [line["action"] for line in json.loads(out)] == ["kept"]
    assert site.requests() == 1


async def test_a_live_check_tries_the_write_and_makes_nothing(site: Site, place: Place) -> None:
    file = await prepared(site, place)
    code, out, err = await rotator("check", "--live", "-c", file)
    assert code == 0, out + err
    await place.as_user("get")
    code, out, _ = await rotator("check", "--live", "-c", file)
    assert code == 1
    assert "kubernetes_denied" in out
    assert 'resourceNames: ["billing"]' in out


async def test_a_read_only_api_delays_no_other_sink_and_is_told_without_a_secret(site: Site, place: Place) -> None:
    file = await prepared(site, place)
    user = await place.as_user("get")
    async with Rotator(file) as daemon:
        failed = await daemon.says("token.delivery_failed", error="kubernetes_denied")
        await daemon.says("token.delivered", count=2)
        token = site.file("billing").read_text()
        assert (await site.document("billing"))["access_token"] == token
        assert failed["sink"].endswith(f"/{place.namespace}/{place.name}")
        told = json.dumps(daemon.events)
    assert token not in told
    assert token_of(user) not in told


async def test_v23_a_secret_that_was_deleted_is_delivered_again_without_a_mint(site: Site, place: Place) -> None:
    file = await prepared(site, place)
    async with Rotator(file) as daemon:
        await daemon.says("token.delivered", count=3)
        await place.admin.delete(place.namespace, place.name)
        await daemon.says("token.delivered", count=4)
        assert await held(place) == site.file("billing").read_text()
    assert site.requests() == 1
