"""Client credentials that are not in Vault, as the installed daemon finds them: files, systemd's, the environment."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.core.model import rfc3339
from tests.support.canary import Searcher
from tests.support.kubernetes_volume import SecretVolume
from tests.support.process import Rotator, rotator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.process import Site

IN_VAULT = 'source = { type = "vault", path = "secret/apps/billing" }'


async def prepare(site: Site, source: str, extra: str = "") -> Path:
    """A site whose application has its credentials elsewhere: there is nothing of them in Vault."""
    site.extra = extra
    configuration = await site.prepare(["billing"])
    await site.bao.request("DELETE", "secret/metadata/apps/billing")
    text = configuration.read_text()
    assert IN_VAULT in text
    configuration.write_text(text.replace(IN_VAULT, f"source = {{ {source} }}"))
    return configuration


def fields(site: Site, **more: str) -> dict[str, str]:
    client = site.clients["billing"]
    return {"client_id": client.client_id, "client_secret": client.secret.reveal(), **more}


def keep(path: Path, document: Mapping[str, str]) -> Path:
    """Write a document as one should: whole, and closed to others."""
    new = path.with_name("new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(document))
    return new.rename(path)


def environment_of(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_bytes().decode()


async def test_credentials_in_a_file_are_read_and_a_changed_file_is_noticed_within_seconds_p45(site: Site) -> None:
    file = site.home / "thx.json"
    configuration = await prepare(site, f'type = "file", path = "{file}"')
    keep(file, fields(site, client_secret="wrong"))
    async with Rotator(configuration) as running:
        rejected = await running.says("credential.rejected")
        assert (rejected["error"], rejected["stage"]) == ("invalid_client", "grant")
        keep(file, fields(site))
        await running.says("token.delivered", count=2, within=10)
        assert site.file("billing").read_text() == (await site.document("billing"))["access_token"]
    async with Rotator(configuration) as again:
        await again.says("daemon.ready")
        assert (again.named("token.minted"), len(again.named("token.adopted"))) == ([], 1)  # the version is the same


async def test_a_missing_file_is_told_with_its_place_and_taken_up_once_it_is_there(site: Site) -> None:
    file = site.home / "thx.json"
    configuration = await prepare(site, f'type = "file", path = "{file}"')
    async with Rotator(configuration) as running:
        rejected = await running.says("credential.rejected")
        assert (rejected["error"], rejected["stage"]) == ("secret_missing", "read")
        assert str(file) in rejected["detail"]
        keep(file, fields(site))
        await running.says("token.delivered", count=2, within=10)


async def test_a_volume_of_kubernetes_is_read_and_its_swap_noticed_if_shared_files_are_allowed(site: Site) -> None:
    volume = SecretVolume(site.home / "volume")
    configuration = await prepare(site, f'type = "file", path = "{volume.path}"')
    volume.write(fields(site))
    async with Rotator(configuration) as running:
        rejected = await running.says("credential.rejected")
        assert (rejected["error"], rejected["stage"]) == ("file_unsafe", "read")
        allowed = f"{configuration.read_text()}[security]\nallow_shared_secret_files = true\n"
        configuration.write_text(allowed)
        running.signal(signal.SIGHUP)
        await running.says("token.delivered", count=2)
        volume.write(fields(site, client_secret="wrong", client_secret_previous=fields(site)["client_secret"]))
        minted = await running.says("token.minted", count=2, within=10)
        assert minted["reason"] == "inputs_changed"
        assert running.named("credential.previous_secret")


async def test_credentials_of_systemd_are_found_where_it_puts_them_and_their_lack_is_told(site: Site) -> None:
    secret = 'credentials = { client_secret = "thx-secret" }'
    configuration = await prepare(site, f'type = "systemd", client_id = "ID", {secret}')
    configuration.write_text(configuration.read_text().replace('"ID"', f'"{fields(site)["client_id"]}"'))
    async with Rotator(configuration) as running:
        rejected = await running.says("credential.rejected")
        assert rejected["error"] == "secret_missing"
        assert "LoadCredential= or its like for thx-secret" in rejected["detail"]
    handed = site.home / "credentials"
    handed.mkdir(mode=0o500)
    for name in ("role-id", "secret-id"):
        (site.home / name).rename(handed / name)
    (handed / "thx-secret").touch(mode=0o400)
    (handed / "thx-secret").write_text(fields(site)["client_secret"])
    async with Rotator(configuration, env={"CREDENTIALS_DIRECTORY": str(handed)}) as running:
        await running.says("token.delivered", count=2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the process")
async def test_g06_credentials_in_the_environment_serve_and_are_gone_from_it_and_from_everything_said(
    site: Site,
) -> None:
    variables = 'variables = { client_id = "THX_ID", client_secret = "THX_SECRET" }'
    allowed = "[security]\nallow_environment_secrets = true\n"
    configuration = await prepare(site, f'type = "environment", {variables}', allowed)
    environment = {"FIRST": "kept", "THX_ID": fields(site)["client_id"], "THX_SECRET": fields(site)["client_secret"]}
    searcher = Searcher({"the client secret": environment["THX_SECRET"]})
    async with Rotator(configuration, env=environment) as running:
        await running.says("token.delivered", count=2)
        assert "FIRST=kept\0" in environment_of(running.pid)
        assert "THX" not in environment_of(running.pid)
        assert searcher.look_at_process(running.pid) == []
        assert searcher.look(json.dumps(running.events), "the log") == []
        running.signal(signal.SIGHUP)
        reloaded = await running.says("config.reloaded")
        assert (reloaded["changed"], len(running.named("token.minted"))) == ([], 1)


async def test_g06_a_configuration_with_secrets_in_the_environment_is_refused_unless_that_is_allowed(
    site: Site,
) -> None:
    configuration = await prepare(site, 'type = "environment", client_id = "x", variables = { client_secret = "THX" }')
    code, _, said = await rotator("check", "-c", configuration, env={"THX": "CANARY"})
    assert code == 2
    assert "allow_environment_secrets = true" in said
    assert "CANARY" not in said
    code, _, said = await rotator("run", "-c", configuration, env={"THX": "CANARY", "HOME": os.devnull})
    assert (code, "CANARY" in said) == (2, False)


async def test_the_end_of_a_client_secret_is_told_once_shown_by_status_and_told_of_the_next_one(site: Site) -> None:
    file = site.home / "thx.json"
    configuration = await prepare(site, f'type = "file", path = "{file}"')
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=12)  # noqa: TID251  it is a date of the calendar
    keep(file, fields(site, client_secret_expires_at=rfc3339(ends)))
    async with Rotator(configuration) as running:
        told = await running.says("credential.expiring")
        assert (told["level"], told["credential"], told["within_days"]) == ("error", "billing", 1)
        assert (told["expires_at"], told["days_left"]) == (rfc3339(ends), 0.5)
        await running.says("token.delivered", count=2)
        _, shown, _ = await rotator("status", "billing", "-o", "json", "-c", configuration)
        assert json.loads(shown)["client_secret_expires_at"] == rfc3339(ends)
        _, shown, _ = await rotator("status", "billing", "-c", configuration)
        assert "client secret" in shown
        text = configuration.read_text()
        configuration.write_text(text.replace('recheck_interval = "2s"', 'recheck_interval = "1s"'))
        running.signal(signal.SIGHUP)
        reloaded = await running.says("config.reloaded")
        assert reloaded["changed"] == ["billing"]
        later = ends + timedelta(days=20)
        old = fields(site)["client_secret"]
        keep(file, fields(site, client_secret_previous=old, client_secret_expires_at=rfc3339(later)))
        told = await running.says("credential.expiring", count=2, within=10)
        assert (told["level"], told["within_days"], told["expires_at"]) == ("warning", 30, rfc3339(later))


async def test_check_live_reads_what_the_daemon_would(site: Site) -> None:
    file = site.home / "thx.json"
    configuration = await prepare(site, f'type = "file", path = "{file}"')
    code, told, _ = await rotator("check", "--live", "-o", "json", "-c", configuration)
    failed = [one["error"] for one in json.loads(told)["checks"] if not one["ok"]]
    assert (code, failed) == (1, ["secret_missing"])
    keep(file, fields(site))
    code, told, _ = await rotator("check", "--live", "-o", "json", "-c", configuration)
    assert (code, json.loads(told)["ok"]) == (0, True)
