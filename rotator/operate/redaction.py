"""The last net before a line leaves the process: what looks like a secret is cut out.

The first line of defence is that secrets live in `Secret` and that foreign texts are not logged. This net is for what
slips past it, above all in the records of libraries. Where it is not certain how far a secret goes, too much is cut.
Every pattern takes time in proportion to the text, whatever the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from rotator.core.errors import RotationError, whence
from rotator.core.model import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CUT = "[redacted]"

DEEPEST = 8
"""Levels of lists and mappings in the field of an event; what lies deeper is cut, and so does a circle end."""

MOST_PASSES = 8
"""What was cut may bring together what then looks like a secret; two are enough for texts that nobody made up."""

NAMES_KNOWN = 512
"""Names of fields whose verdict is remembered: they stand in the code, so there are not so many."""

_BYTES = (bytes, bytearray, memoryview)
_NAMES = (
    r"(?:access|refresh|id|client|vault)[_-]?token|client[_-]?secret(?:_\w{1,20})?|secret[_-]?id|password|passwd"
    r"|passphrase|(?:client[_-]?)?assertion|private[_-]?key|api[_-]?key|authorization"
)
_SECRET_KEY = re.compile(rf"(?:^|[_.-])(?:{_NAMES}|secret)$", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"""
      eyJ[\w-]{8,}(?:\.[\w-]*){0,4}                # JSON Web Tokens; torn ones too, as asking for a dot is quadratic
    | hv[sbr]\.[A-Za-z0-9_-]{8,}                   # tokens of Vault
    | \b[sbr]\.[A-Za-z0-9_-]{20,}                  # tokens of OpenBao, and older ones of Vault
    | -----BEGIN[ A-Z]{0,40}PRIVATE[ ]KEY-----.*?(?:-----END[ A-Z]{0,40}PRIVATE[ ]KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_ASSIGNED = rf"""(?:{_NAMES}|\bsecret)\\*["']?\s*[=:]\s*"""
_SCHEME = r"\b(?:Bearer|Basic)\s+"  # RFC 6750, RFC 7617
_NO_NAME = rf"(?!{_SCHEME}|{_ASSIGNED})"
_AFTER_A_NAME = re.compile(
    rf"""
    ( {_SCHEME}(?!tokens?\b) | {_ASSIGNED}(?:{_SCHEME})?+ )
    (?! …(?:[\s`"'&.,;)]|\Z)                       # "…" stands where people are to write a secret
      | [a-z]{{1,4}}\s )                             # a sentence goes on: "the secret id: it is wrong"
    # A quote ends the value when no more backslashes stand before it than before the one that began it. The last of
    # them may be the value's own; but texts within texts are escaped more than once, so too much is cut then.
    # Where another name begins the value ends in any case: the quote that ends it may have been torn off.
    (?: (?P<q>\\+["']) (?: {_NO_NAME}[^\\] | (?!(?P=q))\\++["']? )*
      | " (?: {_NO_NAME}[^"\\] | \\++["']? )*
      | ' (?: {_NO_NAME}[^'\\] | \\++["']? )*
      | (?: {_NO_NAME}[^\s&] )+ )
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_URL = re.compile(r"://(\S+)")

# What all of the above begin with, and somewhat more, in lower case: where none of it is found, they find nothing.
_BEGINNING = re.compile(r"eyj|hv[sbr]\.|[sbr]\.[\w-]{20}|-----begin|(?:bearer|basic)\s")
_NAMED = re.compile(
    r"(?:token|secret(?:[_-]?id|_\w{1,20})?|passwd|password|passphrase|assertion|key|authorization)\W*[=:]"
)


def is_harmless(text: str) -> bool:
    """Whether `redact_text` would find nothing in it; a tenth of the work, and False where it is not certain."""
    # Where case does not matter, a few letters beyond ASCII are letters of it: the long s, the sign for kelvins.
    low = text.lower()
    suspected = _BEGINNING.search(low) or _NAMED.search(low) or ("://" in low and "@" in low)
    return text.isascii() and not suspected


def redact_text(text: str) -> str:
    """`text` without what looks like a secret."""
    if is_harmless(text):
        return text
    for _ in range(MOST_PASSES):
        before, text = text, _redact_once(text)
        if text == before:
            break
    return text


def _redact_once(text: str) -> str:
    # URLs come before names: a password with quotes in it would end the value of a name before it.
    without_users = _URL.sub(_without_user, _SECRET_TEXT.sub(CUT, text))
    return _AFTER_A_NAME.sub(_without_value, without_users)


def _without_value(found: re.Match[str]) -> str:
    """What stood before the value, and the quote that it began with; the one that ends it was left in the text."""
    value = found[0][found.end(1) - found.start() :]
    quote = found["q"] or (value[0] if value[0] in "\"'" else "")
    return f"{found[1]}{quote}{CUT}"


def _without_user(found: re.Match[str]) -> str:
    """A URL without user and password; a slash before the @ may belong to a password, or begin the path."""
    user, at, place = found[1].rpartition("@")
    return f"://{CUT}@{place}" if at and (":" in user or "/" not in user) else found[0]


def redact(value: object, depth: int = 0) -> object:
    """`value` without secrets, however deep: what it holds under a telling key, and what looks like one anywhere.

    What is none of JSON's kinds becomes a text here: later nobody would look at it any more. Of exceptions that are not
    ours kind and place are kept, for their text may hold anything.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict | list | tuple | set | frozenset):
        return CUT if depth == DEEPEST else _redact_inside(value, depth + 1)
    return _redact_one(value)


def _redact_inside(value: dict[str, object] | Iterable[object], depth: int) -> object:
    return redact_fields(value, depth) if isinstance(value, dict) else [redact(item, depth) for item in value]


def _redact_one(value: object) -> str:
    if isinstance(value, Secret):
        return CUT
    if isinstance(value, BaseException) and not isinstance(value, RotationError):
        return whence(value)
    try:
        text = bytes(value).decode(errors="replace") if isinstance(value, _BYTES) else str(value)
    except Exception as error:  # noqa: BLE001  a value that cannot be written must not keep its event from being told
        return f"a {type(value).__name__} that cannot be written: {whence(error)}"
    return redact_text(text)


def redact_fields(fields: Mapping[str, object], depth: int = 0) -> dict[str, object]:
    """The same for the fields of an event."""
    # Nearly always nothing is found in any of the texts: so all are looked at in one go before each is on its own.
    # Side by side they may look more suspect than they are, never less.
    harmless = is_harmless("\0".join([value for value in fields.values() if type(value) is str]))
    judge = _judge_known if depth == 0 else _judge
    cut: dict[str, object] = {}
    for key, value in fields.items():
        name, telling = judge(str(key))
        if telling:
            cut[name] = CUT
        else:
            cut[name] = value if harmless and type(value) is str else redact(value, depth)
    return cut


def _judge(key: str) -> tuple[str, bool]:
    """A key as it may be shown, and whether what stands under it is a secret."""
    return redact_text(key), _SECRET_KEY.search(key) is not None


_judge_known = lru_cache(maxsize=NAMES_KNOWN)(_judge)
