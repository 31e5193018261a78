"""Which keys name secrets, and what of a value may be shown. The one place that decides it (G06, G11)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rotator.operate.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rotator.settings.locate import Path

LONGEST_SHOWN = 60
"""Characters of a value in a message."""

_NAMES_A_SECRET = re.compile(
    r"(?:^|[_.-])(?:client[_-]?secret\w*|secrets?|secret[_-]?id|tokens?|passw(?:or)?d|passphrase|api[_-]?key"
    r"|private[_-]?key|jwt|assertion|authorization|signature|sig)$",
    re.IGNORECASE,
)
_NEAR_A_SECRET = re.compile(
    r"secret|passw|passphrase|api[_-]?key|private|jwt|assertion|authorization|role[_-]?id"
    r"|(?:^|[_.-])tokens?(?:[_-](?:file|env))?$",
    re.IGNORECASE,
)

_RUN = re.compile(r"[A-Za-z0-9+_=-]{16,}")
_TURN = re.compile(r"(?<=[A-Za-z])[0-9]|(?<=[0-9])[A-Za-z]|(?<=[a-z])[A-Z](?![a-z])")
MANY_TURNS = 4

_NAMES_OF_NAMES = {("source", "variables"), ("source", "credentials")}

_LITERAL_CURES = {
    "client_secret": "write it to Vault, `bao kv put PATH client_id=… client_secret=…`, and name PATH in source",
    "secret_id": 'put it into a file of mode 0600 and name that: secret_id_file = "secret-id"',
    "token": 'put it into a file of mode 0600 and name that: token_file = "vault-token"',
    "password": 'put it into a file of mode 0600 and name that: password_file = "password"',
    "jwt": 'put it into a file of mode 0600 and name that: jwt_file = "jwt"',
}


def smells(key: str) -> bool:
    """Whether a key of this name holds a secret itself."""
    return _NAMES_A_SECRET.search(key) is not None and not key.startswith("allow_")


def may_show(key: str) -> bool:
    """Whether a value under this key may be shown: also a reference may turn out to be the secret, put in its place."""
    return not _NEAR_A_SECRET.search(key)


def literal_cure(key: str) -> str:
    """What to do with a secret that stands under this key."""
    cure = _LITERAL_CURES.get(key.lower(), "keep it in Vault or in a file of mode 0600, never in the configuration")
    return f"{cure}; then replace the secret, for whoever could read this has seen it"


def literals(table: Mapping[str, Any], at: Path = ()) -> Iterator[Path]:
    """Where secrets stand in the configuration itself.

    Tables named `fields` and `keys` map names to names: `client_secret` there is the name of a field. So do two tables
    of sources.
    """
    for key, value in table.items():
        here = (*at, key)
        if isinstance(value, dict):
            if key not in {"fields", "keys"} and here[-2:] not in _NAMES_OF_NAMES:
                yield from literals(value, here)
        elif smells(key):
            yield here
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from literals(item, (*here, index))


def shown(value: object) -> str:
    """A value in a message: what it is if it has parts, else itself, short and without what looks like a secret."""
    kinds: tuple[tuple[type, str], ...] = ((dict, "a table"), (list, "a list"))
    for known, words in kinds:
        if isinstance(value, known):
            return words
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return _short(str(value))
    if looks_random(value):
        return kind(value)
    return f'"{_short(redact_text(_bare(value)))}"'


def kind(value: object) -> str:
    """What a value is, for one that is not shown."""
    names = {dict: "a table", list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
    return f"{names.get(type(value), 'a value')} (not shown)"


def looks_random(text: str) -> bool:
    """Whether a text may be a key or a password that a machine made, and that somebody pasted into the wrong place.

    In such ones small letters, capitals and digits take turns. A capital that begins a word is how names are written.
    """
    return any(len(_TURN.findall(run)) >= MANY_TURNS for run in _RUN.findall(text))


def _bare(text: str) -> str:
    """A URL without user, password, query and fragment; other text as it is."""
    scheme, is_url, rest = text.partition("://")
    if not is_url:
        return text
    if re.search(r"[/?#].*@", rest):  # a password may hold any of them: where it ends is not certain
        return f"{scheme}://…"
    place = rest.rpartition("@")[2]
    bare = re.split(r"[?#]", place, maxsplit=1)[0]
    return f"{scheme}://{bare}" + ("…" if bare != place else "")


def _short(text: str) -> str:
    plain = "".join(character if character.isprintable() else "�" for character in text)
    return plain if len(plain) <= LONGEST_SHOWN else plain[: LONGEST_SHOWN - 1] + "…"
