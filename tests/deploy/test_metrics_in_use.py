"""Alerts and dashboard against what a running rotator exposes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.deploy.test_rules import DASHBOARD, RULES, RULES_TEST
from tests.support.http import ask
from tests.support.process import Rotator, Site

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.demo.bao import BaoServer
    from tests.support.oidc import OidcProvider

NAME = re.compile(r"\b(?:rotator|process)_[a-z_]+[a-z]\b")


def in_use(file: Path) -> set[str]:
    """Every metric that a file speaks of."""
    return set(NAME.findall(file.read_text()))


async def test_every_metric_in_alerts_and_dashboard_is_one_that_a_running_rotator_exposes(
    tmp_path: Path, own_bao: BaoServer, own_oidc_provider: OidcProvider
) -> None:
    site = Site(tmp_path, own_bao, own_oidc_provider)
    configuration = await site.prepare(["billing"])
    await site.store(
        "billing", site.clients["billing"].secret.reveal(), client_secret_expires_at="2099-01-01T00:00:00Z"
    )
    async with Rotator(configuration) as rotator:
        await rotator.says("daemon.ready")
        code, body, _ = await ask(tmp_path / "state/rotator.sock", "/metrics")
    assert code == 200
    samples = set(re.findall(r"^([a-z_]+)(?:\{.*\})? \S+$", body, re.MULTILINE))
    assert len(samples) > 30
    for file in (RULES, DASHBOARD, RULES_TEST):
        names = in_use(file)
        assert len(names) > 10
        assert sorted(names - samples) == []
    # The other way round: what a person should see is shown.
    ours = {re.sub("_(bucket|sum|count|created)$", "", sample) for sample in samples if sample.startswith("rotator_")}
    shown = {re.sub("_bucket$", "", name) for name in in_use(DASHBOARD)}
    assert sorted(ours - shown) == []
