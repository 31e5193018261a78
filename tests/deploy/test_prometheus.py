"""A real Prometheus scrapes a running rotator, with the rules as they are shipped."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import TYPE_CHECKING

import aiohttp

from rotator.demo import ports
from tests.deploy.marks import needs
from tests.deploy.prometheus import Prometheus, until
from tests.deploy.test_rules import RULES, expressions
from tests.support.process import Rotator, Site

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.demo.bao import BaoServer
    from tests.support.oidc import OidcProvider

LOG = logging.getLogger(__name__)
LIFETIME = 120
"""Seconds: due with 60 to 72 s left, about to expire with 48 s left, and 30 s later the alert fires."""


@needs("prometheus")
async def test_the_alert_for_a_token_about_to_expire_fires_when_the_provider_is_cut_and_resolves(
    tmp_path: Path, own_bao: BaoServer, own_oidc_provider: OidcProvider
) -> None:
    target = f"127.0.0.1:{ports.to_try(0)[0]}"
    site = Site(tmp_path, own_bao, own_oidc_provider, lifetime=LIFETIME, extra=f'[http]\nlisten = "{target}"\n')
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as rotator, Prometheus(tmp_path, RULES, target) as prometheus:
        await rotator.says("daemon.ready")
        await until(lambda: prometheus.query("up == 1"), within=20, what="the first scrape")
        site.oidc.stop()

        await until(lambda: prometheus.firing("RotatorMintsFailing"), within=LIFETIME, what="RotatorMintsFailing")
        for asked in expressions():
            assert await prometheus.query(asked), f"the dashboard shows nothing for {asked}"
        assert await prometheus.firing("RotatorTokenAboutToExpire") == []

        (alert,) = await until(
            lambda: prometheus.firing("RotatorTokenAboutToExpire"), within=LIFETIME, what="the alert"
        )
        assert alert["labels"]["credential"] == "billing"
        assert await prometheus.firing("RotatorTokenExpired") == []
        (told,) = await prometheus.query("rotator_token_expiry_timestamp_seconds")
        assert abs(float(told["value"][1]) - await ends(target)) <= 1
        left = float(told["value"][1]) - float(told["value"][0])
        assert 5 < left < 0.4 * LIFETIME - 29
        LOG.info("fired with %.0f s left: %s", left, alert["annotations"]["description"])

        site.oidc.start()
        await until(
            lambda: prometheus.firing("RotatorTokenAboutToExpire"), there=False, within=20, what="the end of the alert"
        )
        await rotator.says("credential.recovered")
        for silent in re.findall(r"alert: (\w+)", RULES.read_text()):
            if silent != "RotatorMintsFailing":  # it looks back over three minutes
                assert await prometheus.firing(silent) == [], silent


async def ends(target: str) -> float:
    """When the token of billing ends, as the status says."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{target}/api/v1/status/billing") as answer:
        return datetime.fromisoformat((await answer.json())["token"]["expires_at"]).timestamp()
