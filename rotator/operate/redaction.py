"""The last net before a line leaves the process: what looks like a secret is cut out.

The first line of defence is that secrets live in `Secret` and that foreign texts are not logged. This net is for what
slips past it, above all in the records of libraries.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rotator.core.model import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

CUT = "[redacted]"

_SECRET_KEY = re.compile(
    r"(?:^|[_.-])(?:access_token|refresh_token|id_token|client_token|client_secret\w*|secret_id|secret|password"
    r"|passwd|authorization|assertion|private_key|api_key|x-vault-token)$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"""
      eyJ[\w-]{8,}(?:\.[\w-]*){0,4}                # JSON Web Tokens; torn ones too, as asking for a dot is quadratic
    | \b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}      # tokens of Vault and OpenBao
    """,
    re.VERBOSE,
)
_AFTER_A_NAME = re.compile(
    r"""
    ( \bBearer\s+ | \bBasic\s+                    # RFC 6750, RFC 7617
    | (?:client_secret|access_token|refresh_token|client_token|secret_id|password|assertion)(?:["']?\s*[=:]\s*["']?)
    | ://(?=[^/\s@]*:[^/\s@]*@)                     # user:password in a URL
    )
    (?!…)[^\s&"',@]+                             # "…" stands where people are to write a secret
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redact_text(text: str) -> str:
    """`text` without what looks like a secret."""
    return _AFTER_A_NAME.sub(rf"\1{CUT}", _SECRET_TEXT.sub(CUT, text))


def redact(value: object) -> object:
    """`value` without secrets, however deep: what it holds under a telling key, and what looks like one anywhere."""
    if isinstance(value, Secret):
        return CUT
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes):
        return redact_text(value.decode(errors="replace"))
    if isinstance(value, dict):
        return redact_fields(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    return value


def redact_fields(fields: Mapping[str, object]) -> dict[str, object]:
    """The same for the fields of an event."""
    return {key: CUT if _SECRET_KEY.search(str(key)) else redact(value) for key, value in fields.items()}
