"""What one format is, and what it is told besides the record. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import EARLIEST_RENEWAL, TokenRecord, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rotator.core.model import Secret
    from rotator.files.template import Template

TOKEN = rb"[A-Za-z0-9\-._~+/]+=*"
"""b64token of RFC 6750 section 2.1."""

RECORD_FIELDS = frozenset({"token_type", *(item.name for item in fields(TokenRecord))})
"""The names that `TokenRecord.fields` gives."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a format needs to know besides the record.

    Attributes:
        credential: Its name; `env` makes a variable's name of it.
        fields: For `json`: the consumers' names to the record's, `{"token": "access_token"}`.
        machine: For `netrc`: the host that the token is for.
        login: For `netrc` and `dockerconfigjson`: the user name that goes with the token.
        registry: For `dockerconfigjson`: the registry that the token is for.
        template: For `template`.
    """

    credential: str
    fields: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    login: str = ""
    registry: str = ""
    template: Template | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """One row of the table.

    Attributes:
        render: The file's content. Raises RotationError TOKEN_INVALID for what is no bearer token, since a line end in
            it would write a second header or variable (P20, F17); FILE_TEMPLATE where a template fails.
        extract: What a content tells: the record, the token alone where the format carries no more, or None. A content
            that is no longer as it would be rendered may tell it as well.
        resembles: Whether a content may be of this format, whichever credential's and however edited. People keep
            files of netrc and dockerconfigjson as well: only one for the same place resembles.
        carries_all: Whether `extract` gives the whole record; what does not needs a state.
        takes: The keys of a sink that are for such formats only, and may be left out.
        needs: Those that may not.
    """

    render: Callable[[TokenRecord, Layout], bytes]
    extract: Callable[[bytes, Layout], TokenRecord | Secret | None]
    resembles: Callable[[bytes, Layout], bool]
    carries_all: bool = False
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def bearer(record: TokenRecord) -> bytes:
    """The token, if it is one.

    Raises:
        RotationError: TOKEN_INVALID.
    """
    token = record.access_token.reveal().encode()
    if not re.fullmatch(TOKEN, token):
        raise RotationError(
            Code.TOKEN_INVALID, "the access token has characters that no bearer token has; nothing was written"
        )
    return token


def refresh_after(record: TokenRecord) -> str:
    """When a consumer has reason to look again: no token is replaced much before, unless its credentials change."""
    return at_share(record, EARLIEST_RENEWAL)


def at_share(record: TokenRecord, share: float) -> str:
    """The time at which a token has lived this share of its life."""
    return rfc3339(record.issued_at + (record.expires_at - record.issued_at) * share)
