"""OAuth clients that live as long as a lease: Vault's RabbitMQ engine makes them, and the installed daemon uses them.

Each user that the engine makes is registered as a client of the provider, which is what an engine for its clients does.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from rotator.demo.stage import ROTATOR_POLICY
from tests.integration.vault import broker
from tests.integration.vault.visits import until
from tests.support.process import Rotator, rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.vault.broker import Broker
    from tests.support.process import Site

IN_VAULT = 'source = { type = "vault", path = "secret/apps/billing" }'
LEASED = (
    'source = { type = "vault_path", path = "rabbitmq/creds/app", '
    'fields = { client_id = "username", client_secret = "password" } }'
)
RULES = """
path "rabbitmq/creds/app" { capabilities = ["read"] }
path "sys/leases/revoke"  { capabilities = ["update"] }
"""


async def prepare(site: Site, users: Broker, ttl: int) -> Path:
    """A site whose application's client is made for each lease, of so many seconds."""
    configuration = await site.prepare(["billing"])
    await site.bao.request("POST", "sys/mounts/rabbitmq", {"type": "rabbitmq"})
    name, password = broker.ADMINISTRATOR
    connection = {"connection_uri": users.address, "username": name, "password": password}
    await site.bao.request("POST", "rabbitmq/config/connection", connection)
    await site.bao.request("POST", "rabbitmq/config/lease", {"ttl": ttl, "max_ttl": ttl})
    await site.bao.request("POST", "rabbitmq/roles/app", {"vhosts": '{"/": {"read": ".*"}}'})
    await site.bao.write_policy("rotator", ROTATOR_POLICY + RULES)
    text = configuration.read_text()
    assert IN_VAULT in text
    configuration.write_text(text.replace(IN_VAULT, LEASED))
    return configuration


async def test_a_client_is_kept_for_its_lease_replaced_before_its_end_and_given_back_in_the_end(site: Site) -> None:
    async def register(client_id: str, secret: str) -> None:
        await asyncio.to_thread(site.oidc.register, client_id, secret)

    async with broker.running(register) as users:
        configuration = await prepare(site, users, ttl=18)
        async with Rotator(configuration) as daemon:
            await daemon.says("daemon.ready")
            (first,) = users.users
            assert len(site.oidc.requests(first)) == 1
            await daemon.says("token.delivered", count=4, within=20)  # to two sinks, twice
            second = next(name for name in users.users if name != first)
            assert len(site.oidc.requests(second)) == 1
            assert site.file("billing").read_text() == (await site.document("billing"))["access_token"]
            daemon.signal(signal.SIGTERM)
            assert await daemon.ended() == 0
            assert not daemon.named("vault.denied")
        await until(lambda: not users.users, 10)


async def test_a_path_is_checked_before_the_daemon_runs(site: Site) -> None:
    async with broker.running() as users:
        configuration = await prepare(site, users, ttl=60)
        await site.bao.write_policy("rotator", ROTATOR_POLICY)
        code, out, _ = await rotator("check", "--live", "-c", configuration)
        assert code == 1
        assert 'path "rabbitmq/creds/app" { capabilities = ["read"] }' in out
