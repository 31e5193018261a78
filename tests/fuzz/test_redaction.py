"""The last net under fire: secrets in every dress, values of every kind, and texts made to hold it up."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.operate.redaction import CUT, DEEPEST, redact, redact_fields, redact_text
from tests.fuzz import checks
from tests.support.canary import TOKEN_CHARACTERS, Searcher, canary, thorny

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = (
    "client_secret", "client-secret", "client_secret_previous", "access_token", "refresh_token", "id_token",
    "client_token", "secret_id", "password", "db_password", "passwd", "passphrase", "assertion", "client_assertion",
    "private_key", "api_key", "api-key", "apikey", "secret", "X-Vault-Token", "Authorization", "CLIENT_SECRET",
)  # fmt: skip

DRESSES: dict[str, Callable[[str, str], str]] = {
    "JSON": lambda name, secret: json.dumps({"a": 1, name: secret, "b": [2]}),
    "JSON without escapes": lambda name, secret: json.dumps({name: secret}, ensure_ascii=False, separators=(",", ":")),
    "JSON in JSON": lambda name, secret: json.dumps({"body": json.dumps({name: secret, "b": 2})}),
    "torn JSON": lambda name, secret: json.dumps({name: secret})[:-5],
    "a repr": lambda name, secret: repr({name: secret, "b": None}),
    "a repr of JSON": lambda name, secret: repr(json.dumps({name: secret})),
    "a form": lambda name, secret: f"a=b&{name}={quote_plus(secret)}&c=d",
    "a query": lambda name, secret: f"GET https://host/path?{name}={quote(secret, safe='')} HTTP/1.1",
    "a header": lambda name, secret: f"{name}: {quote(secret)}\r\nHost: host",
    "a shell's word": lambda name, secret: f"export {name}='{secret.replace(chr(39), '')}' && true",
    "TOML": lambda name, secret: f"{name} = {json.dumps(secret)}\n",
    "a bearer header": lambda _, secret: f"Authorization: Bearer {quote(secret)}",
    "a bearer": lambda _, secret: f"sent (bearer {quote(secret)})",
    "basic credentials": lambda _, secret: "Basic " + base64.b64encode(f"id:{secret}".encode()).decode(),
    "a URL's password": lambda _, secret: f"https://user:{quote(secret, safe='')}@host/path",
    "a URL's raw password": lambda _, secret: f"https://user:{''.join(secret.split())}@host:8200/path",
    "a URL's user": lambda _, secret: f"https://{quote(secret, safe='')}@host/path",
    "a private key": lambda _, secret: f"-----BEGIN RSA PRIVATE KEY-----\n{secret}\n-----END RSA PRIVATE KEY-----",
    "a torn private key": lambda _, secret: f"-----BEGIN PRIVATE KEY-----\n{secret}",
    "a token of Vault": lambda _, secret: (
        f"(hvs.{quote_plus(secret).replace('%', '').replace('+', '').replace('.', '')}"
    ),
}

SECRETS = (canary("plain"), canary("token", TOKEN_CHARACTERS), thorny("thorny"), canary("passphrase", "abcdefghij"))
SEARCHER = Searcher(dict(zip(("plain", "token", "thorny", "passphrase"), SECRETS, strict=True)))
PLAIN = st.text("abc xyz\n\t()[]{}", max_size=20)
EXAMPLES = settings(max_examples=200, deadline=2000)


@pytest.mark.parametrize("dress", DRESSES)
@settings(max_examples=30, deadline=2000)
@given(st.sampled_from(NAMES), st.sampled_from(SECRETS), PLAIN, PLAIN)
def test_nothing_is_left_of_a_secret_in(dress: str, name: str, secret: str, before: str, after: str) -> None:
    cut = redact_text(f"{before} {DRESSES[dress](name, secret)} {after}")
    assert SEARCHER.look(cut, dress) == []
    assert CUT in cut


BETWEEN = (" ", ",", "\n", ") (")


@pytest.mark.parametrize("first", DRESSES)
def test_nothing_is_left_of_a_secret_that_follows_another_one_in(first: str) -> None:
    begun = DRESSES[first]("client_secret", SECRETS[0])
    texts = [
        f"{begun}{between}{dress('access_token', SECRETS[1])}" for dress in DRESSES.values() for between in BETWEEN
    ]
    assert [found for text in texts for found in SEARCHER.look(redact_text(text), text[:0])] == []


@EXAMPLES
@given(st.lists(st.sampled_from(NAMES), max_size=4), st.lists(st.sampled_from(sorted(DRESSES)), max_size=4))
def test_nothing_is_left_of_several_secrets_that_follow_each_other(names: list[str], dresses: list[str]) -> None:
    texts = [DRESSES[dress](name, SECRETS[0]) for dress, name in zip(dresses, names, strict=False)]
    for between in BETWEEN:
        assert SEARCHER.look(redact_text(between.join(texts)), "several") == []


WORDS = (
    *NAMES, *"=:\"'\\ \n&@/?…,;`", "://", "Bearer ", "basic ", "eyJ", "hvs.", "s.", CUT, "a", "Ab3",
    "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", '\\"', "\\\\", "token", "\u2028", "\ud800", "é", "\0",
    canary("word"),
)  # fmt: skip


@settings(max_examples=400, deadline=2000)
@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=25).map("".join))
def test_what_has_been_cut_once_stays_as_it_is_whatever_it_was(text: str) -> None:
    checks.redaction(text)


ANY_TEXT = st.one_of(
    st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=12).map("".join),
    st.builds(lambda dress, name, secret: dress(name, secret), st.sampled_from(list(DRESSES.values())),
              st.sampled_from(NAMES), st.sampled_from(SECRETS)),
)  # fmt: skip


@settings(max_examples=400, deadline=2000)
@given(ANY_TEXT)
def test_a_text_is_cut_the_same_where_no_quick_look_can_pass_it_over(text: str) -> None:
    """Letters beyond ASCII are beyond the quick look; at the end they would change where a value ends."""
    assert redact_text(f"é {text}") == f"é {redact_text(text)}"


@settings(max_examples=400, deadline=2000)
@given(st.lists(ANY_TEXT, max_size=4))
def test_texts_that_are_looked_at_together_are_cut_as_each_is_on_its_own(texts: list[str]) -> None:
    fields: dict[str, object] = {f"a{number}": text for number, text in enumerate(texts)}
    assert redact_fields(fields) == {name: redact(text) for name, text in fields.items()}


class Unwritable:
    """A value of a library whose repr fails."""

    def __str__(self) -> str:
        raise LookupError(SECRETS[0])


class Talkative:
    """A value of a library whose text holds a secret."""

    def __str__(self) -> str:
        return f"request(client_secret={SECRETS[0]})"


def _circle() -> list[object]:
    circle: list[object] = []
    circle.append({"a": circle})
    return circle


def _deep(levels: int) -> object:
    value: object = SECRETS[0]
    for _ in range(levels):
        value = [value]
    return value


TELLING = st.sampled_from([dress(name, SECRETS[0]) for dress in DRESSES.values() for name in NAMES[:3]])
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5), TELLING,
    TELLING.map(str.encode), TELLING.map(lambda text: bytearray(text.encode())), TELLING.map(KeyError),
    st.builds(Unwritable), st.builds(Talkative), st.builds(_circle), st.builds(_deep, st.just(5000)),
)  # fmt: skip
FIELDS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | TELLING, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=2000)
@given(st.dictionaries(st.text(max_size=5) | TELLING, FIELDS, max_size=4))
def test_no_value_of_any_kind_keeps_an_event_from_being_told_without_its_secrets(fields: dict[str, Any]) -> None:
    # What is left is of JSON's own kinds: whoever turns the rest into text afterwards would look at it no more.
    told = json.dumps(redact_fields(fields))
    assert SEARCHER.look(told, "an event") == []


def test_what_lies_too_deep_is_cut() -> None:
    value: object = "kept"
    for _ in range(DEEPEST):
        value = [value]
    assert "kept" in json.dumps(redact(value))
    assert json.dumps(redact([value])).strip("[]") == f'"{CUT}"'.strip("[]")


SLOW = (
    *(f"{name}=" for name in NAMES), *("{" + json.dumps(name) + ":" for name in NAMES[:2]), "client_secret",
    "client_secret_", "://", "://a:", "://a@", "eyJ", "eyJ.", "eyJaaaaaaaa", "hvs.", "s.", "Bearer ", "Basic\t", "…",
    "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "secret_id\\", 'secret_id\\"', "secret_id=\\'", 'secret_id="\\',
    "password = ", "authorization: bearer ",
)  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", SLOW)
@pytest.mark.parametrize("between", ["", " ", "a", "\\"], ids=["nothing", "a blank", "a letter", "a backslash"])
def test_time_grows_no_faster_than_the_text(piece: str, between: str) -> None:
    text = (piece + between) * (60_000 // len(piece + between))
    assert len(redact_text(text)) <= len(text) + len(CUT) * (1 + len(text) // 3)
