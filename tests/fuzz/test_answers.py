"""What authorization servers and Vault may answer: read, or refused in our own words, and never with theirs."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import checks, grammar

SECRETS = st.sampled_from([checks.SECRET, checks.THORNY, checks.PASSPHRASE])
STATUSES = st.one_of(st.sampled_from(grammar.STATUSES), st.integers(0, 999))
EXPECTATIONS = st.sampled_from(checks.EXPECTATIONS)
EXAMPLES = settings(max_examples=200, deadline=2000)
SLOW_TO_MAKE = settings(EXAMPLES, max_examples=100)

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        SECRETS,
        st.sampled_from(["Bearer", "600", "a.b.c", "openid admin", *grammar.ERRORS]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | SECRETS, inner, max_size=4),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.sampled_from(grammar.KEYS), JSON, max_size=8)


@SLOW_TO_MAKE
@given(STATUSES, OBJECTS, EXPECTATIONS)
def test_any_json_is_a_grant_or_a_typed_refusal(status: int, fields: dict[str, object], expected: object) -> None:
    checks.answer(status, json.dumps(fields).encode(), expected)  # type: ignore[arg-type]  # Expectations


@EXAMPLES
@given(STATUSES, st.integers(0, 2**64), SECRETS, EXPECTATIONS)
def test_any_damaged_answer_is_a_grant_or_a_typed_refusal(
    status: int, seed: int, secret: str, expected: object
) -> None:
    body = grammar.body(Random(seed), secret)  # noqa: S311  chance, no secret
    checks.answer(status, body, expected)  # type: ignore[arg-type]  # as above


@EXAMPLES
@given(STATUSES, st.binary(max_size=200), EXPECTATIONS)
def test_any_bytes_are_a_grant_or_a_typed_refusal(status: int, body: bytes, expected: object) -> None:
    checks.answer(status, body, expected)  # type: ignore[arg-type]  # as above


def test_the_grammar_makes_grants_and_refusals_of_every_kind() -> None:
    chance = Random(0)  # noqa: S311  as above
    codes = {
        checks.answer(chance.choice(grammar.STATUSES), grammar.body(chance, checks.SECRET), expected, whole=False)
        for expected in checks.EXPECTATIONS
        for _ in range(500)
    }
    assert codes >= {
        *(checks.GRANTED, "answer_not_json", "answer_contradictory", "answer_status", "token_missing"),
        *("token_invalid", "token_type_unsupported", "lifetime_missing", "lifetime_invalid", "scope_narrower"),
        *("invalid_client", "invalid_scope", "provider_refused", "provider_throttled", "provider_unavailable"),
        "provider_redirected",
    }


@EXAMPLES
@given(
    st.one_of(
        st.text(max_size=40),
        st.floats().map(str),
        st.integers().map(str),
        st.datetimes().map(lambda date: f"{date:%a, %d %b %Y %H:%M:%S} GMT"),
        st.lists(
            st.sampled_from(["Tue,", "24", "Nov", "2026", "0", "99", "12:00:00", "25:61:61", "GMT", "+9999", "-", ":"])
        ).map(" ".join),
    )
)
def test_any_retry_after_is_a_bounded_wait_or_none(header: str) -> None:
    checks.wait(header)


@SLOW_TO_MAKE
@given(
    STATUSES,
    st.one_of(
        st.binary(max_size=100),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries({"errors": JSON}).map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries({"data": JSON}).map(lambda value: json.dumps(value).encode()),
    ),
    st.dictionaries(st.sampled_from(["Retry-After", "Location"]), st.text(max_size=10) | SECRETS),
)
def test_any_answer_of_vault_is_a_document_or_a_typed_refusal(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    checks.vault_answer(status, body, headers)


@EXAMPLES
@given(
    st.text(max_size=20),
    st.text(max_size=40) | SECRETS,
    st.sampled_from(["rfc6749", "raw"]),
    st.sampled_from(["client_secret_basic", "client_secret_post"]),
)
def test_any_id_and_secret_are_sent_as_they_are_or_refused(
    client_id: str, secret: str, encoding: str, method: str
) -> None:
    checks.request(client_id, secret, encoding, method)
