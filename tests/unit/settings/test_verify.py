"""What a token has to stand, and when the one before is revoked, as the configuration says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.settings.home import GOOD

if TYPE_CHECKING:
    from rotator.settings.credential import Credential
    from tests.unit.settings.home import Home

WHERE = """
introspection_url = "https://auth.thx.network/introspect"
revocation_url = "https://auth.thx.network/revoke"
jwks_url = "https://auth.thx.network/jwks"
"""

PLACES = GOOD.replace("[defaults]", f"{WHERE}\n[defaults]")
ISSUED = GOOD.replace("[defaults]", 'issuer = "https://auth.thx.network"\n[defaults]')


def written(home: Home, keys: str, text: str = PLACES) -> None:
    """The credential with further keys."""
    home.write(text.replace('provider = "thx"', f'provider = "thx"\n{keys}'))


def credential(home: Home, keys: str, text: str = PLACES) -> Credential:
    written(home, keys, text)
    return home.loads().settings.credentials["billing"]


def test_without_the_table_nothing_is_checked_and_nothing_revoked(home: Home) -> None:
    billing = home.loads().settings.credentials["billing"]
    assert (billing.verify, billing.revoke_after) == (None, None)


def test_a_probe_has_what_a_request_needs(home: Home) -> None:
    probe = credential(home, 'verify = { probe = { url = "https://api.example.com/health?deep=1" } }').verify.probe  # type: ignore[union-attr]
    assert probe is not None
    assert (probe.method, probe.expect, probe.timeout, probe.ca_file) == ("GET", (), 5.0, None)


def test_claims_are_signed_unless_it_is_said_otherwise(home: Home) -> None:
    verify = credential(home, 'verify = { claims = { aud = "urn:api" } }').verify
    assert verify is not None
    assert verify.claims is not None
    assert verify.claims.signed


def test_an_empty_table_takes_back_what_the_defaults_ask_for(home: Home) -> None:
    text = PLACES.replace("[defaults]", "[defaults]\nverify = { introspection = true }")
    verify = credential(home, "verify = {}", text).verify
    assert verify is not None
    assert not verify.introspection


REFUSED = {
    "a probe over plain http": ('verify = { probe = { url = "http://api.example.com/" } }', "verify.probe.url"),
    "a probe with a password": ('verify = { probe = { url = "https://u:p@api.example.com/" } }', "verify.probe.url"),
    "a probe that deletes": (
        'verify = { probe = { url = "https://api.example.com/", method = "DELETE" } }',
        "verify.probe.method",
    ),
    "a redirect as a success": (
        'verify = { probe = { url = "https://api.example.com/", expect = [302] } }',
        "verify.probe.expect[0]",
    ),
    "a probe that waits for a minute": (
        'verify = { probe = { url = "https://api.example.com/", timeout = "1m" } }',
        "verify.probe.timeout",
    ),
    "a claim that nobody knows": ('verify = { claims = { sub = "me" } }', "verify.claims.sub"),
    "a revocation at once": ('revoke_after = "0s"', "revoke_after"),
    "a revocation in two days": ('revoke_after = "48h"', "revoke_after"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_to_have(home: Home, case: str) -> None:
    keys, key = REFUSED[case]
    written(home, keys)
    assert home.problem().key == f"credentials.billing.{key}"


NEEDS = {
    "introspection": ("verify = { introspection = true }", "verify.introspection", "introspection_url"),
    "signed claims": ("verify = { claims = {} }", "verify.claims", "jwks_url"),
    "revocation": ('revoke_after = "2m"', "revoke_after", "revocation_url"),
}


@pytest.mark.parametrize("case", NEEDS)
def test_where_the_provider_is_to_be_asked_has_to_be_known(home: Home, case: str) -> None:
    keys, key, endpoint = NEEDS[case]
    written(home, keys, GOOD)
    problem = home.problem()
    assert problem.key == f"credentials.billing.{key}"
    assert problem.wanted == f"nothing, while providers.thx has neither {endpoint} nor issuer"
    for text in (PLACES, ISSUED):
        credential(home, keys, text)


def test_claims_that_need_no_signature_need_no_keys(home: Home) -> None:
    assert credential(home, "verify = { claims = { signed = false } }", GOOD).verify is not None


def with_interval(interval: str) -> str:
    sink = 'path = "secret/tokens/billing"'
    return PLACES.replace(sink, f'{sink}\nconsumer_interval = "{interval}"')


def test_consumers_that_may_hold_a_token_when_it_is_revoked_are_told_of(home: Home) -> None:
    written(home, 'revoke_after = "2m"', with_interval("3m"))
    (warning,) = home.loads().warnings
    assert warning.key == "credentials.billing.revoke_after"
    assert warning.found.endswith("it may hold a revoked token for up to 1m")
    written(home, 'revoke_after = "3m"', with_interval("3m"))
    assert home.loads().warnings == ()
