"""What consumers read out of a file is what went in, and nothing that a token or a name says is taken for more."""

from __future__ import annotations

import json
import netrc
import string
import subprocess
from base64 import b64decode
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.core.errors import Code, RotationError
from rotator.files.formats import FORMATS, Layout, variable
from rotator.files.options import WORDS
from tests.fuzz import checks
from tests.fuzz.systemd import environment
from tests.integration.files.harness import layout
from tests.support.canary import TOKEN_CHARACTERS

TOKENS = st.builds(
    lambda body, end: body + end,
    st.text(TOKEN_CHARACTERS, min_size=1, max_size=60)
    | st.sampled_from(["~root/x", "~", "-n", "--", "/../..", "+", "~+", "a~b", "-----", "..."]),
    st.sampled_from(["", "=", "=="]),
)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True) | st.sampled_from(["path", "ifs", "0", "ps4"])
HOSTILE = st.text(
    st.sampled_from(string.ascii_letters + "\n\r\0 \t'\"`$(){};&|<>\\#=!*?[]~%^:,@£\u2028\x85"), min_size=1, max_size=30
)
EXAMPLES = settings(max_examples=200, deadline=2000)


def in_shells(contents: list[tuple[str, bytes]]) -> list[dict[str, str]]:
    """The variables that are new after `. FILE` in a real shell, one file after the other, each in a fresh one."""
    with TemporaryDirectory() as place:
        for number, (_, content) in enumerate(contents):
            (Path(place) / str(number)).write_bytes(content)
        # `env -0` as /usr/bin/env; what was sourced is exported, and everything else has been taken away before.
        script = (
            'for f in "$@"; do env -i sh -c \'set -a; . "$1"; exec /usr/bin/env -0\' sh "$f"; printf "\\n--\\n"; done'
        )
        names = [str(Path(place) / str(number)) for number in range(len(contents))]
        ran = subprocess.run(["sh", "-c", script, "sh", *names], check=True, capture_output=True, timeout=60)
    assert ran.stderr == b""
    texts = [text.decode() for text in ran.stdout.split(b"\n--\n")[:-1]]
    found = [dict(line.split("=", 1) for line in text.split("\0") if line) for text in texts]
    return [
        {name: value for name, value in one.items() if name not in {"PWD", "_", "SHLVL", "OLDPWD"}} for one in found
    ]


@settings(max_examples=25, deadline=30_000)
@given(st.lists(st.tuples(NAMES, TOKENS), min_size=1, max_size=8))
def test_a_real_shell_reads_the_token_and_nothing_else_f17(wanted: list[tuple[str, str]]) -> None:
    files = [(name, FORMATS["env"].render(checks.record_of(token), Layout(name))) for name, token in wanted]
    assert in_shells(files) == [{variable(name): token} for name, token in wanted]


@settings(max_examples=25, deadline=30_000)
@given(st.lists(st.tuples(NAMES, TOKENS), min_size=1, max_size=8))
def test_a_real_shell_reads_what_a_template_quotes_for_it_and_nothing_else_f17(wanted: list[tuple[str, str]]) -> None:
    files = [
        (name, FORMATS["template"].render(checks.record_of(token), layout("template", name))) for name, token in wanted
    ]
    found = in_shells(files)
    assert [one["TOKEN"] for one in found] == [token for _, token in wanted]
    assert [b64decode(one["BASIC"]).decode() for one in found] == [f"me:{token}" for _, token in wanted]
    assert {frozenset(one) for one in found} == {frozenset({"TOKEN", "BASIC"})}


MACHINES, LOGINS, REGISTRIES = (
    st.from_regex(WORDS[key], fullmatch=True).filter(str.isascii) for key in ("machine", "login", "registry")
)


@EXAMPLES
@given(MACHINES, LOGINS, TOKENS)
def test_pythons_reader_of_netrc_files_reads_one_login_and_nothing_else_f17(
    machine: str, login: str, token: str
) -> None:
    content = FORMATS["netrc"].render(checks.record_of(token), Layout("billing", machine=machine, login=login))
    assert content.count(b"\n") == 1
    with TemporaryDirectory() as place:
        file = Path(place) / "netrc"
        file.write_bytes(content)
        found = netrc.netrc(str(file))
    assert found.hosts == {machine: (login, "", token)}
    assert found.macros == {}


@EXAMPLES
@given(REGISTRIES, LOGINS, TOKENS)
def test_a_registrys_document_is_one_pair_for_one_registry_f17(registry: str, login: str, token: str) -> None:
    told = Layout("billing", registry=registry, login=login)
    content = FORMATS["dockerconfigjson"].render(checks.record_of(token), told)
    auths = json.loads(content)["auths"]
    assert list(auths) == [registry]
    assert b64decode(auths[registry].pop("auth"), validate=True).decode().split(":", 1) == [login, token]
    assert auths == {registry: {}}


@EXAMPLES
@given(TOKENS)
def test_a_kubernetes_clients_document_is_one_token_and_its_date_f17(token: str) -> None:
    document = json.loads(FORMATS["kubectl-exec"].render(checks.record_of(token), Layout("billing")))
    assert document["status"] == {"token": token, "expirationTimestamp": "2026-01-01T00:09:00Z"}


@EXAMPLES
@given(NAMES, TOKENS)
def test_systemd_reads_the_token_and_nothing_else_f17(name: str, token: str) -> None:
    content = FORMATS["env"].render(checks.record_of(token), Layout(name))
    assert environment(content) == {variable(name): token}


@EXAMPLES
@given(NAMES, TOKENS)
def test_a_header_file_is_one_header_f17(name: str, token: str) -> None:
    content = FORMATS["header"].render(checks.record_of(token), Layout(name))
    assert content == f"Authorization: Bearer {token}\n".encode()
    assert len(content.splitlines()) == 1


@pytest.mark.parametrize("kind", FORMATS)
@EXAMPLES
@given(TOKENS, HOSTILE, st.integers(0, 60))
def test_a_token_with_one_foreign_character_is_never_written_f17_p20(
    kind: str, token: str, foreign: str, place: int
) -> None:
    foreign = "".join(character for character in foreign if character not in TOKEN_CHARACTERS + "=")
    mixed = token[:place] + (foreign or "\n") + token[place:]
    with pytest.raises(RotationError) as caught:
        FORMATS[kind].render(checks.record_of(mixed), layout(kind))
    assert caught.value.code is Code.TOKEN_INVALID
    assert token not in str(caught.value) or len(token) < 8


PIECES = st.sampled_from(
    [
        b"Authorization: Bearer ",
        b"BILLING_ACCESS_TOKEN=",
        b"'",
        b'"',
        b"a.b.c",
        b"=",
        b"\n",
        b"\r",
        b" ",
        b"~",
        b"\0",
        b"\xff",
        b'{"access_token": "a.b.c"',
        b', "expires_at": "2026-01-01T00:00:00Z"',
        b"}",
        b"[" * 9000,
        b"9" * 5000,
        b"null",
        b"machine git.example.com login x-access-token password ",
        b"macdef init",
        b'{"auths": {"registry.example.com:5000": {"auth": "',
        b"JG9hdXRodG9rZW46dG9rZW4ub25l",
        b'"}}}',
        b'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "',
        b"# what billing shows its API until ",
        b"export BASIC=",
    ]
)


@EXAMPLES
@given(st.lists(PIECES | st.binary(max_size=4), max_size=8).map(b"".join))
def test_whatever_lies_in_a_file_is_read_as_what_we_would_have_written_or_not_at_all(content: bytes) -> None:
    checks.file_content(content, "billing")


PARTS = st.sampled_from(
    [
        "{{ ", " }}", "{%- ", " %}", "{# ", " #}", "access_token", "scope", "expires_at", "credential", "'text'",
        '"\\u00e9"',
        " ~ ", " | ", "shell", "tojson", "b64encode", "if ", "elif ", "else", "endif", "not ", " and ", " in ", " == ",
        "(", ")", "raw", "endraw", "\n", "plain words", "<a href='x'>", ".__class__", "['x']", "()", "for x in ",
        "range", "%", "**", "9" * 5000, "set x = ", "macro f()", "self", "'{0.__class__}'.format", " is defined",
        "\0", "\u2028",
    ]
)  # fmt: skip
PRINTS = st.lists(
    st.sampled_from(["access_token", "scope", "'a'", "credential", "expires_at"]), min_size=1, max_size=4
).map(lambda names: f"{{{{ ({' ~ '.join(names)}) | shell }}}}")


@EXAMPLES
@given(
    st.lists(PARTS, max_size=12).map("".join)
    | st.lists(PRINTS | st.sampled_from(["{% if scope %}", "{% endif %}", "\n", "x = "]), max_size=8).map("".join),
    TOKENS,
    st.text(max_size=12),
)
def test_any_template_is_refused_or_makes_a_text_that_it_knows_again(source: str, token: str, scope: str) -> None:
    checks.template(f"{{{{ access_token }}}} {source}", token, scope)


RECORD = checks.record_of("token.one").fields()
MOMENTS = st.sampled_from(
    ["2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00+23:59", "0001-01-01T00:00:00+14:00",
     "9999-12-31T23:59:59-14:00", "20260101T000000Z",
     "2026-W01-1T00:00:00Z", "2026-01-01T00:00:00.123456Z", "2026-01-01T24:00:00Z", ""]
)  # fmt: skip
FIELD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=9),
    MOMENTS,
    st.lists(st.none(), max_size=1),
    st.sampled_from(["9" * 5000, "600", " 600 ", "6_0", "-1", "\ud800", checks.SECRET]),
)


@EXAMPLES
@given(st.dictionaries(st.sampled_from([*sorted(RECORD), "x"]), FIELD, max_size=4))
def test_any_document_is_a_whole_record_or_none_v16(changes: dict[str, object]) -> None:
    checks.record({**RECORD, **changes})


@EXAMPLES
@given(
    st.lists(
        st.sampled_from(
            ["secret", "a", "/", "//", ".", "..", "%2e", "%", "\\", "?", "#", "*", " ", "\0", "é", "\u2024", "data"]
        ),
        max_size=8,
    ).map("".join)
    | st.text(max_size=12)
)
def test_a_path_of_vault_means_one_thing_or_is_refused_g08(path: str) -> None:
    checks.kv_path(path)
