"""The checks as functions of bytes, as a fuzzer wants them; and what each begins with."""

from __future__ import annotations

import json
import re
from random import Random
from typing import TYPE_CHECKING

from rotator.files.formats import FORMATS
from tests.fuzz import checks, grammar
from tests.integration.files.harness import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SEEDS = 400
"""Inputs that each target begins with."""


def answer(data: bytes) -> None:
    """The reader of token answers: status, expectations, and the body."""
    if len(data) > 1:
        status = grammar.STATUSES[data[0] % len(grammar.STATUSES)] if data[0] & 0x80 else 200
        checks.answer(status, data[2:], checks.EXPECTATIONS[data[1] % len(checks.EXPECTATIONS)], whole=False)


def vault_answer(data: bytes) -> None:
    """The reader of Vault's answers."""
    if len(data) > 1:
        checks.vault_answer(200 + data[0] + 2 * data[1], data[2:], {"Retry-After": _text(data[2:9])}, whole=False)


def wait(data: bytes) -> None:
    """Retry-After."""
    checks.wait(_text(data))


def setting(data: bytes) -> None:
    """Durations, rates, sizes, shares and networks."""
    checks.setting(_text(data))


def file_content(data: bytes) -> None:
    """What lies in a token file."""
    checks.file_content(data, "billing")


def template(data: bytes) -> None:
    """Templates of operators; a line end parts token and template."""
    first, _, rest = data.partition(b"\n")
    token = re.sub(r"[^A-Za-z0-9._~+/-]", "", _text(first)) or "t"
    checks.template(_text(rest).encode(errors="replace").decode(), token, _text(first))


def kv_path(data: bytes) -> None:
    """Paths of Vault."""
    checks.kv_path(_text(data))


def record(data: bytes) -> None:
    """Documents in Vault that may be token records."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict):
        checks.record(document)


def redaction(data: bytes) -> None:
    """Cutting out secrets."""
    checks.redaction(_text(data))


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (answer, vault_answer, wait, setting, file_content, template, kv_path, record, redaction)
}


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="surrogateescape")


_RECORD = checks.record_of("token.one").fields()
_TEXTS = {
    "wait": ("7", "Tue, 24 Nov 2026 12:01:00 GMT", "Tuesday, 24-Nov-26 12:01:00 GMT", "Tue Nov 24 12:01:00 2026"),
    "setting": ("500ms", "5s", "5m", "1h30m", "20/s", "100/m", "0.5", "10.0.0.0/8", "fd00::/8", "12"),
    "file_content": (
        "a.b.c==", "Authorization: Bearer a.b.c\n", "BILLING_ACCESS_TOKEN=a.b.c\n", "BILLING_ACCESS_TOKEN='~a'\n",
        json.dumps(_RECORD),
        *(FORMATS[kind].render(checks.record_of("a.b.c"), layout(kind)).decode()
          for kind in ("netrc", "kubectl-exec", "dockerconfigjson", "template")),
    ),
    "template": (
        "a.b\n{{ access_token }}", "a.b\nx {{ ('me:' ~ access_token) | b64encode }}\n{# c #}",
        "a.b\n{% if scope == 'x' %}{{ access_token | shell }}{% elif scope %}{{ access_token }}{% else %}{% endif %}",
        "a.b\n{% raw %}{{ x }}{% endraw %}{{ access_token if scope in 'a' else access_token | tojson }}",
        "a.b\n{{ access_token.__class__ }}{% for a in access_token %}{{ '%s' % a }}{% endfor %}",
    ),
    "kv_path": ("secret/tokens/billing", "secret/a%2e/b", "secret/../b", "a//b"),
    "record": (json.dumps(_RECORD), json.dumps({**_RECORD, "expires_at": "9999-12-31T23:59:59-14:00"})),
    "redaction": (
        'client_secret="a\\"b" Bearer abc', "https://u:p@host/", '{\\"password\\": \\"x\\"}',
        "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----", "hvs.CAESIJ12345678", "secret_id: it is",
        "eyJhbGciOiJSUzI1NiJ9.eyJ.c",
    ),
}  # fmt: skip


def seeds(target: str, seed: int) -> Iterable[bytes]:
    """What a target begins with."""
    if target in _TEXTS:
        return [text.encode() for text in _TEXTS[target]]
    chance = Random(seed)  # noqa: S311  chance, no secret
    bodies = (grammar.body(chance, checks.SECRET) for _ in range(SEEDS))
    return [bytes([chance.randrange(256), chance.randrange(256)]) + body for body in bodies if len(body) < 4096]
