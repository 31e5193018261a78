"""Two rotators with one configuration, one Vault and one provider, and no leader between them (H01 to H03, H08)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from base64 import urlsafe_b64decode
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
import pytest_asyncio

from rotator.demo.bao import BaoServer
from tests.integration.vault.relay import Forward, Relay, pass_on
from tests.support.fault_proxy import FaultProxy
from tests.support.process import ROTATOR, Rotator, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from tests.support.oidc import OidcProvider

LIFE = 10
RENEWED_AFTER = 0.4 * LIFE
"""Seconds after which a token is renewed at the earliest."""

LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
VAULT_SINK = "vault:secret/tokens/billing"


@pytest_asyncio.fixture
async def site(tmp_path: Path, own_oidc_provider: OidcProvider) -> AsyncIterator[Site]:
    """A site whose Vault keeps every version of every token."""
    async with BaoServer("inmem") as bao:
        await bao.enable_approle()
        site = Site(tmp_path, bao, own_oidc_provider, lifetime=LIFE)
        await site.prepare(["billing"])
        await bao.request("POST", "secret/config", {"max_versions": 1000})
        yield site


def replica(site: Site, name: str, *, vault: str = "") -> Path:
    """The site's configuration with state and files of its own, and perhaps another way to Vault."""
    home = site.home / name
    home.mkdir()
    for file in ("role-id", "secret-id"):
        shutil.copy(site.home / file, home)
    text = (site.home / "config.toml").read_text().replace(f'"{site.home}/', f'"{home}/')
    text = text.replace(site.bao.address, vault or site.bao.address)
    configuration = home / "config.toml"
    configuration.write_text(text.replace('recheck_interval = "2s"', 'recheck_interval = "1s"'))
    return configuration


class SkewedRotator(Rotator):
    """A daemon whose wall clock is wrong by so many seconds."""

    def __init__(self, configuration: Path, seconds: int) -> None:
        super().__init__(configuration)
        self._seconds = seconds

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            ROTATOR,
            "run",
            "-c",
            self._configuration,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            # Not through the program of that name, which would stand between us and the daemon.
            env={"PATH": os.environ["PATH"], "LD_PRELOAD": str(LIBFAKETIME), "FAKETIME": f"{self._seconds:+d}s"},
        )
        self._reader = asyncio.create_task(self._read())
        return self


async def history(site: Site) -> list[dict[str, Any]]:
    """Every document that was ever at the path, oldest first."""
    newest = (await site.bao.request("GET", "secret/metadata/tokens/billing"))["data"]["current_version"]
    answers = [
        await site.bao.request("GET", f"secret/data/tokens/billing?version={number}") for number in range(1, newest + 1)
    ]
    return [answer["data"]["data"] for answer in answers]


def never_back(documents: list[dict[str, Any]]) -> bool:
    """Whether no document expires before the one that it replaced."""
    ends = [datetime.fromisoformat(document["expires_at"]) for document in documents]
    return all(earlier <= later for earlier, later in pairwise(ends))


def never_truly_back(documents: list[dict[str, Any]]) -> bool:
    """Whether no token was replaced by a much older one, by the provider's clock and not by anybody's dates.

    Of two that were minted within half a life of each other either may win: dates that are wrong cannot tell them
    apart, and both are good.
    """
    payloads = [document["access_token"].split(".")[1] for document in documents]
    ends = [json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"] for payload in payloads]
    return all(earlier <= later + LIFE / 2 for earlier, later in pairwise(ends))


@asynccontextmanager
async def both(site: Site) -> AsyncIterator[tuple[Rotator, Rotator]]:
    """Two daemons."""
    async with Rotator(replica(site, "one")) as one, Rotator(replica(site, "two")) as two:
        yield one, two


async def test_h01_two_replicas_ask_no_more_than_two_would_and_never_move_a_token_back(site: Site) -> None:
    async with both(site) as (one, two):
        await asyncio.gather(one.says("daemon.ready"), two.says("daemon.ready"))
        await asyncio.sleep(1.2 * LIFE)  # the time that is looked at
        documents = await history(site)
        assert len(documents) >= 3
        assert never_back(documents)
        assert site.requests() <= 2 * (1 + 1.2 * LIFE / RENEWED_AFTER)
        for daemon in (one, two):
            assert not daemon.named("token.delivery_failed")
            assert not daemon.named("token.expired")


async def test_h02_the_write_of_a_replica_that_was_paused_in_it_is_refused_and_nothing_moves_back(site: Site) -> None:
    async with Relay(site.bao.address).serving() as relay:
        zombies = replica(site, "zombie", vault=relay.address)
        async with Rotator(zombies) as zombie:
            await zombie.says("token.delivered", sink=VAULT_SINK)
            held, release = asyncio.Event(), asyncio.Event()
            statuses = []

            async def hold(request: web.Request, forward: Forward) -> web.Response:
                if request.method not in {"POST", "PUT"} or "/data/tokens/" not in request.path:
                    return await forward()
                held.set()
                await release.wait()
                answer = await forward()
                statuses.append(answer.status)
                return answer

            relay.meddle = hold
            await asyncio.wait_for(held.wait(), LIFE)
            zombie.signal(signal.SIGSTOP)
            async with Rotator(replica(site, "awake")) as awake:
                await awake.says("token.delivered", sink=VAULT_SINK, count=2)
                before = await site.document("billing")
                release.set()
                async with asyncio.timeout(5):
                    while not statuses:  # noqa: ASYNC110  it is set in a request that the relay has in hand
                        await asyncio.sleep(0.01)
                assert statuses == [400]
                assert await site.document("billing") == before
                relay.meddle = pass_on
                zombie.signal(signal.SIGCONT)
                await zombie.says("token.adopted")
                assert never_back(await history(site))


async def test_h03_a_replica_that_cannot_reach_the_provider_is_served_by_the_other(site: Site) -> None:
    async with Rotator(replica(site, "one")) as one:
        await one.says("daemon.ready")
        configuration = replica(site, "cut-off")
        # Addresses that the provider does not have: another token_url would be another kind of token.
        away = '[providers.thx]\nallowed_networks = ["192.0.2.0/24"]\n'
        configuration.write_text(configuration.read_text().replace("[providers.thx]\n", away))
        async with Rotator(configuration) as cut_off:
            file = f"file:{site.home / 'cut-off' / 'billing.token'}"
            # The first as it starts, two more as the other renews them.
            await cut_off.says("token.delivered", sink=file, count=3, within=3 * LIFE)
            assert not cut_off.named("token.minted")
            assert not cut_off.named("token.expired")
        assert never_back(await history(site))


async def test_h03_a_replica_that_cannot_reach_vault_goes_on_in_its_files_and_moves_nothing_back(site: Site) -> None:
    host, port = site.bao.address.removeprefix("http://").split(":")
    async with FaultProxy(int(port)) as proxy, Rotator(replica(site, "one")) as one:
        await one.says("daemon.ready")
        async with Rotator(replica(site, "cut-off", vault=f"http://{host}:{proxy.port}")) as cut_off:
            await cut_off.says("daemon.ready")
            await proxy.refuse()
            proxy.reset()
            await cut_off.says("vault.unavailable")
            file = f"file:{site.home / 'cut-off' / 'billing.token'}"
            delivered = len(cut_off.named("token.delivered", sink=file))
            await cut_off.says("token.delivered", sink=file, count=delivered + 1)
            await proxy.listen()
            await cut_off.says("vault.recovered", within=5)
            await one.says("token.minted", count=len(one.named("token.minted")) + 1)
            assert never_back(await history(site))
            assert not cut_off.named("token.expired")
            assert not one.named("token.expired")


@pytest.mark.skipif(LIBFAKETIME is None, reason="Debian's libfaketime is not installed")
@pytest.mark.parametrize("skew", [300, -300], ids=["5 min ahead", "5 min behind"])
async def test_h08_a_replica_whose_clock_is_wrong_makes_no_storm_and_moves_nothing_back(site: Site, skew: int) -> None:
    async with (
        Rotator(replica(site, "right")) as right,
        SkewedRotator(replica(site, "skewed"), skew) as skewed,
    ):
        await asyncio.gather(right.says("daemon.ready"), skewed.says("daemon.ready"))
        await asyncio.sleep(1.2 * LIFE)  # the time that is looked at
        documents = await history(site)
        assert never_truly_back(documents)
        assert site.requests() <= 2 * (1 + 1.2 * LIFE / RENEWED_AFTER)
        assert len(documents) >= 3
