"""The daemon on clocks that are set, that start wrong, and that stand still. The quick part of `make reliability`."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.core.model import Moment
from rotator.demo.authorization_server import AuthorizationServer
from rotator.engine.clock import SystemClock
from tests.reliability import clocks
from tests.reliability.clocks import HOUR, LATEST, Pace
from tests.support.consumer import expiry
from tests.support.meddled_clocks import NO_COMPILER, compiler
from tests.support.process import Rotator

if TYPE_CHECKING:
    from tests.reliability.clocks import Found
    from tests.support.oidc import OidcProvider
    from tests.support.process import Site

needs_cc = pytest.mark.skipif(
    compiler() is None, reason=f"{NO_COMPILER}; steps and suspend are tested with a handed-in clock only"
)


def upheld(found: Found) -> bool:
    """Whether nothing was late, nothing minted needlessly, and every date right again in time."""
    assert found.wrong == []
    assert max(found.lateness) <= LATEST
    assert max(found.extra) == 0
    assert max(found.right) <= LATEST
    return True


@needs_cc
async def test_c01_an_hour_on_every_published_date_is_right_again_within_5_s_without_a_mint(
    own_oidc_provider: OidcProvider,
) -> None:
    assert upheld(await clocks.steps(own_oidc_provider, [0.0], [HOUR], Pace(life=60, before=0.0, after=0.0)))


@needs_cc
async def test_c02_an_hour_back_delays_no_renewal(own_oidc_provider: OidcProvider) -> None:
    # The next renewal falls 4 to 5 s after the start, and a schedule that was not laid anew would ring 6 s after that.
    assert upheld(await clocks.steps(own_oidc_provider, [0.0], [-HOUR], Pace(life=10, before=0.05, after=0.6)))


@needs_cc
async def test_c03_in_1970_nobody_is_trusted_and_once_the_clock_is_set_all_goes_on(
    own_oidc_provider: OidcProvider,
) -> None:
    assert upheld(await clocks.born_in_1970_with_tls(own_oidc_provider, Pace(life=10, before=0.2, after=0.0)))


@needs_cc
async def test_c04_what_expired_while_the_machine_slept_is_minted_within_5_s_of_its_waking(
    own_oidc_provider: OidcProvider,
) -> None:
    assert upheld(await clocks.suspended(own_oidc_provider, pace=Pace(life=60, before=0.0, after=0.0)))


async def test_c08_c09_tokens_and_the_login_to_vault_that_expired_in_a_stop_are_had_anew_within_5_s(
    own_oidc_provider: OidcProvider,
) -> None:
    pace = Pace(life=6, vault_life=5, before=0.0, after=0.0)
    assert upheld(await clocks.stopped(own_oidc_provider, 7.0, pace))


class WrongClock(SystemClock):
    """A wall clock that is wrong by `wrong` seconds."""

    def __init__(self, wrong: float) -> None:
        self._wrong = timedelta(seconds=wrong)

    def now(self) -> Moment:
        now = super().now()
        return Moment(now.wall + self._wrong, now.elapsed)


@pytest.mark.parametrize("wrong", [pytest.param(300, id="c05 ahead"), pytest.param(-300, id="c05 behind")])
async def test_a_provider_whose_clock_is_wrong_by_5_min_changes_no_life(site: Site, wrong: float) -> None:
    configuration = await site.prepare(["billing"])
    client = site.clients["billing"]
    async with AuthorizationServer(WrongClock(wrong), {client.client_id: client.secret}) as server:
        configuration.write_text(configuration.read_text().replace(site.oidc.token_url, server.token_url))
        async with Rotator(configuration) as rotator:
            minted = await rotator.says("token.minted")
            await rotator.says("token.delivered", count=2)
            await asyncio.sleep(2.5)  # a look at source and sinks falls into it
            document = await site.document("billing")
    told = datetime.fromisoformat(document["expires_at"]).timestamp()
    assert minted["lifetime_s"] == 600
    assert abs(expiry(document["access_token"]) - told - wrong) <= 2
    assert server.received == 1
    assert [event["event"] for event in rotator.events if event["level"] != "info"] == []
