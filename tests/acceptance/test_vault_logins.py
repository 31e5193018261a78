"""How the installed daemon enters Vault, where that is more than a file that is read."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.integration.vault.administration import administrator
from tests.support.process import Rotator, rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.process import Site


async def wrapped(site: Site) -> Path:
    """A site whose secret id comes response-wrapped; nobody has unwrapped it yet."""
    configuration = await site.prepare(["billing"])
    text = configuration.read_text()
    configuration.write_text(text.replace("[providers", "secret_id_wrapped = true\n[providers", 1))
    async with administrator(site.bao) as admin:
        answer = await admin.api.adapter.post("/v1/auth/approle/role/rotator/secret-id", wrap_ttl="5m")
    (site.home / "secret-id").write_text(answer["wrap_info"]["token"])
    return configuration


async def test_v31_a_reload_goes_on_with_the_secret_id_that_was_unwrapped_at_the_start(site: Site) -> None:
    configuration = await wrapped(site)
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        configuration.write_text(configuration.read_text().replace("[vault]", '[vault]\ntimeout = "7s"'))
        daemon.signal(signal.SIGHUP)
        await daemon.says("config.reloaded")
        await daemon.says("vault.login", count=2)
        assert not daemon.named("vault.denied")


async def test_v31_a_second_start_with_a_spent_wrapping_token_raises_the_alarm(site: Site) -> None:
    configuration = await wrapped(site)
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
    async with Rotator(configuration) as again:
        told = await again.says("vault.denied")
        assert (told["level"], told["error"]) == ("error", "vault_wrap_spent")
        assert "sys/wrapping/unwrap" in told["cure"]
    code, out, _ = await rotator("explain", "vault_wrap_spent")
    assert (code, "intercepted" in out) == (0, True)
