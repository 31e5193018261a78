"""A provider that meters its tokens, as the installed rotator counts and tells of it."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from tests.support.process import Rotator, rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.process import Event, Site


async def told(configuration: Path) -> Event:
    """What the running rotator says of the provider's quota."""
    code, out, _ = await rotator("status", "-o", "json", "-c", configuration)
    assert code == 0
    (provider,) = json.loads(out)["providers"]
    quota: Event = provider["quota"]
    return quota


async def test_tokens_are_counted_told_of_at_four_fifths_once_and_counted_on_after_a_reload(site: Site) -> None:
    names = ["billing", "search", "crm", "ledger", "mailer"]
    site.provider = 'quota = "5/1h"'
    configuration = await site.prepare(names)
    async with Rotator(configuration) as daemon:
        await daemon.says("token.minted", count=5)
        event = await daemon.says("provider.quota")
        assert (event["level"], event["provider"], event["limit"], event["span_s"]) == ("warning", "thx", 5, 3600.0)
        assert event["used"] == 4
        assert await told(configuration) == {"limit": 5, "span_s": 3600.0, "used": 5}
        site.provider = 'quota = "5/1h"\nmax_in_flight = 3'
        site.write(names)
        daemon.signal(signal.SIGHUP)
        await daemon.says("config.reloaded")
        assert (await told(configuration))["used"] == 5
        assert len(daemon.named("provider.quota")) == 1
        assert daemon.named("config.warning", key="providers.thx.quota")


async def test_after_a_restart_it_is_counted_anew(site: Site) -> None:
    site.provider = 'quota = "5/1h"'
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as daemon:
        await daemon.says("token.delivered", count=2)
        assert (await told(configuration))["used"] == 1
    async with Rotator(configuration) as daemon:
        await daemon.says("token.adopted")
        assert (await told(configuration))["used"] == 0
