"""What a token file looks like, and what is read back from it."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rotator.core.errors import Code, RotationError
from rotator.core.model import CredentialSpec, Moment, Secret, TokenRecord, fingerprint
from rotator.core.policy import renewal_due
from rotator.files.formats import FORMATS, Layout, is_ours, variable
from tests.integration.files.harness import layout

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHARACTERS = string.ascii_letters + string.digits + "-._~+/"

tokens = st.builds(
    lambda body, padding: body + "=" * padding, st.text(CHARACTERS, min_size=1), st.integers(min_value=0, max_value=3)
)


def record(value: str = "token.one") -> TokenRecord:
    secret = Secret(value)
    return TokenRecord(secret, NOW, NOW + timedelta(seconds=600), 600, "openid admin", fingerprint(secret), "inputs")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("raw", b"token.one"),
        ("header", b"Authorization: Bearer token.one\n"),
        ("env", b"BILLING_EU_ACCESS_TOKEN=token.one\n"),
        ("netrc", b"machine git.example.com login x-access-token password token.one\n"),
        (
            "kubectl-exec",
            (
                b'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": '
                b'{"token": "token.one", "expirationTimestamp": "2026-01-01T00:09:00Z"}}\n'
            ),
        ),
        ("dockerconfigjson", b'{"auths": {"registry.example.com:5000": {"auth": "JG9hdXRodG9rZW46dG9rZW4ub25l"}}}\n'),
        (
            "template",
            (
                b"# what billing-eu shows its API until 2026-01-01T00:10:00Z\n"
                b"export BASIC=bWU6dG9rZW4ub25l TOKEN=token.one\n"
            ),
        ),
    ],
)
def test_a_file_holds_the_token_in_its_format_and_nothing_else(kind: str, content: bytes) -> None:
    assert FORMATS[kind].render(record(), layout(kind, "billing-eu")) == content


def test_a_json_file_is_the_record_on_one_line() -> None:
    content = FORMATS["json"].render(record(), Layout("billing"))
    assert content.endswith(b"}\n")
    assert content.count(b"\n") == 1
    assert json.loads(content) == {**record().fields(), "refresh_after": "2026-01-01T00:05:00Z"}


def test_f18_a_json_file_says_from_when_on_a_reader_that_keeps_it_has_to_look_again() -> None:
    """Never before the token's successor may be there, and always while it still has life for many looks."""
    document = json.loads(FORMATS["json"].render(record(), Layout("billing")))
    token = record().token(Moment(NOW, 0.0))
    spec = CredentialSpec("billing", "thx", ())
    after = datetime.fromisoformat(document["refresh_after"])
    assert renewal_due(spec, token) <= (after - NOW).total_seconds()
    assert datetime.fromisoformat(document["expires_at"]) - after >= timedelta(seconds=300)


def test_f18_a_json_file_without_that_date_is_still_known() -> None:
    content = json.dumps(record().fields()).encode()
    assert FORMATS["json"].extract(content, Layout("billing")) == record()


def test_f18_a_consumers_own_name_for_a_field_comes_first() -> None:
    layout = Layout("billing", {"refresh_after": "expires_at"})
    document = json.loads(FORMATS["json"].render(record(), layout))
    assert document["refresh_after"] == "2026-01-01T00:10:00Z"
    assert FORMATS["json"].extract(json.dumps(document).encode(), layout) == record()


def test_json_fields_bear_the_consumers_names_only() -> None:
    layout = Layout("billing", {"token": "access_token", "scope": "expires_at", "granted": "scope"})
    document = json.loads(FORMATS["json"].render(record(), layout))
    assert (document["token"], document["scope"], document["granted"]) == (
        "token.one",
        "2026-01-01T00:10:00Z",
        "openid admin",
    )
    assert not {"access_token", "expires_at"} & document.keys()
    assert FORMATS["json"].extract(json.dumps(document).encode(), layout) == record()


def test_a_json_file_from_before_a_renaming_holds_no_record() -> None:
    content = FORMATS["json"].render(record(), Layout("billing"))
    assert FORMATS["json"].extract(content, Layout("billing", {"token": "access_token"})) is None
    assert is_ours(content, Layout("billing"))


@pytest.mark.parametrize("kind", FORMATS)
@given(token=tokens)
def test_every_bearer_token_is_read_back_as_it_was_and_known_as_ours(kind: str, token: str) -> None:
    content = FORMATS[kind].render(record(token), layout(kind))
    told = FORMATS[kind].extract(content, layout(kind))
    assert told == {"json": record(token), "template": None}.get(kind, Secret(token))
    assert is_ours(content, layout(kind))


@pytest.mark.parametrize("kind", FORMATS)
@given(token=st.text())
def test_p20_f17_what_is_no_bearer_token_is_never_rendered(kind: str, token: str) -> None:
    body = token.rstrip("=")
    assume(not body or set(body) - set(CHARACTERS))
    with pytest.raises(RotationError) as caught:
        FORMATS[kind].render(record(token), layout(kind))
    assert caught.value.code is Code.TOKEN_INVALID
    assert len(token) < 20 or token not in str(caught.value)


@pytest.mark.parametrize(
    "token",
    [
        "a\nX-Admin: yes",
        "a\r\nb",
        "a\n",
        "a b",
        "a\0",
        "a'b",
        'a"b',
        "a$(id)",
        "a`id`",
        "a\\b",
        "a;id",
        "ä",
        "",
        "=",
        "a=b",
    ],
)
@pytest.mark.parametrize("kind", FORMATS)
def test_p20_f17_a_token_that_would_inject_is_refused(kind: str, token: str) -> None:
    with pytest.raises(RotationError) as caught:
        FORMATS[kind].render(record(token), layout(kind))
    assert caught.value.code is Code.TOKEN_INVALID


@pytest.mark.parametrize(
    ("credential", "name"),
    [
        ("billing", "BILLING_ACCESS_TOKEN"),
        ("asset-pool.eu", "ASSET_POOL_EU_ACCESS_TOKEN"),
        ("3scale", "_3SCALE_ACCESS_TOKEN"),
        ("größe", "GR_SSE_ACCESS_TOKEN"),
        ("a=$(id)", "A___ID__ACCESS_TOKEN"),
    ],
)
def test_a_variable_is_named_after_its_credential(credential: str, name: str) -> None:
    assert variable(credential) == name


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("raw", b"token.one\n"),
        ("raw", b""),
        ("header", b"Authorization: Bearer token.one"),
        ("header", b"Authorization: Basic token.one\n"),
        ("header", b"Authorization: Bearer token.one\nX: y\n"),
        ("env", b"OTHER_ACCESS_TOKEN=token.one\n"),
        ("env", b"BILLING_ACCESS_TOKEN='token.one\n"),
        ("json", b"[]"),
        ("json", b"{"),
        ("json", b"[" * 100_000),
        ("json", b'{"access_token": 1}'),
        ("json", b"\xff"),
        ("netrc", b"machine git.example.com login x-access-token password token.one"),
        ("netrc", b"machine git.example.com login x-access-token password token.one\nmacdef init\n"),
        ("netrc", b"machine git.example.com login somebody password token.one\n"),
        ("netrc", b"machine gitXexample.com login x-access-token password token.one\n"),
        ("kubectl-exec", b"{}"),
        ("kubectl-exec", b'{"status": "token.one"}'),
        ("kubectl-exec", b'{"status": {"token": 1}}'),
        ("kubectl-exec", b'{"status": {"token": "token one"}}'),
        ("dockerconfigjson", b'{"auths": {"registry.example.com:5000": {"auth": "bWU6dG9rZW4ub25l"}}}'),
        ("dockerconfigjson", b'{"auths": {"registry.example.com:5000": {"auth": "JG9hdXRodG9rZW46dG9rZW4ub25l!"}}}'),
        ("dockerconfigjson", b'{"auths": {"registry.example.com:5000": {"auth": "\xc3\xa9"}}}'),
        ("dockerconfigjson", b'{"auths": {"registry.example.com:5000": {"auth": 1}}}'),
        ("dockerconfigjson", b'{"auths": {"registry.example.com:5000": "auth"}}'),
        ("dockerconfigjson", b'{"auths": {"docker.io": {"auth": "JG9hdXRodG9rZW46dG9rZW4ub25l"}}}'),
        ("dockerconfigjson", b'{"auths": ["registry.example.com:5000"]}'),
        ("dockerconfigjson", b'{"auths": {}, "credsStore": "desktop"}'),
    ],
)
def test_a_content_that_was_changed_holds_nothing(kind: str, content: bytes) -> None:
    assert FORMATS[kind].extract(content, layout(kind)) is None


KEPT_BY_PEOPLE = {
    "netrc of another host": ("netrc", b"machine example.com login me password hunter2\n"),
    "netrc of another user": ("netrc", b"machine git.example.com login me password hunter2\n"),
    "netrc of two hosts": (
        "netrc",
        b"machine git.example.com login x-access-token password a\nmachine example.com login me password b\n",
    ),
    "Docker's, of another registry": ("dockerconfigjson", b'{"auths": {"docker.io": {"auth": "bWU6cHc="}}}'),
    "Docker's, of two registries": (
        "dockerconfigjson",
        b'{"auths": {"registry.example.com:5000": {"auth": "bWU6cHc="}, "docker.io": {"auth": "bWU6cHc="}}}',
    ),
    "Docker's, with more in it": (
        "dockerconfigjson",
        b'{"auths": {"registry.example.com:5000": {"auth": "bWU6cHc="}}, "credHelpers": {}}',
    ),
    "a script for something else": ("template", b"export PASSWORD=hunter2\n"),
    "the end of what a template makes": ("template", b"export BASIC=bWU6dG9rZW4ub25l TOKEN=token.one\n"),
}


@pytest.mark.parametrize("what", KEPT_BY_PEOPLE)
def test_a_file_that_people_keep_is_not_taken_for_ours(what: str) -> None:
    kind, content = KEPT_BY_PEOPLE[what]
    assert not is_ours(content, layout(kind))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("netrc", b"machine git.example.com login x-access-token password another\n\n"),
        ("kubectl-exec", b'{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": {}}'),
        ("dockerconfigjson", b'{"auths": {"registry.example.com:5000": {"auth": "bWU6cHc="}}}'),
        (
            "template",
            b"# what another-name shows its API until then\n# without a scope\nexport BASIC=a TOKEN='b'\n",
        ),
    ],
)
def test_a_file_for_the_same_place_is_ours_however_edited(kind: str, content: bytes) -> None:
    assert is_ours(content, layout(kind))


def test_a_kubernetes_client_asks_again_while_the_token_has_a_tenth_of_its_life() -> None:
    document = json.loads(FORMATS["kubectl-exec"].render(record(), layout("kubectl-exec")))
    left = NOW + timedelta(seconds=600) - datetime.fromisoformat(document["status"]["expirationTimestamp"])
    assert left == timedelta(seconds=60)


def test_an_env_file_of_a_renamed_credential_is_ours_and_holds_nothing() -> None:
    content = FORMATS["env"].render(record(), Layout("before"))
    assert FORMATS["env"].extract(content, Layout("after")) is None
    assert is_ours(content, Layout("billing"))


@pytest.mark.parametrize(
    "content", [b"two words", b"[server]\nport=1\n", b'{"a": 1}', b"A=1\nB=2\n", b"\x7fELF\x02", b"user:password"]
)
def test_a_content_that_no_format_explains_is_not_ours(content: bytes) -> None:
    assert not is_ours(content, Layout("billing"))
