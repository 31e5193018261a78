"""What the configured credentials will ask of a provider that meters its tokens, and what is said of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core import policy
from rotator.core.model import BearerToken, CredentialSpec, Moment, Secret
from rotator.engine.quota import Quota
from rotator.settings.quotas import Forecast, forecasts
from rotator.testing import EPOCH

if TYPE_CHECKING:
    from tests.unit.settings.home import Home

CREDENTIAL = """
[credentials.c{number}]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/c{number}" }}
sinks = [{{ type = "vault", path = "secret/tokens/c{number}" }}]
"""


def metered(home: Home, quota: str, provider: str = "", *, further: int = 0, renew_at: float = 0.5) -> None:
    """A configuration of one credential and some further ones, with a quota."""
    good = home.good.replace("renew_at = 0.5", f"renew_at = {renew_at}")
    good = good.replace("[defaults]", f'quota = "{quota}"\n{provider}\n[defaults]')
    home.write(good + "".join(CREDENTIAL.format(number=number) for number in range(further)))


@pytest.mark.parametrize(
    ("text", "quota"),
    [("50/12h", Quota(50, 43200)), ("200/h", Quota(200, 3600)), ("1/20m", Quota(1, 1200)), ("9/1h30m", Quota(9, 5400))],
)
def test_a_quota_is_tokens_per_span(home: Home, text: str, quota: Quota) -> None:
    metered(home, text)
    assert home.loads().settings.providers["thx"].quota == quota


@pytest.mark.parametrize(
    "text", ["50", "0/h", "50/0s", "50/745h", "50/d", "-1/h", "1.5/h", "50/12", "50/ 12h", "1000000/h"]
)
def test_what_is_no_quota_is_refused_g03(home: Home, text: str) -> None:
    metered(home, text)
    problem = home.problem()
    assert problem.key == "providers.thx.quota"
    assert problem.found == f'"{text}"'


WORST: dict[str, tuple[Forecast, int, int]] = {
    "one credential of the first provider": (Forecast("thx", Quota(1, 3600), 600, (0.5,)), 360, 15),
    "renewed later": (Forecast("thx", Quota(1, 3600), 600, (0.8,)), 206, 9),
    "several, each by its own share": (Forecast("thx", Quota(1, 3600), 600, (0.5, 0.8)), 566, 24),
    "tokens that outlive the span": (Forecast("thx", Quota(1, 3600), 86400, (0.5,)), 3, 1),
    "tokens that live for seconds": (Forecast("thx", Quota(1, 60), 1, (0.5,)), 17280, 12),
    "nobody": (Forecast("thx", Quota(1, 60), 600, ()), 0, 0),
}


@pytest.mark.parametrize("case", WORST)
def test_the_worst_case_is_reckoned_with_the_whole_spread(case: str) -> None:
    forecast, per_day, per_span = WORST[case]
    assert (forecast.per_day, forecast.per_span) == (per_day, per_span)


@given(
    life=st.floats(20, 86400),
    renew_at=st.floats(0.5, 0.95),
    span=st.floats(60, 86400),
    seed=st.integers(0, 10**6),
)
def test_no_schedule_of_the_policy_asks_for_more_in_any_span_than_is_forecast(
    life: float, renew_at: float, span: float, seed: int
) -> None:
    spec, now, minted = CredentialSpec(f"c{seed}", "thx", (), renew_at=renew_at), 0.0, [0.0]
    for number in range(60):
        token = BearerToken(Secret("t"), Moment(EPOCH, now), life, "", "", f"{number:012x}")
        now = max(policy.renewal_due(spec, token), now + policy.MINT_INTERVAL)
        minted.append(now)
    most = max(sum(begin <= at < begin + span * (1 - 1e-9) for at in minted) for begin in minted)
    assert most <= Forecast("thx", Quota(1, span), life, (renew_at,)).per_span


def test_what_a_quota_holds_with_a_fifth_to_spare_is_no_warning(home: Home) -> None:
    metered(home, "10/1h", 'assumed_lifetime = "20m"')
    (forecast,) = forecasts(home.loads().settings)
    assert home.loads().warnings == ()
    assert forecast.sentence() == "thx: at most 180 tokens a day, and 8 within 1h: 80% of its quota (10/1h)"


@pytest.mark.parametrize(
    ("quota", "further", "share", "why"),
    [
        ("15/1h", 0, "100%", "the rest is for restarts and changed secrets"),
        ("14/1h", 0, "107%", "it will refuse the others"),
        ("50/12h", 4, "1800%", "it will refuse the others"),
    ],
)
def test_more_than_four_fifths_is_told_with_its_figures(
    home: Home, quota: str, further: int, share: str, why: str
) -> None:
    metered(home, quota, further=further)
    (warning,) = home.loads().warnings
    (forecast,) = forecasts(home.loads().settings)
    assert (warning.key, warning.line) == ("providers.thx.quota", 12)
    assert warning.found == (
        f"{quota}, and {1 + further} credentials with tokens of 10m ask for up to {forecast.per_span} in that time "
        f"({forecast.per_day} a day): {share} of it"
    )
    assert warning.wanted.endswith(f", for {why}")


@pytest.mark.parametrize(("quota", "further"), [("15/1h", 0), ("24/1h", 1), ("70/1h", 4)])
def test_a_renew_at_that_is_proposed_brings_it_to_silence(home: Home, quota: str, further: int) -> None:
    metered(home, quota, further=further)
    cure = home.loads().warnings[0].cure
    later = re.match(r"renew_at = (0\.\d) asks for (\d+), and leaves less time for an outage; ", cure)
    assert later is not None
    metered(home, quota, further=further, renew_at=float(later[1]))
    assert home.loads().warnings == ()
    (forecast,) = forecasts(home.loads().settings)
    assert forecast.per_span == int(later[2])


def test_where_no_renew_at_helps_it_is_said_how_many_credentials_would_fit(home: Home) -> None:
    metered(home, "50/1h", further=29)
    cure = home.loads().warnings[0].cure
    assert cure == (
        "not even renew_at = 0.9 asks for little enough; 2 of its 30 credentials fit; "
        "if tokens live longer than 10m, say so in assumed_lifetime"
    )
    metered(home, "50/1h", further=1)
    assert home.loads().warnings == ()


def test_a_quota_that_not_one_credential_keeps_to_is_told_as_such(home: Home) -> None:
    metered(home, "50/12h")
    assert "; none of its credentials fits; " in home.loads().warnings[0].cure


def test_a_life_that_is_told_is_reckoned_with_and_cut_as_everywhere(home: Home) -> None:
    metered(home, "50/12h", 'assumed_lifetime = "24h"', further=9)
    assert home.loads().warnings == ()
    metered(home, "50/12h", 'assumed_lifetime = "24h"\nmax_lifetime = "1h"', further=9)
    assert "tokens of 1h" in home.loads().warnings[0].found


def test_credentials_of_other_providers_do_not_count(home: Home) -> None:
    metered(home, "20/1h", further=9)
    other = '[providers.other]\ntoken_url = "https://other.example.com/token"\n'
    text = home.file.read_text()
    for number in range(9):
        header = f"[credentials.c{number}]\n"
        text = text.replace(f'{header}provider = "thx"', f'{header}provider = "other"')
    home.write(text.replace("[defaults]", f"{other}[defaults]"))
    (forecast,) = forecasts(home.loads().settings)
    assert (forecast.provider, forecast.per_span) == ("thx", 15)
