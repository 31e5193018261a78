"""The daemon while a real Vault is in trouble, or somebody meddles with what is stored there."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from rotator.core.model import Secret
from rotator.demo.bao import BaoServer, find_bao
from tests.support.process import Rotator, Site, rotator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.support.oidc import OidcProvider

SECONDS_TO_NOTICE = 5.0
RECHECK = 1.0
"""Seconds between two looks at what is stored; see `prepare`."""

LIFE = 10
"""Seconds that tokens live which are to be renewed soon: five lie between two mints, and some are to spare."""


@pytest_asyncio.fixture
async def site(tmp_path: Path, own_oidc_provider: OidcProvider) -> AsyncIterator[Site]:
    """A site whose Vault is in memory: ready ten times sooner, and it may be sealed and frozen, not stopped."""
    async with BaoServer("inmem", configuration={"unsafe_allow_api_audit_creation": True}) as bao:
        await bao.enable_approle()
        yield Site(tmp_path, bao, own_oidc_provider)


async def prepare(site: Site, *names: str, patience: str = "5s") -> Path:
    """The configuration of a site, with a look at what is stored every second, and this timeout of Vault."""
    configuration = await site.prepare(names)
    text = configuration.read_text().replace('recheck_interval = "2s"', f'recheck_interval = "{RECHECK:g}s"')
    configuration.write_text(text.replace("[vault]\n", f'[vault]\ntimeout = "{patience}"\n'))
    return configuration


async def tokens_of_rotator(bao: BaoServer) -> list[dict[str, Any]]:
    """The Vault tokens that live by its role."""
    accessors = (await bao.request("LIST", "auth/token/accessors"))["data"]["keys"]
    looked = [await bao.request("POST", "auth/token/lookup-accessor", {"accessor": one}) for one in accessors]
    return [one["data"] for one in looked if "rotator" in one["data"]["policies"]]


async def versions(site: Site, name: str) -> int:
    """How often the token of an application was written."""
    answer = await site.bao.request("GET", f"secret/metadata/tokens/{name}")
    return int(answer["data"]["current_version"])


async def test_c09_both_tokens_that_expire_in_a_sleep_are_replaced_from_the_secret_id_alone(site: Site) -> None:
    site.lifetime = 5
    configuration = await prepare(site, "billing")
    short = {"token_policies": ["rotator"], "token_ttl": "3s", "token_max_ttl": "3s"}
    await site.bao.request("POST", "auth/approle/role/rotator", short)
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        held = await site.document("billing")
        daemon.signal(signal.SIGSTOP)
        await asyncio.sleep(site.lifetime + 1)  # the sleep itself
        assert await tokens_of_rotator(site.bao) == []
        daemon.signal(signal.SIGCONT)
        minted = len(daemon.named("token.minted"))
        await daemon.says("token.minted", count=minted + 1, within=SECONDS_TO_NOTICE)
        await daemon.says("token.delivered", sink="vault:secret/tokens/billing", count=2, within=SECONDS_TO_NOTICE)
        assert (await site.document("billing"))["fingerprint"] != held["fingerprint"]
        assert not daemon.named("credential.rejected")


async def test_v09_a_policy_that_goes_parks_its_own_path_only_and_is_told_with_the_text_to_add(site: Site) -> None:
    configuration = await prepare(site, "billing", "search")
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        rules = "\n".join(
            f'path "secret/{part}/search" {{ capabilities = ["create", "read", "update"] }}'
            for part in ("data/apps", "data/tokens", "metadata/tokens")
        )
        await site.bao.write_policy("rotator", rules)
        denied = await daemon.says("vault.denied", path="secret/data/tokens/billing")
        assert 'path "secret/data/tokens/billing" { capabilities = [' in denied["detail"]
        failed = await daemon.says("token.delivery_failed", credential="billing")
        assert (failed["error"], failed["retryable"]) == ("vault_denied", False)
        await site.bao.request("DELETE", "secret/data/tokens/search")
        sink = "vault:secret/tokens/search"
        await daemon.says("token.delivered", sink=sink, count=2, within=RECHECK + SECONDS_TO_NOTICE)
        assert not daemon.named("token.delivery_failed", credential="search")
        assert len(daemon.named("vault.login")) == 1
        assert site.file("billing").exists()


async def test_v10_a_vault_token_that_is_revoked_is_replaced_by_one_login(site: Site) -> None:
    configuration = await prepare(site, "billing", "search")
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        (token,) = await tokens_of_rotator(site.bao)
        await site.bao.request("POST", "auth/token/revoke-accessor", {"accessor": token["accessor"]})
        await site.bao.request("DELETE", "secret/data/tokens/billing")
        await daemon.says("token.delivered", sink="vault:secret/tokens/billing", count=2, within=10)
        assert len(daemon.named("vault.login")) == 2
        assert not daemon.named("vault.unavailable")
        assert site.requests() == 2


async def test_v16_credentials_that_are_deleted_keep_the_last_token_and_serve_again_when_undeleted(site: Site) -> None:
    site.lifetime = LIFE
    configuration = await prepare(site, "billing")
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        held = await site.document("billing")
        await site.bao.request("DELETE", "secret/data/apps/billing")
        rejected = await daemon.says("credential.rejected", credential="billing")
        assert (rejected["error"], rejected["stage"]) == ("secret_deleted", "read")
        assert await site.document("billing") == held
        assert site.file("billing").read_text() == held["access_token"]
        assert site.requests() == 1
        await site.bao.request("POST", "secret/undelete/apps/billing", {"versions": [1]})
        await daemon.says("credential.recovered", credential="billing", within=SECONDS_TO_NOTICE + RECHECK)


async def a_token_apart(configuration: Path) -> None:
    """Mint another token, seconds after the first: of two that were minted in one second either may stay."""
    await asyncio.sleep(2.1)
    code, _, complaint = await rotator("rotate", "billing", "--force", "-c", configuration)
    assert code == 0, complaint


MEDDLING = {
    "removed": ("DELETE", "secret/metadata/tokens/billing", None),
    "edited": ("POST", "secret/data/tokens/billing", {"data": {"access_token": "edited"}}),
    "moved back": ("POST", "secret/data/tokens/billing", "the first version"),
    "deleted": ("DELETE", "secret/data/tokens/billing", None),
    "destroyed": ("PUT", "secret/destroy/tokens/billing", {"versions": [1, 2, 3, 4, 5, 6, 7]}),
}


async def test_v23_what_somebody_does_to_the_token_is_undone_within_a_recheck_and_without_a_mint(site: Site) -> None:
    configuration = await prepare(site, "billing")
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        first = await site.document("billing")
        await a_token_apart(configuration)
        adopted = await daemon.says("token.adopted", within=RECHECK + SECONDS_TO_NOTICE)
        requests = site.requests()
        for done, (method, path, body) in MEDDLING.items():
            await site.bao.request(method, path, {"data": first} if isinstance(body, str) else body)
            await _until_rewritten(site, adopted["fingerprint"], done)
        assert site.requests() == requests


async def _until_rewritten(site: Site, fingerprint: str, done: str) -> None:
    try:
        async with asyncio.timeout(RECHECK + SECONDS_TO_NOTICE):
            while await _fingerprint(site) != fingerprint:  # noqa: ASYNC110  what is waited for is another process
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"after the token was {done}, it was not written again")


async def _fingerprint(site: Site) -> str:
    _, answer = await site.bao.ask("GET", "secret/data/tokens/billing")
    return str(((answer.get("data") or {}).get("data") or {}).get("fingerprint"))


async def test_v26_a_vault_that_hangs_on_its_audit_device_keeps_no_file_from_its_token(site: Site) -> None:
    site.lifetime = LIFE
    configuration = await prepare(site, "billing", patience="1s")
    pipe = site.home / "audit"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        held = site.file("billing").read_text()
        await site.bao.request("PUT", "sys/audit/pipe", {"type": "file", "options": {"file_path": str(pipe)}})
        _fill(reader)
        await daemon.says("vault.unavailable", within=10)
        await daemon.says("token.delivered", sink=f"file:{site.file('billing')}", count=2)
        assert site.file("billing").read_text() != held
        os.read(reader, 1 << 20)
        await daemon.says("vault.recovered", within=SECONDS_TO_NOTICE)
        await daemon.says("token.delivered", sink="vault:secret/tokens/billing", count=2, within=SECONDS_TO_NOTICE)
        await site.bao.request("DELETE", "sys/audit/pipe")
    os.close(reader)


def _fill(pipe: int) -> None:
    """Write to a pipe until it takes nothing more."""
    try:
        while True:
            os.write(pipe, b"\n" * 4096)
    except BlockingIOError:
        pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB, of which raft takes 32 at once."""
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def _fill_disk(ballast: Path) -> None:
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017  nothing is tested here: the disk is being filled


async def test_v27_a_vault_whose_disk_is_full_is_survived_and_found_again(
    tmp_path: Path, small_disk: Path, own_oidc_provider: OidcProvider
) -> None:
    async with BaoServer("raft", data=small_disk) as bao:
        await bao.enable_approle()
        site = Site(tmp_path, bao, own_oidc_provider, lifetime=LIFE)
        configuration = await prepare(site, "billing")
        async with Rotator(configuration) as daemon:
            await daemon.says("daemon.ready")
            ballast = small_disk / "ballast"
            _fill_disk(ballast)
            failed = await daemon.says("token.delivery_failed", sink="vault:secret/tokens/billing")
            assert (failed["error"], failed["retryable"]) == ("vault_unavailable", True)
            await daemon.says("token.delivered", sink=f"file:{site.file('billing')}", count=2)
            ballast.unlink()
            await daemon.says("credential.recovered", sink="vault:secret/tokens/billing", within=10)
            assert (await site.document("billing"))["access_token"] == site.file("billing").read_text()


async def test_v29_a_vault_restored_from_a_snapshot_gets_todays_token_again_without_a_mint(
    tmp_path: Path, own_bao: BaoServer, own_oidc_provider: OidcProvider
) -> None:
    site = Site(tmp_path, own_bao, own_oidc_provider)
    configuration = await prepare(site, "billing")
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        snapshot = tmp_path / "snapshot"
        await _raft(own_bao, "snapshot", "save", snapshot)
        await a_token_apart(configuration)
        adopted = await daemon.says("token.adopted", within=RECHECK + SECONDS_TO_NOTICE)
        assert await versions(site, "billing") == 2
        requests = site.requests()
        await _raft(own_bao, "snapshot", "restore", snapshot)
        assert await versions(site, "billing") == 1
        await _until_rewritten(site, adopted["fingerprint"], "moved back by a restored snapshot")
        assert site.requests() == requests


async def _raft(bao: BaoServer, *arguments: str | Path) -> None:
    environment = {"HOME": os.devnull, "BAO_ADDR": bao.address, "BAO_TOKEN": bao.root_token.reveal()}
    command = (find_bao(), "operator", "raft", *arguments)
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    assert await process.wait() == 0


async def test_v31_a_wrapped_secret_id_lets_rotator_in_once_and_is_told_as_spent_the_next_time(site: Site) -> None:
    configuration = await prepare(site, "billing")
    wrapped = await _wrapped_secret_id(site.bao)
    (site.home / "secret-id").write_text(wrapped.reveal())
    asked = {"ROTATOR_VAULT__AUTH__SECRET_ID_WRAPPED": "true"}
    code, out, err = await rotator("rotate", "-c", configuration, env=asked)
    assert code == 0, out + err
    code, out, err = await rotator("rotate", "-c", configuration, "-o", "json", env=asked)
    assert code == 1
    assert "vault_wrap_spent" in out + err
    assert wrapped.reveal() not in out + err


async def _wrapped_secret_id(bao: BaoServer) -> Secret:
    command = ("write", "-wrap-ttl=60s", "-f", "-field=wrapping_token", "auth/approle/role/rotator/secret-id")
    environment = {"HOME": os.devnull, "BAO_ADDR": bao.address, "BAO_TOKEN": bao.root_token.reveal()}
    process = await asyncio.create_subprocess_exec(
        find_bao(), *command, env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return Secret(said.decode().strip())


async def test_v25_v32_neither_outage_is_taken_for_the_other_and_every_new_token_is_one_version(site: Site) -> None:
    site.lifetime = LIFE
    configuration = await prepare(site, "billing")
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        site.oidc.stop()
        await daemon.says("token.mint_failed")
        before = await site.document("billing")
        await site.bao.request("DELETE", "secret/data/tokens/billing")
        await _until_rewritten(site, before["fingerprint"], "deleted while the provider was down")
        assert not daemon.named("vault.unavailable")
        site.oidc.start()
        await daemon.says("credential.recovered", within=SECONDS_TO_NOTICE)
        await daemon.says("token.delivered", sink="vault:secret/tokens/billing", count=3)
        await site.bao.seal()
        minted = len(daemon.named("token.minted"))
        await daemon.says("token.minted", count=minted + 1)
        assert len(daemon.named("token.mint_failed")) == 1
        await site.bao.unseal()
        await daemon.says("vault.recovered", within=SECONDS_TO_NOTICE)
        await daemon.says("token.delivered", sink="vault:secret/tokens/billing", count=4, within=SECONDS_TO_NOTICE)
        # One for each token that reached Vault, and one for the deletion that was undone.
        assert await versions(site, "billing") == len(daemon.named("token.minted")) + 1
