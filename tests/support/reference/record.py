"""What consumers read, as the code that writes it renders it: the record's fields, and a file of every format."""

from __future__ import annotations

from datetime import UTC, datetime

from rotator.core.model import BearerToken, Moment, Secret, TokenRecord, fingerprint
from rotator.files.formats import FORMATS, Layout
from rotator.files.template import Template

EXAMPLE = Secret("an-example-that-opens-nothing")

WRITTEN = """\
api: https://api.example.com
token: {{ access_token | tojson }}
until: {{ expires_at }}
"""
LAYOUT = Layout(
    "billing",
    machine="git.example.com",
    login="oauth2",
    registry="registry.example.com",
    template=Template(WRITTEN, "billing.j2"),
)
ENDINGS = {0: "No line end.", 1: "One line, with a line end."}
BESIDE = {
    "netrc": '`machine = "git.example.com"` and `login = "oauth2"` stand beside it in the sink.',
    "dockerconfigjson": '`registry = "registry.example.com"` and `login = "oauth2"` stand beside it in the sink.',
    "template": f"`template_file` names a file with\n\n```text\n{WRITTEN.rstrip()}\n```",
}

MEANINGS = {
    "access_token": "the bearer token",
    "token_type": "always `Bearer`",
    "expires_at": "when it ends: RFC 3339, UTC, whole seconds, rounded down",
    "issued_at": "when the token request was sent, written likewise; so the token may live a moment longer than told",
    "expires_in": "its whole life in seconds, as counted at `issued_at`; not what is left",
    "scope": "as granted, scopes parted by a space; empty when neither asked for nor told",
    "fingerprint": "the first 12 hexadecimal digits of the token's SHA-256: how logs and status tell tokens apart",
    "inputs": "a digest of provider, grant, scope, client id and version of the secret: a token whose inputs have "
    "changed is replaced at once",
}

INTRODUCTION = """\
# What consumers read

Made by the code that writes it. A token is replaced as a whole; what is here is never half of one and half of
another.

## The record

A KV path, and a file with `format = "json"`, hold these fields. All are strings, numbers included: audit
devices of Vault hash strings only. `fields` in the sink gives them other names."""

KV = """\
## A KV path

On KV v2 each token is one version, written with check-and-set; `custom_metadata` has `managed-by=rotator` and
`credential=NAME`. `delete_version_after` is never set: consumers of a deleted version fail. How many versions
are kept is the mount's and the key's `max_versions`. On KV v1 there is one field more, `ttl`, a number of
seconds, so that Vault Agent reads again in time. [vault.md](../vault.md) says whose path it is.

## A file

`credential = "billing"`, and a token that is no token, in each format. [files.md](../files.md) says how to read
files."""


def page() -> str:
    """docs/reference/record.md."""
    record = _record()
    rows = [f"| `{name}` | `{value}` | {MEANINGS[name]} |" for name, value in record.fields().items()]
    parts = [INTRODUCTION, "\n".join(["| field | for example | meaning |", "|---|---|---|", *rows]), KV]
    for name, row in FORMATS.items():
        content = row.render(record, LAYOUT).decode()
        ending = " ".join(filter(None, (ENDINGS.get(content.count("\n")), BESIDE.get(name))))
        parts.append(f'### format = "{name}"\n\n```text\n{content.rstrip()}\n```\n\n{ending}')
    return "\n\n".join(parts) + "\n"


def _record() -> TokenRecord:
    issued = Moment(datetime(2026, 11, 24, 3, 12, 5, tzinfo=UTC), 0.0)
    token = BearerToken(EXAMPLE, issued, 600.0, "openid admin", "0123456789abcdef", fingerprint(EXAMPLE))
    return TokenRecord.of(token)
