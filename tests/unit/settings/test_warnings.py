"""What works, but not as well as it should, is told with figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.settings.home import Home

SINK = 'path = "secret/tokens/billing"'


@pytest.mark.parametrize(
    ("renew_at", "interval", "life", "late", "latest"),
    [
        pytest.param(0.67, "5m", "", "1m42s", 0.5, id="two thirds of ten minutes, and Vault Agent"),
        pytest.param(0.9, "5m", "", "4m", 0.5, id="nine tenths of ten minutes, and Vault Agent"),
        pytest.param(0.8, "15m", 'assumed_lifetime = "1h"', "3m", 0.75, id="four fifths of an hour"),
        pytest.param(0.5, "6m", "", "1m", None, id="half, which is the earliest there is"),
        pytest.param(0.5, "40s", 'max_lifetime = "1m"', "10s", None, id="a lifetime that is cut"),
    ],
)
def test_a_consumer_that_may_hold_an_expired_token_is_told_of(
    home: Home, renew_at: float, interval: str, life: str, late: str, latest: float | None
) -> None:
    good = home.file.read_text().replace("renew_at = 0.5", f"renew_at = {renew_at}")
    good = good.replace("[defaults]", f"{life}\n[defaults]").replace(SINK, f'{SINK}\nconsumer_interval = "{interval}"')
    home.write(good)
    (warning,) = home.loads().warnings
    assert warning.key == "credentials.billing.sinks[0].consumer_interval"
    assert warning.line == good.splitlines().index(f'consumer_interval = "{interval}"') + 1
    assert warning.found.endswith(f"for up to {late}")
    assert warning.cure.partition("renew_at = ")[2] == ("" if latest is None else f"{latest} or less")


@pytest.mark.parametrize(("old", "new"), [(SINK, SINK), (SINK, f'{SINK}\nconsumer_interval = "5m"')])
def test_a_consumer_that_comes_often_enough_or_whose_pace_is_not_known_is_not_told_of(
    home: Home, old: str, new: str
) -> None:
    home.changed(old, new)
    assert home.loads().warnings == ()


def test_what_a_warning_proposes_brings_it_to_silence(home: Home) -> None:
    good = home.file.read_text().replace(SINK, f'{SINK}\nconsumer_interval = "2m"')
    home.write(good.replace("renew_at = 0.5", "renew_at = 0.95"))
    latest = home.loads().warnings[0].cure.partition("renew_at = ")[2].removesuffix(" or less")
    home.write(good.replace("renew_at = 0.5", f"renew_at = {latest}"))
    assert home.loads().warnings == ()


def test_a_lead_of_more_than_half_the_lifetime_is_told_to_be_clamped(home: Home) -> None:
    home.changed("renew_at = 0.5", "renew_at = 0.3")
    (warning,) = home.loads().warnings
    assert (warning.key, warning.line, warning.cure) == ("defaults.renew_at", 13, "renew_at = 0.5")


@pytest.mark.parametrize(("interval", "life"), [("10m", ""), ("1h", 'assumed_lifetime = "1h"'), ("24h", "")])
def test_a_consumer_that_outsleeps_the_token_is_refused_g03(home: Home, interval: str, life: str) -> None:
    good = home.file.read_text().replace("[defaults]", f"{life}\n[defaults]")
    home.write(good.replace(SINK, f'{SINK}\nconsumer_interval = "{interval}"'))
    assert home.problem().key == "credentials.billing.sinks[0].consumer_interval"


def test_tokens_of_a_sign_in_that_are_to_be_revoked_are_warned_of(home: Home) -> None:
    own = 'grant = "refresh_token"\nlogin = { path = "secret/logins/billing" }\nrevoke_after = "10m"'
    text = home.good.replace("[providers.thx]", '[providers.thx]\nrevocation_url = "https://auth.thx.network/revoke"')
    home.write(text.replace('provider = "thx"', f'provider = "thx"\n{own}'))
    (warning,) = home.loads().warnings
    assert warning.key == "credentials.billing.revoke_after"
    assert "RFC 7009" in warning.wanted


def test_the_local_socket_alone_is_warned_of(home: Home) -> None:
    text = home.good[: home.good.index("[[credentials")]
    home.write(f'{text}\n[[credentials.billing.sinks]]\ntype = "socket"\nusers = ["root"]\n')
    (warning,) = home.loads().warnings
    assert warning.key == "credentials.billing.sinks"
    assert "each restart mints one" in warning.found
