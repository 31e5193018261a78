"""`deploy/vault/setup-approle` against a real OpenBao, and rotator with what it has set up."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from rotator.demo.bao import find_bao
from tests.deploy.marks import deploy
from tests.support.process import Rotator, Site, rotator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.model import Secret
    from rotator.demo.bao import BaoServer
    from tests.support.oidc import OidcProvider
    from tests.support.process import Event

VAULT = Path(__file__).parents[2] / "deploy/vault"
SCRIPT = VAULT / "setup-approle"


class Setup:
    """The script, as somebody runs it who is logged in."""

    def __init__(self, bao: BaoServer, home: Path) -> None:
        self.bao = bao
        self.directory = home / "credentials"
        self._home = home
        # A program in between that tells what it was called with.
        self.calls = home / "calls"
        programs = home / "programs"
        programs.mkdir()
        (programs / "bao").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{self.calls}\nexec {find_bao()} "$@"\n')
        (programs / "bao").chmod(0o755)
        self._path = f"{programs}:{os.environ['PATH']}"

    async def run(self, *options: str, token: Secret | None = None) -> tuple[int, str]:
        """Exit code, and everything that was said."""
        env = {
            "PATH": self._path,
            "HOME": str(self._home),
            "BAO_ADDR": self.bao.address,
            "BAO_TOKEN": (token or self.bao.root_token).reveal(),
        }
        process = await asyncio.create_subprocess_exec(
            SCRIPT, *options, self.directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=env
        )
        said, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, said.decode()

    def secret(self) -> str:
        """What rotator is to log in with."""
        return (self.directory / "secret-id").read_text().strip()

    async def logs_in(self, secret: str) -> bool:
        """Whether Vault takes it."""
        body = {"role_id": (self.directory / "role-id").read_text().strip(), "secret_id": secret}
        status, _ = await self.bao.ask("POST", "auth/approle/login", body)
        return status == 200


@pytest.fixture
async def own_inmem_bao() -> AsyncIterator[BaoServer]:
    """Without AppRole."""
    from rotator.demo.bao import BaoServer

    async with BaoServer("inmem") as server:
        yield server


@pytest.fixture
def setup(own_inmem_bao: BaoServer, tmp_path: Path) -> Setup:
    return Setup(own_inmem_bao, tmp_path)


async def test_no_secret_is_printed_or_becomes_an_argument_and_the_files_are_for_their_owner_alone(
    setup: Setup,
) -> None:
    code, said = await setup.run()
    assert code == 0, said
    first = setup.secret()
    assert await setup.logs_in(first)
    renewed, more = await setup.run("-n")
    assert renewed == 0, more
    told = said + more + setup.calls.read_text()
    assert not any(secret in told for secret in (first, setup.secret()))
    assert setup.bao.root_token.reveal() not in told
    assert "secret_id=@" in told
    files = sorted(file.name for file in setup.directory.iterdir())
    assert files == ["role-id", "secret-id"]
    assert {stat.S_IMODE((setup.directory / name).stat().st_mode) for name in files} == {0o600}


@deploy
async def test_a_second_run_changes_nothing_and_a_secret_id_that_is_no_longer_good_is_replaced(setup: Setup) -> None:
    await setup.run()
    first = setup.secret()
    code, said = await setup.run()
    assert (code, setup.secret()) == (0, first)
    assert "is good and stays" in said
    await setup.bao.request("PUT", "auth/approle/role/rotator/secret-id/destroy", {"secret_id": first})
    code, _ = await setup.run()
    assert (code, setup.secret() != first, await setup.logs_in(setup.secret())) == (0, True, True)


@deploy
async def test_a_new_secret_id_is_in_place_before_the_old_one_is_destroyed(setup: Setup) -> None:
    await setup.run()
    first = setup.secret()
    code, said = await setup.run("-n")
    assert (code, await setup.logs_in(first), await setup.logs_in(setup.secret())) == (0, False, True)
    assert said.index("secret-id is written") < said.index("is destroyed")


@deploy
async def test_a_token_that_may_not_do_it_changes_nothing_and_is_told_what_was_refused(setup: Setup) -> None:
    code, said = await setup.run(token=await setup.bao.create_token("default"))
    assert code == 1
    assert "may not be listed" in said
    assert list(setup.directory.iterdir()) == []


@deploy
async def test_rotator_logs_in_works_renews_and_gives_back_with_the_policies_and_nothing_else(
    setup: Setup, own_oidc_provider: OidcProvider, tmp_path: Path
) -> None:
    site = await site_of(setup, own_oidc_provider, tmp_path, "-t", "6s")
    configuration = site.write(["billing"])
    code, said, complaints = await rotator("check", "--live", "-c", configuration)
    assert code == 0, said + complaints
    async with Rotator(configuration, level="debug") as running:
        await running.says("daemon.ready")
        await running.says("vault.token_renewed", within=30)
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0
        assert running.named("vault.token_revoked")
    assert (await site.document("billing"))["access_token"] == site.file("billing").read_text()


@deploy
async def test_a_wrapped_secret_id_lets_rotator_in_once_and_a_spent_one_is_replaced(
    setup: Setup, own_oidc_provider: OidcProvider, tmp_path: Path
) -> None:
    site = await site_of(setup, own_oidc_provider, tmp_path, "-w", "5m")
    first = setup.secret()
    await setup.run("-w", "5m")
    assert setup.secret() == first
    configuration = site.write(["billing"])
    configuration.write_text(configuration.read_text().replace("[providers", "secret_id_wrapped = true\n[providers", 1))
    async with Rotator(configuration) as running:
        await running.says("daemon.ready")
    await setup.run("-w", "5m")
    assert setup.secret() != first


POLICIES: dict[Literal[1, 2], str] = {2: "kv-v2.hcl", 1: "kv-v1.hcl"}


@deploy
@pytest.mark.parametrize("version", POLICIES)
@pytest.mark.parametrize("taken", ["apps", "tokens"])
async def test_check_live_prints_the_stanza_that_is_missing_so_that_adding_it_is_all_there_is_to_do(
    setup: Setup, own_oidc_provider: OidcProvider, tmp_path: Path, version: Literal[1, 2], taken: str
) -> None:
    policy = tmp_path / "policy.hcl"
    whole = (VAULT / POLICIES[version]).read_text()
    policy.write_text("".join(line for line in whole.splitlines(keepends=True) if f"/{taken}/" not in line))
    site = await site_of(setup, own_oidc_provider, tmp_path, "-p", str(policy), version=version)
    configuration = site.write(["billing"])
    code, said, _ = await rotator("check", "--live", "-c", configuration)
    assert code == 1
    missing = re.findall(r'path "secret/[a-z/-]+" \{ capabilities = \[[^]]+\] \}', said)
    assert missing
    policy.write_text(policy.read_text() + "\n".join(dict.fromkeys(missing)))
    await setup.run("-p", str(policy))
    code, said, complaints = await rotator("check", "--live", "-c", configuration)
    assert code == 0, said + complaints


SELF = (VAULT / "self.hcl").read_text().splitlines()
# Without lookup-self all goes well until Vault refuses something; see tests/integration/vault for what it is for then.
ALWAYS_USED = [line for line in SELF if line.startswith("path") and "lookup-self" not in line]


@deploy
@pytest.mark.parametrize("line", ALWAYS_USED, ids=lambda line: line.split('"')[1])
async def test_nothing_in_the_policy_for_itself_can_be_left_out(
    setup: Setup, own_oidc_provider: OidcProvider, tmp_path: Path, line: str
) -> None:
    site = await site_of(setup, own_oidc_provider, tmp_path, "-t", "6s")
    await setup.bao.write_policy("rotator-self", "\n".join(other for other in SELF if other != line))
    configuration = site.write(["billing"])
    code, _, _ = await rotator("check", "--live", "-c", configuration)
    async with Rotator(configuration, level="debug") as running:
        await running.says("vault.login")
        await running.until(lambda: bool(running.named("vault.token_renewed")) or len(logins(running)) > 1, within=30)
        running.signal(signal.SIGTERM)
        await running.ended()
    went_well = (code == 0, bool(running.named("vault.token_renewed")), bool(running.named("vault.token_revoked")))
    assert went_well != (True, True, True)


def logins(running: Rotator) -> list[Event]:
    return running.named("vault.login")


async def site_of(setup: Setup, oidc: OidcProvider, home: Path, *options: str, version: Literal[1, 2] = 2) -> Site:
    """An application whose rotator logs in with what the script has written."""
    code, said = await setup.run(*options)
    assert code == 0, said
    site = Site(home, setup.bao, oidc)
    for name in ("role-id", "secret-id"):
        (setup.directory / name).replace(home / name)
        (setup.directory / name).symlink_to(home / name)
    await setup.bao.enable_kv("secret", version)
    client = oidc.register()
    site.clients["billing"] = client
    document = {"client_id": client.client_id, "client_secret": client.secret.reveal()}
    path, body = ("secret/data/apps/billing", {"data": document}) if version == 2 else ("secret/apps/billing", document)
    await setup.bao.request("POST", path, body)
    return site
