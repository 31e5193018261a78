"""rotator under a real systemd: docs/howto/systemd.md was followed, and now its promises are kept."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.canary import Searcher
from tests.systemd import howto
from tests.systemd.place import TOKEN_FILE

if TYPE_CHECKING:
    from tests.systemd.place import Site

pytestmark = pytest.mark.timeout(900)

MOST_EXPOSED = 1.1
"""The highest score of `systemd-analyze security` that is good enough."""

WATCHDOG = 30.0
"""Seconds; WatchdogSec of the unit."""

GRACE = 10.0
"""Seconds; shutdown_grace when the configuration says nothing."""

SLACK = 5.0
"""Seconds that systemd, and a machine with other things to do, may take for anything."""


async def test_it_starts_is_ready_and_says_how_it_is(site: Site) -> None:
    shown = await site.machine.show(
        "Type",
        "StatusText",
        "NRestarts",
        "UnitFileState",
        "InactiveExitTimestampMonotonic",
        "ActiveEnterTimestampMonotonic",
    )
    assert await site.state() == "active running"
    assert "1 of 1" in shown["StatusText"]
    assert (shown["NRestarts"], shown["UnitFileState"]) == ("0", "enabled")
    assert shown["Type"] == ("notify" if site.release.labels else "notify-reload")
    took = int(shown["ActiveEnterTimestampMonotonic"]) - int(shown["InactiveExitTimestampMonotonic"])
    site.figure(f"systemd {await _version(site)}; from start to ready {took / 1e6:.2f} s; {shown['StatusText']!r}")


async def _version(site: Site) -> str:
    return (await site.machine.output("systemctl", "--version")).split()[1]


async def test_when_it_is_ready_the_token_is_there_for_its_group_and_for_nobody_else(site: Site) -> None:
    token = await site.published()
    assert await site.machine.output("runuser", "-u", "asset-pool", "--", "cat", TOKEN_FILE) == token
    assert await site.machine.output("stat", "-c", "%U:%G %a", TOKEN_FILE) == "rotator:asset-pool 640\n"
    code, said, _ = await site.machine.tried("runuser", "-u", "nobody", "--", "cat", TOKEN_FILE)
    assert (code, said) == (1, "")


async def test_it_is_exposed_no_more_than_it_must_be(site: Site) -> None:
    analysed = await site.machine.output("systemd-analyze", "security", "--no-pager", "rotator.service")
    score = float(analysed.rpartition("rotator.service:")[2].split()[0])
    site.figure(f"systemd-analyze security: {score}")
    assert score <= MOST_EXPOSED
    code, _, _ = await site.machine.tried(
        "systemd-analyze", "security", f"--threshold={MOST_EXPOSED * 10:.0f}", "rotator.service"
    )
    assert code == 0


async def test_systemd_finds_nothing_wrong_with_the_units(site: Site) -> None:
    units = ("rotator.service", "rotator-consumer@asset-pool.path", "rotator-consumer@asset-pool.service")
    _, _, said = await site.machine.tried("systemd-analyze", "verify", *units)
    # Before 253 these three lines of the unit are not known; the drop-in says so.
    odd = [line for line in said.splitlines() if not site.release.labels or "ignoring" not in line]
    assert odd == []


async def test_secrets_are_rotators_alone_g06(site: Site) -> None:
    machine = site.machine
    secret_id = (await machine.read("/etc/rotator/credentials/secret-id")).strip()
    searcher = Searcher(
        {
            "the secret id": secret_id,
            "the client secret": site.client.secret.reveal(),
            "the token": await site.published(),
        }
    )
    assert searcher.look(await machine.read(TOKEN_FILE), TOKEN_FILE), "the search does not find what is there"
    pid = await machine.main_pid()
    environment = await machine.read(f"/proc/{pid}/environ")
    assert "CREDENTIALS_DIRECTORY=/run/credentials/rotator.service" in environment
    outputs = {
        "environ": environment,
        "cmdline": await machine.read(f"/proc/{pid}/cmdline"),
        "systemctl show": await machine.output("systemctl", "show", "--all", "rotator"),
        "systemctl status": await machine.output("systemctl", "status", "--no-pager", "--full", "rotator"),
        "journal": await machine.output("journalctl", "--no-pager", "--output=verbose"),
    }
    assert [found for where, output in outputs.items() for found in searcher.look(output, where)] == []
    handed = "/run/credentials/rotator.service/secret-id"
    assert (await machine.read(handed)).strip() == secret_id
    code, said, _ = await machine.tried("runuser", "-u", "asset-pool", "--", "cat", handed)
    assert (code, said) == (1, "")


async def test_a_reload_takes_over_what_has_changed_and_mints_nothing_r05(site: Site) -> None:
    pid, mints, before = await site.machine.main_pid(), site.mints(), len(await site.machine.told("config.reloaded"))
    assert 'mode = "0640"' in site.configuration

    async def is_closed_to_its_group() -> bool:
        return (await site.machine.output("stat", "-c", "%a", TOKEN_FILE)).strip() == "600"

    async with site.configured(site.configuration.replace('mode = "0640"', 'mode = "0600"')):
        began = asyncio.get_running_loop().time()
        await site.machine.output("systemctl", "reload", "rotator")
        site.figure(f"a reload takes {asyncio.get_running_loop().time() - began:.2f} s")
        await site.machine.until(is_closed_to_its_group, "the new mode")
        assert len(await site.machine.told("config.reloaded")) == before + 1
    assert await site.state() == "active running"
    assert (await site.machine.main_pid(), site.mints()) == (pid, mints)


async def test_after_a_reload_with_a_bad_configuration_the_old_one_is_in_force_and_systemd_sees_the_end_r05(
    site: Site,
) -> None:
    pid, mints = await site.machine.main_pid(), site.mints()
    before = len(await site.machine.told("config.rejected"))

    async def is_told() -> bool:
        return len(await site.machine.told("config.rejected")) == before + 1

    async def runs() -> bool:
        return await site.state() == "active running"

    async with site.configured(f"{site.configuration}\n[mistyped]\n"):
        await site.machine.output("systemctl", "reload", "rotator")
        await site.machine.until(is_told, "config.rejected")
        await site.machine.until(runs, "the end of the reload")
        assert (await site.machine.main_pid(), site.mints()) == (pid, mints)


async def test_the_status_tells_of_a_configuration_that_was_refused(site: Site) -> None:
    async def tells() -> bool:
        return "configuration" in (await site.machine.show("StatusText"))["StatusText"]

    async with site.configured(f"{site.configuration}\n[mistyped]\n"):
        await site.machine.output("systemctl", "reload", "rotator")
        await site.machine.until(tells, "the refused configuration in the status", SLACK)
    assert not await tells()


async def test_a_loop_that_hangs_is_killed_and_started_again_without_a_mint_r09(site: Site) -> None:
    pid, mints, restarts, token = await _before(site)
    clock = asyncio.get_running_loop().time
    async with site.machine.hung(pid):
        began = clock()
        await site.machine.until(lambda: _is_gone(site, pid), "the watchdog", WATCHDOG + SLACK)
        killed = clock() - began
    assert killed <= WATCHDOG + SLACK
    await site.machine.until(lambda: _runs_again(site, pid), "the restart")
    site.figure(f"a loop that hangs is killed after {killed:.1f} s, and ready again after {clock() - began:.1f} s")
    assert await site.restarts() == restarts + 1
    assert "Watchdog timeout (limit 30s)" in await site.machine.output("journalctl", "--unit=rotator", "--output=cat")
    assert (site.mints(), await site.published()) == (mints, token)


async def test_a_process_that_is_stopped_is_killed_and_started_again_without_a_mint_c08(site: Site) -> None:
    pid, mints, restarts, token = await _before(site)
    await site.machine.signal("STOP", pid)
    await site.machine.until(lambda: _is_gone(site, pid), "the watchdog", WATCHDOG + SLACK)
    await site.machine.until(lambda: _runs_again(site, pid), "the restart")
    assert await site.restarts() == restarts + 1
    assert (site.mints(), await site.published()) == (mints, token)


async def test_a_process_that_is_killed_is_started_again_without_a_mint_r01(site: Site) -> None:
    pid, mints, restarts, token = await _before(site)
    await site.machine.signal("KILL", pid)
    await site.machine.until(lambda: _runs_again(site, pid), "the restart")
    assert await site.restarts() == restarts + 1
    assert (site.mints(), await site.published()) == (mints, token)


async def _before(site: Site) -> tuple[int, int, int, str]:
    return await site.machine.main_pid(), site.mints(), await site.restarts(), await site.published()


async def _is_gone(site: Site, pid: int) -> bool:
    return await site.machine.main_pid() != pid


async def _runs_again(site: Site, pid: int) -> bool:
    return await site.state() == "active running" and await site.machine.main_pid() not in {0, pid}


async def test_a_service_is_told_of_its_new_token(site: Site) -> None:
    old = await site.published()
    site.client = site.oidc.register(site.client.client_id)  # a new secret, which is reason for a new token at once
    await site.store()

    async def has_taken_the_new_one() -> bool:
        code, taken, _ = await site.machine.tried("cat", "/var/lib/asset-pool/taken")
        return code == 0 and taken not in {"", old}

    await site.machine.until(
        has_taken_the_new_one, "the consumer to be reloaded", unit="rotator-consumer@asset-pool.path"
    )
    assert await site.machine.read("/var/lib/asset-pool/taken") == await site.published()


async def test_a_group_that_is_configured_needs_the_drop_in_and_no_more_f14(site: Site) -> None:
    text = site.configuration.replace('mode = "0640"', 'mode = "0640", group = "asset-pool"')
    text = text.replace(TOKEN_FILE, "/run/rotator/direct.token")
    drop_in = "/etc/systemd/system/rotator.service.d/groups.conf"
    install = f"install -D -m 0644 deploy/systemd/rotator.service.d/groups.conf {drop_in}\nsystemctl daemon-reload"
    async with site.configured(text):
        await site.machine.script(install)
        await site.machine.output("systemctl", "restart", "rotator")
        assert await site.machine.output("stat", "-c", "%U:%G", "/run/rotator/direct.token") == "rotator:asset-pool\n"
        analysed = await site.machine.output("systemd-analyze", "security", "--no-pager", "rotator.service")
        site.figure(f"with groups.conf: {analysed.rpartition('rotator.service:')[2].split()[0]}")
        await site.machine.script(
            f"rm {drop_in} /run/rotator/direct.token\nsystemctl daemon-reload\nsystemctl stop rotator"
        )


HANDED_OVER = {
    "each field": (
        'client_id = "ID", credentials = { client_secret = "thx-secret" }',
        "install -m 0600 /root/secret /etc/rotator/credentials/thx-secret",
        "LoadCredential=thx-secret:/etc/rotator/credentials/thx-secret",
    ),
    "a document, encrypted": (
        'name = "thx"',
        "systemd-creds encrypt --with-key=host --name=thx /root/document /etc/rotator/credentials/thx.cred",
        "LoadCredentialEncrypted=thx:/etc/rotator/credentials/thx.cred",
    ),
}
"""A source, the commands that put its secret where only root can read it, and the line of the unit."""


@pytest.mark.parametrize("way", HANDED_OVER)
async def test_client_credentials_may_be_handed_over_by_systemd(site: Site, way: str) -> None:
    machine, client = site.machine, site.client
    source, put, line = HANDED_OVER[way]
    in_vault = 'source = { type = "vault", path = "secret/apps/asset-pool" }'
    assert in_vault in site.configuration
    written = f'source = {{ type = "systemd", {source.replace("ID", client.client_id)} }}'
    document = {"client_id": client.client_id, "client_secret": client.secret.reveal()}
    drop_in = "/etc/systemd/system/rotator.service.d/credentials.conf"
    minted = len(await machine.told("token.minted"))

    async def has_minted() -> bool:
        return len(await machine.told("token.minted")) > minted

    async with site.configured(site.configuration.replace(in_vault, written)):
        await machine.write("/root/secret", client.secret.reveal(), "0600")
        await machine.write("/root/document", json.dumps(document), "0600")
        await machine.write(drop_in, f"[Service]\n{line}\n")
        await machine.script(f"{put}\nrm /root/secret /root/document\nsystemctl daemon-reload")
        await machine.output("systemctl", "restart", "rotator")
        await machine.until(has_minted, "a token by what systemd has handed over")
        shown = await machine.read(f"/proc/{await machine.main_pid()}/environ")
        shown += await machine.output("systemctl", "show", "--all", "rotator")
        assert client.secret.reveal() not in shown
        await machine.script(f"rm {drop_in} /etc/rotator/credentials/thx*\nsystemctl daemon-reload")
        await machine.output("systemctl", "stop", "rotator")


async def test_a_vault_that_is_sealed_does_not_keep_it_from_starting_v01(site: Site) -> None:
    mints = site.mints()
    await site.bao.seal()
    try:
        await site.machine.output("systemctl", "restart", "rotator")
        assert await site.state() == "active running"
        site.figure(f"with Vault sealed: {(await site.machine.show('StatusText'))['StatusText']!r}")
    finally:
        await site.bao.unseal()
    pid = await site.machine.main_pid()

    async def is_fresh() -> bool:
        return "1 of 1" in (await site.machine.show("StatusText"))["StatusText"]

    await site.machine.until(is_fresh, "the first pass with Vault")
    assert (await site.machine.main_pid(), site.mints()) == (pid, mints)


async def test_a_configuration_that_cannot_be_used_is_no_reason_to_try_again(site: Site) -> None:
    await site.machine.output("systemctl", "stop", "rotator")
    async with site.configured(f"{site.configuration}\n[mistyped]\n"):
        code, _, _ = await site.machine.tried("systemctl", "start", "rotator")
        assert code != 0
        assert await site.state() == "failed failed"
        shown = await site.machine.show("ExecMainStatus", "NRestarts")
        assert shown == {"ExecMainStatus": "2", "NRestarts": "0"}
        assert "mistyped" in await site.machine.output("journalctl", "--unit=rotator", "--output=cat", "--lines=20")


async def test_a_stop_is_an_end_in_order_that_leaves_the_token_and_a_start_mints_none_r04_r02_f21(site: Site) -> None:
    mints, token = site.mints(), await site.published()
    await site.machine.output("systemctl", "stop", "rotator")
    shown = await site.machine.show(
        "ActiveState", "Result", "ExecMainStatus", "ActiveExitTimestampMonotonic", "InactiveEnterTimestampMonotonic"
    )
    took = (int(shown["InactiveEnterTimestampMonotonic"]) - int(shown["ActiveExitTimestampMonotonic"])) / 1e6
    site.figure(f"a stop takes {took:.2f} s")
    assert (shown["ActiveState"], shown["Result"], shown["ExecMainStatus"]) == ("inactive", "success", "0")
    assert took <= GRACE
    assert await site.machine.told("daemon.stopped")
    assert await site.machine.read(TOKEN_FILE) == token
    await site.machine.output("systemctl", "start", "rotator")
    assert (site.mints(), await site.published()) == (mints, token)
    assert await site.machine.output("stat", "-c", "%U:%G %a", TOKEN_FILE) == "rotator:asset-pool 640\n"


async def test_what_is_removed_leaves_nothing_behind(site: Site) -> None:
    await site.machine.script(howto.commands("Remove", "remove"))
    left = await site.machine.output("find", "/etc", "/run", "/opt", "/var/lib", "-xdev", "-iname", "*rotator*")
    assert left == ""
    assert json.loads(await site.machine.output("systemctl", "list-units", "-o", "json", "--failed")) == []
