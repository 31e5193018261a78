"""What the page about consumers says of those on the same machine: the socket, and what is done after a write."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest_asyncio
from aiohttp import web

from rotator.core.model import Secret
from tests.docs.test_consumers import BILLING, PAGE, api, here, needs, until
from tests.support.pages import example
from tests.support.process import Rotator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.docs.conftest import Place

ME = f'users = ["{os.geteuid()}"]'


@pytest_asyncio.fixture
async def served(site: Place) -> AsyncIterator[Rotator]:
    """A daemon that serves billing's token at the socket, to whoever runs the tests."""
    await prepared(site)
    written = here(example(PAGE, "local"), site)
    for who in ('users = ["billing"]', 'groups = ["batch"]'):
        assert who in written
    written = written.replace('users = ["billing"], groups = ["batch"]', ME)
    local = f'[local]\nsocket = "{site.home}/rotator/tokens.sock"\n[defaults]\nrecheck_interval = "1s"\n'
    site.configure(f"{written}\n{local}")
    async with Rotator(site.home / "config.toml") as daemon:
        await daemon.says("token.delivered", sink_kind="socket")
        await daemon.says("daemon.ready")
        yield daemon


async def prepared(site: Place) -> None:
    site.clients["billing"] = Secret("the-secret")
    (site.home / "rotator").mkdir(mode=0o700)
    await site.sh("bao kv put secret/apps/billing client_id=billing client_secret=the-secret")


async def in_vault(site: Place) -> str:
    return (await site.sh("bao kv get -field=access_token secret/tokens/billing")).strip()


@needs["curl"]
async def test_curl_asks_at_the_socket_and_calls_an_api_with_what_it_gets(site: Place, served: Rotator) -> None:
    del served
    said = await site.sh(here(example(PAGE, "socket"), site))
    record, answered = said.splitlines()
    assert json.loads(record)["access_token"] == await in_vault(site)
    assert '"hello":"billing"' in answered


@needs["curl"]
async def test_a_question_that_waits_is_answered_by_the_next_token(site: Place, served: Rotator) -> None:
    del served
    before = await in_vault(site)
    curl = f"curl --silent --unix-socket {site.home}/rotator/tokens.sock"
    known = (await site.sh("bao kv get -field=fingerprint secret/tokens/billing")).strip()
    unchanged = f"{curl} -o nothing -w '%{{http_code}}' 'http://rotator/token/billing?wait=1s&newer={known}'"
    assert await site.sh(unchanged) == "304"
    assert await site.sh(f"{curl} -o nothing -w '%{{http_code}}' http://rotator/token/other") == "404"
    waits = asyncio.create_task(site.sh(f"{curl} 'http://rotator/token/billing?format=raw&wait=60s&newer={known}'"))
    await asyncio.sleep(1.1)  # two tokens that are issued in one second are equally good: docs/adr/0007
    await site.sh("bao kv patch secret/apps/billing client_secret=the-secret")  # a new version means a new token
    told = await asyncio.wait_for(waits, 75)
    assert told != before
    assert told == await in_vault(site)


async def test_a_program_in_python_asks_at_the_socket(site: Place, served: Rotator) -> None:
    del served
    program = here(example(PAGE, "nearby.py"), site)
    (site.home / "nearby.py").write_text(f'{program}\nprint(token("billing"), end="")\n')
    assert await site.sh(f"{sys.executable} nearby.py") == await in_vault(site)
    (site.home / "other.py").write_text(f'{program}\nprint(token("other"))\n')
    assert "rotator: 404 there is no token of this name" in await site.sh(f"{sys.executable} other.py", code=1)


def hooks(site: Place, webhook: str) -> str:
    """The page's hooks but for systemd's, for which there has to be one."""
    written = "\n".join(line for line in example(PAGE, "hooks").splitlines() if '"systemd"' not in line)
    wanted = {"/usr/local/bin/push-token": f"{site.home}/push-token", "https://deploy.example.com": webhook}
    for there, mine in wanted.items():
        assert there in written
        written = written.replace(there, mine)
    return BILLING + here(written, site)


async def test_a_command_a_process_and_a_webhook_are_told_of_a_new_token_and_of_no_secret(site: Place) -> None:
    await prepared(site)
    script = site.home / "push-token"
    script.write_text(
        f'#!/bin/sh\ncat > {site.home}/pushed\nenv > {site.home}/environment; echo "$@" >> {site.home}/environment\n'
    )
    script.chmod(0o755)
    bearer = site.home / "rotator/webhook-bearer"
    bearer.touch(mode=0o600)
    bearer.write_text("let-me-in")
    posted: list[tuple[str | None, dict[str, Any]]] = []

    async def note(request: web.Request) -> web.Response:
        posted.append((request.headers.get("Authorization"), await request.json()))
        return web.Response(status=204)

    waits = (
        f"trap 'touch {site.home}/signalled; exit' HUP; echo $$ > {site.home}/billing.pid; while :; do sleep 0.1; done"
    )
    signalled = await asyncio.create_subprocess_exec("env", "--default-signal=HUP", "sh", "-c", waits)
    try:
        await until((site.home / "billing.pid").exists, "the process does not start")
        async with api(note) as webhook:
            site.configure(hooks(site, webhook))
            async with Rotator(site.home / "config.toml") as daemon:
                await daemon.says("hook.ran", count=3)
                assert daemon.named("hook.failed") == []
                daemon.signal(signal.SIGTERM)
                assert await daemon.ended() == 0
        await asyncio.wait_for(signalled.wait(), 20)
    finally:
        if signalled.returncode is None:
            signalled.kill()
            await signalled.wait()
    token = (site.home / "rotator/billing.token").read_text()
    assert (site.home / "pushed").read_text() == token
    told = (site.home / "environment").read_text()
    assert token not in told
    assert told.endswith("--to cache\n")
    names = {line.partition("=")[0] for line in told.splitlines() if "=" in line}
    assert names - {"PWD", "_", "SHLVL", "OLDPWD"} == {
        *("PATH", "LANG", "ROTATOR_CREDENTIAL", "ROTATOR_SINK", "ROTATOR_FINGERPRINT", "ROTATOR_EXPIRES_AT")
    }
    ((authorization, said),) = posted
    assert authorization == "Bearer let-me-in"
    assert set(said) == {"credential", "sink", "fingerprint", "expires_at"}
    assert token not in json.dumps(said)
    assert (site.home / "signalled").exists()


async def test_a_command_that_others_could_change_is_refused_before_it_could_run(site: Place) -> None:
    await prepared(site)
    script = site.home / "push-token"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o777)
    (site.home / "rotator/webhook-bearer").touch(mode=0o600)
    (site.home / "rotator/webhook-bearer").write_text("let-me-in")
    site.configure(hooks(site, "http://127.0.0.1:9"))
    for command in ("run", "check --live"):
        assert "others could change what rotator runs" in await site.sh(f"rotator {command}", code=2)
