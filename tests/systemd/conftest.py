"""Machines with a real systemd, on which docs/howto/systemd.md has been followed; see `make systemd-test`."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rotator.demo.bao import BaoServer
from tests.support.oidc import OidcProvider
from tests.systemd import howto, tree
from tests.systemd.machine import Machine
from tests.systemd.place import CONFIGURATION, CONSUMER, Site, figures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ASKED_FOR = "ROTATOR_SYSTEMD_TEST"
"""Set by `make systemd-test`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Boots and bootstraps are for those who ask for them, who are then told what is missing by failures."""
    if os.environ.get(ASKED_FOR):
        return
    why = "boots a real systemd in a container, which takes root and minutes: `sudo make systemd-test` runs it"
    for item in items:
        if item.path.is_relative_to(tree.ROOT / "tests/systemd"):
            item.add_marker(pytest.mark.skip(reason=why))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures."""
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=tree.RELEASES, ids=[release.name for release in tree.RELEASES]
)
async def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One for all tests of a release; each leaves rotator running, with the configuration that it found."""
    lacking = tree.missing()
    if lacking:
        pytest.fail("\n".join(lacking), pytrace=False)
    release: tree.Release = request.param
    home = tmp_path_factory.mktemp(release.name)
    with OidcProvider() as oidc:
        async with BaoServer("inmem") as bao, _booted(release, home) as machine:
            one = Site(release, machine, bao, oidc, oidc.register(lifetime=600))
            await _follow_the_howto(one)
            yield one


@asynccontextmanager
async def _booted(release: tree.Release, home: Path) -> AsyncIterator[Machine]:
    root, packages = tree.bare(release), tree.packages(release)
    tree.carry(home / "carried")
    tree.copy(root, home / "root")
    binds = {home / "carried": "/usr/src/rotator", packages: "/usr/src/packages"}
    machine = Machine(home / "root", binds, home / "console")
    try:
        began = asyncio.get_running_loop().time()
        machine.switch_on()
        await machine.booted()
        figures.append(f"{release.name}: booted in {asyncio.get_running_loop().time() - began:.1f} s")
        yield machine
    finally:
        machine.off()
        shutil.rmtree(home / "root")


async def _follow_the_howto(site: Site) -> None:
    machine, bao = site.machine, site.bao
    await bao.enable_kv("secret", 2)
    await site.store()
    # The packages were downloaded before, by pip with the same lock.
    await machine.script(
        howto.commands("Install", *site.release.labels), {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/usr/src/packages"}
    )
    await machine.write("/root/.vault-token", bao.root_token.reveal(), "0600")  # where `bao login` keeps it
    await machine.script(howto.commands("Let it in to Vault"), {"BAO_ADDR": bao.address})
    await machine.output("rm", "/root/.vault-token")
    await machine.write("/etc/hosts", "127.0.0.1 localhost\n")  # which an installer writes, and no bootstrap
    # A name, so that it is resolved inside the sandbox; rotator looks every 2 s, which is long enough to be waited for.
    text = howto.configuration(_by_name(bao.address), _by_name(site.oidc.token_url))
    site.configuration = f'{text}\n[defaults]\nrecheck_interval = "2s"\n'
    await machine.write(CONFIGURATION, site.configuration)
    await machine.script(howto.commands("Configure"))
    await machine.script(howto.commands("Start"))
    await machine.write("/etc/systemd/system/asset-pool.service", CONSUMER)
    await machine.output("systemctl", "start", "asset-pool")
    await machine.script(howto.commands("Consumers"))


def _by_name(address: str) -> str:
    changed = re.sub("127.0.0.1", "localhost", address)
    assert changed != address
    return changed
