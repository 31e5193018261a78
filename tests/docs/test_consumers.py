"""The examples for consumers, tried with the programs that they are for."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, web

from rotator.core.model import Secret
from rotator.demo import ports
from tests.support.pages import example, examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.docs.conftest import Place

PAGE = "docs/howto/consumers.md"
API = "https://api.example.com"
PATIENCE = 30.0

BILLING = """
[credentials.billing]
provider = "thx"
source = { type = "vault", path = "secret/apps/billing" }
"""

needs = {
    name: pytest.mark.skipif(shutil.which(name, path=f"{os.defpath}:/usr/sbin") is None, reason=f"{name} is not here")
    for name in ("curl", "nginx", "prometheus")
}


def here(text: str, site: Place) -> str:
    """An example with this machine's places in it."""
    api, vault = site.provider.issuer, site.environment["BAO_ADDR"]
    wanted = {
        "/run/": f"{site.home}/",
        "/etc/": f"{site.home}/",
        API: api,
        "https://vault.example.com:8200": vault,
    }
    for written, mine in wanted.items():
        text = text.replace(written, mine)
    return text.replace(', group = "billing"', "")


async def delivered(site: Place) -> None:
    """Everything that the page's configuration delivers."""
    site.clients["billing"] = Secret("the-secret")
    (site.home / "rotator").mkdir(mode=0o700)
    site.configure(here(examples(PAGE, "toml")[0].text, site))
    await site.sh("bao kv put secret/apps/billing client_id=billing client_secret=the-secret")
    await renewed(site)


async def renewed(site: Place) -> str:
    """A new token is there."""
    # The path may be another test's, or another run's: it is rotator's, whoever wrote it.
    await site.sh("rotator rotate --force")
    return (site.home / "rotator/billing.token").read_text()


async def until(found: Callable[[], bool], what: str) -> None:
    """Come back when it is so."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not found():  # noqa: ASYNC110  what other programs do sets no event here
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(what)


@asynccontextmanager
async def running(*command: str | Path, log: Path) -> AsyncIterator[None]:
    """A program that is ended in the end."""
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(*command, stdout=file, stderr=file, cwd=log.parent)
        try:
            yield
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), PATIENCE)


@needs["curl"]
@pytest.mark.parametrize("label", ["curl", "shell"])
async def test_curl_calls_an_api_with_the_token(site: Place, label: str) -> None:
    await delivered(site)
    assert '"hello":"billing"' in await site.sh(here(example(PAGE, label), site))


@needs["nginx"]
async def test_nginx_passes_the_token_on_and_the_next_one_once_it_is_told(site: Place) -> None:
    site.clients["billing"] = Secret("the-secret")
    await site.sh("bao kv put secret/apps/billing client_id=billing client_secret=the-secret")
    (site.home / "rotator/nginx").mkdir(mode=0o700, parents=True)
    (site.home / "rotator/nginx.conf.j2").write_text(example(PAGE, "nginx.conf.j2"))
    site.configure(here(BILLING + example(PAGE, "nginx"), site))
    assert "hook_target" in await site.sh("rotator rotate --force")  # nginx does not run yet
    held = site.home / "rotator/nginx/token"
    asked: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization"))
        return web.Response(text="done")

    port = ports.to_try(0)[0]
    async with api(answer) as address:
        place = here(example(PAGE, "nginx.conf"), site).replace(site.provider.issuer, address)
        (site.home / "nginx.conf").write_text(
            f"daemon off; user root; pid {site.home}/nginx.pid; error_log {site.home}/nginx.log;\n"
            f"events {{}}\nhttp {{ access_log off; client_body_temp_path {site.home}/body;\n"
            f"server {{ listen 127.0.0.1:{port};\n{place}}} }}\n"
        )
        nginx = shutil.which("nginx", path=f"{os.defpath}:/usr/sbin") or "nginx"
        async with running(nginx, "-c", site.home / "nginx.conf", log=site.home / "nginx.out"), ClientSession() as http:
            await until((site.home / "nginx.pid").exists, "nginx does not start")
            for last in (False, True):
                wanted = held.read_text().partition('"')[2].rpartition('"')[0]
                async with asyncio.timeout(PATIENCE):
                    while not asked or asked[-1] != wanted:
                        await (await http.get(f"http://127.0.0.1:{port}/api/orders")).read()
                if not last:
                    assert await site.sh("rotator rotate --force 2>&1 > /dev/null") == ""
    assert None not in asked
    assert len(set(asked)) == 2


@asynccontextmanager
async def api(answer: Callable[[web.Request], object]) -> AsyncIterator[str]:
    """A server on loopback that answers everything so."""
    application = web.Application()
    application.router.add_route("*", "/{any:.*}", answer)  # type: ignore[arg-type]  # any handler will do
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@needs["prometheus"]
async def test_prometheus_scrapes_with_the_token_and_with_the_next_one_without_being_told(site: Place) -> None:
    await delivered(site)
    asked: list[str | None] = []

    async def metrics(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization"))
        return web.Response(text="orders_total 1\n", content_type="text/plain")

    async with api(metrics) as address:
        written = here(example(PAGE, "prometheus"), site)
        for was, mine in (("api.example.com:443", address.removeprefix("http://")), ("scheme: https", "scheme: http")):
            assert was in written
            written = written.replace(was, mine)
        (site.home / "prometheus.yml").write_text(f"global:\n  scrape_interval: 1s\n{written}")
        await site.sh("promtool check config prometheus.yml")
        listen = f"--web.listen-address=127.0.0.1:{ports.to_try(0)[0]}"
        options = [f"--config.file={site.home}/prometheus.yml", f"--storage.tsdb.path={site.home}/tsdb", listen]
        async with running("prometheus", *options, log=site.home / "prometheus.log"):
            first = (site.home / "rotator/billing.token").read_text()
            await until(lambda: f"Bearer {first}" in asked, "no scrape came with the token")
            second = await renewed(site)
            await until(lambda: f"Bearer {second}" in asked, "no scrape came with the next token")
        assert first != second


async def test_an_openbao_agent_renders_the_token_and_the_next_one(site: Place) -> None:
    await delivered(site)
    (site.home / "billing").mkdir()
    (site.home / "billing/vault-token").write_text(site.consumer)
    written = here(example(PAGE, "agent"), site)
    assert "interval = 60" in written
    (site.home / "agent.hcl").write_text(written.replace("interval = 60", "interval = 1"))
    bao = Path(site.environment["PATH"].partition(":")[0]) / "bao"
    rendered = site.home / "billing/token"

    def holds_the_newest() -> bool:
        return rendered.exists() and rendered.read_text() == (site.home / "rotator/billing.token").read_text()

    async with running(bao, "agent", f"-config={site.home}/agent.hcl", log=site.home / "agent.log"):
        await until(holds_the_newest, "the agent does not render the token")
        await renewed(site)
        await until(holds_the_newest, "the agent does not render the next token")
    assert rendered.stat().st_mode & 0o777 == 0o600
