"""[discover.NAME] in the installed rotator: keys of the real OpenBao come and go, a failed listing harms nobody."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from rotator.demo.stage import ROTATOR_POLICY
from tests.support.http import ask
from tests.support.process import Rotator, rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.process import Site

DISCOVER = """
[discover.apps]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/*" }}
interval = "1s"
recheck_interval = "2s"
sinks = [
  {{ type = "vault", path = "secret/tokens/found/{{key}}" }},
  {{ type = "file", path = "{home}/{{key}}.found" }},
]
"""
LISTING = 'path "secret/metadata/apps/*" { capabilities = ["list"] }\n'


@pytest.fixture
async def configuration(site: Site) -> Path:
    """A place where two applications are to be found and none is written out."""
    site.extra = DISCOVER.format(home=site.home)
    file = await site.prepare([])
    for name in ("billing", "shipping"):
        await site.register(name)
    await site.bao.write_policy("rotator", ROTATOR_POLICY + LISTING)
    return file


def change(configuration: Path, old: str, new: str) -> None:
    configuration.write_text(configuration.read_text().replace(old, new))


async def forget(site: Site, name: str) -> None:
    """Take an application's key away, with all its versions."""
    await site.bao.request("DELETE", f"secret/metadata/apps/{name}")


async def document(site: Site, name: str) -> dict[str, str]:
    answer = await site.bao.request("GET", f"secret/data/tokens/found/{name}")
    return dict(answer["data"]["data"])


async def test_every_key_is_served_and_ready_means_all_of_them(site: Site, configuration: Path) -> None:
    async with Rotator(configuration) as running:
        ready = await running.says("daemon.ready")
        assert (ready["credentials"], ready["fresh"]) == (2, 2)
        found = await running.says("discover.changed")
    assert (found["discover"], found["added"], found["names"]) == ("apps", 2, ["billing", "shipping"])
    for name in ("billing", "shipping"):
        token = (await document(site, name))["access_token"]
        assert (site.home / f"{name}.found").read_text() == token


async def test_a_key_that_comes_is_picked_up_and_one_that_goes_is_let_go(site: Site, configuration: Path) -> None:
    async with Rotator(configuration) as running:
        await running.says("daemon.ready")
        await site.register("reports")
        await running.says("token.delivered", credential="reports", count=2)
        await forget(site, "billing")
        gone = await running.says("discover.changed", removed=1)
        assert (gone["names"], gone["credentials"]) == (["-billing"], 2)
    # What it has delivered stays, and ends by itself.
    assert (await document(site, "billing"))["access_token"]


async def test_a_restart_adopts_what_the_sinks_hold_r02(site: Site, configuration: Path) -> None:
    async with Rotator(configuration) as running:
        await running.says("daemon.ready")
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0
    before = site.requests()
    async with Rotator(configuration) as running:
        assert (await running.says("daemon.ready"))["fresh"] == 2
        assert len(running.named("token.adopted")) == 2
    assert site.requests() == before


async def test_a_listing_that_fails_takes_nothing_from_anybody_v10(site: Site, configuration: Path) -> None:
    async with Rotator(configuration) as running:
        await running.says("daemon.ready")
        await site.bao.write_policy("rotator", ROTATOR_POLICY)
        failed = await running.says("discover.failed")
        assert (failed["error"], failed["credentials"]) == ("vault_denied", 2)
        assert 'path "secret/metadata/apps/" { capabilities = ["list"] }' in failed["detail"]
        await site.store(
            "billing", site.clients["billing"].secret.reveal()
        )  # a new version: minted anew at the next look
        await running.says("token.minted", credential="billing", count=1, reason="inputs_changed")
        await site.bao.write_policy("rotator", ROTATOR_POLICY + LISTING)
        await running.says("discover.recovered")
        assert running.named("discover.changed", removed=2) == []


async def test_it_is_not_ready_before_it_knows_which_credentials_there_are(site: Site, configuration: Path) -> None:
    await site.bao.write_policy("rotator", ROTATOR_POLICY)
    socket = site.home / "state" / "rotator.sock"
    async with Rotator(configuration) as running:
        assert (await running.says("daemon.ready"))["credentials"] == 0
        code, body, _ = await ask(socket, "/-/ready")
        assert (code, "not every credential has been looked at once" in body) == (503, True), body
        await site.bao.write_policy("rotator", ROTATOR_POLICY + LISTING)
        await running.says("token.delivered", count=4)
        assert (await ask(socket, "/-/ready"))[0] == 200


async def test_a_key_of_which_no_credential_can_be_made_is_named_and_harms_no_other(
    site: Site, configuration: Path
) -> None:
    await site.bao.request("POST", "secret/data/apps/with space", {"data": {"client_id": "x"}})
    async with Rotator(configuration) as running:
        refused = await running.says("discover.refused")
        assert (refused["key"], refused["discover"]) == ("with space", "apps")
        assert (await running.says("daemon.ready"))["credentials"] == 2


async def test_a_credential_that_is_written_out_keeps_its_name_and_its_places(site: Site, configuration: Path) -> None:
    table = f"""
[credentials.billing]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/billing" }}
sinks = [{{ type = "file", path = "{site.home}/shipping.found" }}]
"""
    change(configuration, "\n[discover.apps]", f"{table}\n[discover.apps]")
    async with Rotator(configuration) as running:
        await running.says("discover.refused", key="billing", detail="there is a credential billing already")
        place = f"file:{site.home}/shipping.found"
        detail = f"a credential that is written out in the configuration delivers to {place}"
        await running.says("discover.refused", key="shipping", detail=detail)


async def test_a_reload_with_another_template_keeps_the_tokens_in_hand(site: Site, configuration: Path) -> None:
    async with Rotator(configuration) as running:
        await running.says("daemon.ready")
        before = site.requests()
        change(configuration, "tokens/found/{key}", "tokens/moved/{key}")
        running.signal(signal.SIGHUP)
        assert (await running.says("config.reloaded"))["changed"] == ["billing", "shipping"]
        await running.says("token.delivered", sink="vault:secret/tokens/moved/billing")
        await running.says("token.delivered", sink="vault:secret/tokens/moved/shipping")
        change(configuration, "[discover.apps]", "[discover.other]")
        running.signal(signal.SIGHUP)
        await running.says("config.reloaded", removed=["billing", "shipping"])
        assert (await running.says("discover.changed", discover="other"))["added"] == 2
        await running.says("token.adopted", credential="billing")
    assert site.requests() == before


async def test_commands_know_what_is_found(site: Site, configuration: Path) -> None:
    code, out, err = await rotator("plan", "-c", configuration, "-o", "json")
    assert (code, [line["credential"] for line in json.loads(out)]) == (0, ["billing", "shipping"]), err
    code, out, _ = await rotator("rotate", "shipping", "-c", configuration, "-o", "json")
    assert (code, [(line["credential"], line["action"]) for line in json.loads(out)]) == (0, [("shipping", "minted")])
    code, _, err = await rotator("rotate", "shippin", "-c", configuration)
    assert (code, "did you mean shipping?" in err) == (2, True)
    code, out, _ = await rotator("check", "--live", "-c", configuration)
    assert (code, "discover.apps: list secret/apps/*: 2 credentials" in out) == (0, True), out
    assert site.requests() == 2


async def test_commands_say_why_nothing_could_be_found(site: Site, configuration: Path) -> None:
    await site.bao.write_policy("rotator", ROTATOR_POLICY)
    code, out, _ = await rotator("rotate", "-c", configuration, "-o", "json")
    (line,) = json.loads(out)
    assert (code, line["credential"], line["reason"], line["error"]) == (1, "discover.apps", "list", "vault_denied")
    code, out, _ = await rotator("check", "--live", "-c", configuration)
    assert (code, "fail  discover.apps: list secret/apps/*\n" in out) == (1, True), out
