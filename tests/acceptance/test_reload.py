"""What a reload changes is changed; no token is lost and none is minted for it (R05)."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.process import Rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.process import Site

SCOPE = 'scope = "openid admin"'
CHANGES = {
    "how long the provider may take": (SCOPE, f'{SCOPE}\ntimeout = "7s"'),
    "how long Vault may take": ("[vault]", '[vault]\ntimeout = "7s"'),
    "when the credential is renewed": ('recheck_interval = "2s"', 'recheck_interval = "2s"\nrenew_at = 0.7'),
}


def _change(configuration: Path, old: str, new: str) -> None:
    text = configuration.read_text()
    assert old in text, "the test replaces what is not there"
    configuration.write_text(text.replace(old, new))


@pytest.mark.parametrize("what", CHANGES)
async def test_r05_a_reload_keeps_the_token_in_hand_and_mints_none_when_it_changes(what: str, site: Site) -> None:
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as daemon:
        await daemon.says("token.delivered", count=2)
        before = await site.document("billing")
        _change(configuration, *CHANGES[what])
        daemon.signal(signal.SIGHUP)
        reloaded = await daemon.says("config.reloaded")
        assert (reloaded["added"], reloaded["changed"], reloaded["removed"]) == ([], ["billing"], [])
        # What is written now is written by what the reload made, with the token that was in hand before it.
        site.file("billing").unlink()
        await daemon.says("token.delivered", count=3)
        assert site.file("billing").read_text() == before["access_token"]
        assert await site.document("billing") == before
    assert site.requests() == 1
