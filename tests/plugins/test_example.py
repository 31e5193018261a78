"""The example package, installed: its own tests, and the installed rotator with each of its kinds on real servers."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

from joserfc.jwk import ECKey

from tests.plugins.conftest import EXAMPLE
from tests.plugins.gateway import Gateway
from tests.support.oidc import Options
from tests.support.plain_client import claims, signed
from tests.support.process import PASSED_ON, Rotator, rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.controlled import Client
    from tests.support.process import Site

BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def row(database: Path, name: str) -> dict[str, Any]:
    """What a consumer finds in the database."""
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute("SELECT * FROM tokens WHERE name = ?", (name,)).fetchone())


def keep(file: Path, section: str, client: Client) -> None:
    """Write the INI file with one client."""
    file.touch(mode=0o600)
    file.write_text(f"[{section}]\nclient_id = {client.client_id}\nclient_secret = {client.secret.reveal()}\n")


def path(installed: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(installed)}


async def billing(site: Site, more: str = "") -> Path:
    """A configuration whose client credentials are in an INI file, and whose token goes into a database."""
    keep(site.home / "clients.ini", "billing", site.oidc.register(lifetime=site.lifetime))
    site.extra = f"""
[credentials.billing]
provider = "thx"
recheck_interval = "1s"
source = {{ type = "ini", file = "{site.home}/clients.ini" }}
sinks = [{{ type = "sqlite", database = "{site.home}/tokens.db"{more} }}]
"""
    return await site.prepare([])


async def test_its_own_tests_pass_as_its_author_runs_them(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "example")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "tests"),
        cwd=tmp_path / "example",
        env={**PASSED_ON, **path(installed)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
    assert b"22 passed" in told


async def test_a_token_is_kept_fresh_in_a_database_and_adopted_from_there(site: Site, installed: Path) -> None:
    file = await billing(site)
    async with Rotator(file, env=path(installed)) as daemon:
        minted = await daemon.says("token.minted", credential="billing")
        delivered = await daemon.says("token.delivered", sink=f"sqlite:{site.home}/tokens.db/billing")
        held = row(site.home / "tokens.db", "billing")
        assert (held["version"], held["fingerprint"]) == (1, delivered["fingerprint"])
        assert claims(held["access_token"])["scope"] == "openid admin"
        assert (site.home / "tokens.db").stat().st_mode & 0o777 == 0o600
        keep(site.home / "clients.ini", "billing", site.oidc.register(lifetime=site.lifetime))
        again = await daemon.says("token.minted", credential="billing", count=2)
        assert (minted["reason"], again["reason"]) == ("absent", "inputs_changed")
        await daemon.says("token.delivered", count=2)
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
    assert row(site.home / "tokens.db", "billing")["version"] == 2
    async with Rotator(file, env=path(installed)) as daemon:
        await daemon.says("token.adopted", credential="billing")
        await daemon.says("daemon.ready")
    assert site.requests() == 2


async def test_a_row_that_somebody_removed_is_written_again_without_a_mint(site: Site, installed: Path) -> None:
    file = await billing(site)
    async with Rotator(file, env=path(installed)) as daemon:
        await daemon.says("token.delivered")
        with closing(sqlite3.connect(site.home / "tokens.db")) as connection, connection:
            connection.execute("DELETE FROM tokens")
        await daemon.says("token.delivered", count=2)
    assert site.requests() == 1


async def test_a_database_that_is_locked_is_told_and_waited_for(site: Site, installed: Path) -> None:
    file = await billing(site)
    async with Rotator(file, env=path(installed)) as daemon:
        await daemon.says("token.delivered")
        with closing(sqlite3.connect(site.home / "tokens.db", isolation_level=None)) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            keep(site.home / "clients.ini", "billing", site.oidc.register())
            failed = await daemon.says("token.delivery_failed", error="plugin_unavailable")
            assert "is locked by somebody else; wanted writes that end within seconds" in failed["detail"]
        await daemon.says("token.delivered", count=2)
    assert site.requests() == 2


async def test_a_live_check_tries_each_kind_and_says_whose_they_are(site: Site, installed: Path) -> None:
    file = await billing(site)
    code, out, err = await rotator("check", "--live", "-c", file, env=path(installed))
    assert code == 0, out + err
    assert "the source ini is of rotator-example 1.0" in out
    assert "the sink sqlite is of rotator-example 1.0" in out
    assert f"billing: sqlite:{site.home}/tokens.db/billing" in out
    _, out, _ = await rotator("check", "-o", "json", "-c", file, env=path(installed))
    assert json.loads(out)["plugins"] == [
        {"adds": "source", "name": "ini", "distribution": "rotator-example", "version": "1.0"},
        {"adds": "sink", "name": "sqlite", "distribution": "rotator-example", "version": "1.0"},
    ]


async def test_without_the_package_the_same_configuration_is_refused_and_says_what_is_missing(site: Site) -> None:
    code, _, err = await rotator("check", "-c", await billing(site))
    assert code == 2
    assert "credentials.billing.sinks[0].type" in err
    assert "no installed package provides it; one that does has an entry point in rotator.sinks" in err
    assert "an entry point in rotator.sources" in err


async def test_what_its_models_refuse_is_told_with_its_key_and_line_and_without_its_value(
    site: Site, installed: Path
) -> None:
    file = await billing(site, ', databse = "/CANARY", row = 5')
    code, _, err = await rotator("check", "-c", file, env=path(installed))
    assert code == 2
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "sinks" in text)
    assert f"config.toml:{line}: credentials.billing.sinks[0].databse" in err
    assert "did you mean database?" in err
    assert f"config.toml:{line}: credentials.billing.sinks[0].row" in err
    assert "CANARY" not in err


async def test_two_credentials_are_not_delivered_into_one_row(site: Site, installed: Path) -> None:
    file = await billing(site, ', row = "token"')
    table = f'sinks = [{{ type = "sqlite", database = "{site.home}/tokens.db", row = "token" }}]'
    source = f'source = {{ type = "ini", file = "{site.home}/clients.ini", section = "billing" }}'
    file.write_text(f'{file.read_text()}[credentials.other]\nprovider = "thx"\n{source}\n{table}\n')
    code, _, err = await rotator("check", "-c", file, env=path(installed))
    assert code == 2
    assert "credentials.other.sinks[0]" in err
    assert "a place of its own; credentials.billing.sinks[0] delivers there" in err


async def test_a_grant_of_a_package_is_asked_for_with_what_the_clients_document_holds(
    site: Site, installed: Path
) -> None:
    key = ECKey.generate_key("P-256")
    options = Options(grants=(BEARER,), issuers={"https://cluster.test": {"keys": [key.as_dict(private=False)]}})
    site.clients["robot"] = site.oidc.register(options=options)
    site.extra = """
[credentials.robot]
provider = "thx"
grant = "kept_assertion"
source = { type = "vault", path = "secret/apps/robot", fields = { assertion = "jwt" } }
sinks = [{ type = "vault", path = "secret/tokens/robot" }]
"""
    file = await site.prepare([])
    kept = signed(key, "ES256", iss="https://cluster.test", sub="workload", aud=site.oidc.issuer, jti="")
    await site.store("robot", site.clients["robot"].secret.reveal(), jwt=kept)
    async with Rotator(file, env=path(installed)) as daemon:
        await daemon.says("token.delivered")
        assert claims((await site.document("robot"))["access_token"])["sub"] == "workload"
        assert kept not in json.dumps(daemon.events)


async def test_a_client_proves_itself_to_a_gateway_as_the_package_has_it(site: Site, installed: Path) -> None:
    client = site.oidc.register()
    site.clients["billing"] = client
    async with Gateway(site.oidc.token_url, client) as gateway:
        site.extra = f"""
[providers.behind]
token_url = "{gateway.token_url}"
client_auth = "gateway_key"
[credentials.billing]
provider = "behind"
recheck_interval = "1s"
source = {{ type = "vault", path = "secret/apps/billing" }}
sinks = [{{ type = "vault", path = "secret/tokens/billing" }}]
"""
        file = await site.prepare([])
        await site.store("billing", client.secret.reveal())
        async with Rotator(file, env=path(installed)) as daemon:
            await daemon.says("token.delivered")
            await site.store("billing", "wrong")
            await daemon.says("token.mint_failed", error="invalid_client")
            told = json.dumps(daemon.events)
    assert gateway.refused >= 1
    assert client.secret.reveal() not in told
