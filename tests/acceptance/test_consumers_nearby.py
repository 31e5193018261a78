"""Consumers on the same machine: the local socket, and commands that run after a write, with a real daemon."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.support.process import Rotator, rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.process import Site


def with_socket(site: Site, users: str, more: str = "") -> Path:
    """Billing's token at the local socket as well, for these users."""
    socket = site.home / "tokens.sock"
    site.extra = f"""
[local]
socket = "{socket}"

[credentials.nearby]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/billing" }}

[[credentials.nearby.sinks]]
type = "socket"
users = ["{users}"]
{more}

[[credentials.nearby.sinks]]
type = "vault"
path = "secret/tokens/nearby"
"""
    return socket


async def ask(socket: Path, path: str = "/token/nearby") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session,
        session.get(f"http://rotator{path}") as answer,
    ):
        return answer.status, await answer.text()


async def test_a_local_consumer_gets_the_freshest_token_and_a_restart_mints_none(site: Site) -> None:
    socket = with_socket(site, str(os.geteuid()))
    configuration = await site.prepare(["billing"])
    held: dict[str, Any] = {}
    for _ in range(2):
        async with Rotator(configuration) as daemon:
            await daemon.says("daemon.ready")
            await daemon.says("token.delivered", credential="nearby", sink_kind="socket")
            status, text = await ask(socket)
            assert status == 200
            held = json.loads(text)
            assert (await ask(socket, "/token/nearby?format=raw"))[1] == held["access_token"]
            assert held["access_token"] == (await site.document("nearby"))["access_token"]
            daemon.signal(signal.SIGTERM)
            assert await daemon.ended() == 0
        assert not socket.exists()
    assert len(site.oidc.requests()) == 2, "one token each for billing and for nearby"


async def test_who_is_not_named_gets_nothing(site: Site) -> None:
    socket = with_socket(site, "12345")
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        assert (await ask(socket))[0] == 403


async def test_a_command_runs_after_a_write_without_the_token_and_its_failure_touches_nobody(site: Site) -> None:
    told = site.home / "told"
    script = site.home / "hook"
    script.write_text(
        f'#!/bin/sh\necho "$ROTATOR_CREDENTIAL $ROTATOR_FINGERPRINT $*" >> {told}\nenv >> {told}\nexit 3\n'
    )
    script.chmod(0o755)
    hook = f'after_write = [{{ type = "exec", command = ["{script}", "an argument"] }}]\ndebounce = "100ms"'
    with_socket(site, str(os.geteuid()), hook)
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as daemon:
        failed = await daemon.says("hook.failed")
        document = await site.document("nearby")
        assert told.read_text().startswith(f"nearby {document['fingerprint']} an argument\n")
        assert document["access_token"] not in told.read_text()
        assert (failed["credential"], failed["sink"]) == ("nearby", "socket:/token/nearby")
        await daemon.says("daemon.ready")
        assert daemon.named("token.delivery_failed") == []


async def test_a_command_that_hangs_delays_neither_tokens_nor_the_end(site: Site) -> None:
    hook = 'after_write = [{ type = "exec", command = ["/bin/sleep", "1000"], timeout = "60s" }]\ndebounce = "10ms"'
    with_socket(site, str(os.geteuid()), hook)
    configuration = await site.prepare(["billing"])
    configuration.write_text('shutdown_grace = "2s"\n' + configuration.read_text())
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        began = asyncio.get_running_loop().time()
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
        assert asyncio.get_running_loop().time() - began < 10


async def test_a_command_that_is_not_there_is_refused_at_the_start_and_not_at_the_first_write(site: Site) -> None:
    with_socket(site, "root", 'after_write = [{ type = "exec", command = ["/nowhere/reload"] }]')
    configuration = await site.prepare(["billing"])
    code, _, said = await rotator("run", "-c", configuration)
    assert code == 2
    assert "credentials.nearby.sinks[0].after_write[0]" in said
    assert "/nowhere/reload" in said
