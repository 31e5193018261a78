"""Client credentials out of a document, wherever it is kept. What a field holds is told by its kind, never by value."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CLIENT_ID, CLIENT_SECRET, EXPIRES_AT = "client_id", "client_secret", "client_secret_expires_at"
PREVIOUS = "_previous"
"""Added to the name of what proves a client: the one that is tried when the newer one is refused."""

FIELDS = (
    *(CLIENT_ID, CLIENT_SECRET, CLIENT_SECRET + PREVIOUS, EXPIRES_AT),
    *("private_key", "private_key" + PREVIOUS, "certificate"),
    *("subject_token", "actor_token"),
)
"""Every name that a document may be asked for."""

DIGEST_COST = {"n": 2**14, "r": 8, "p": 1, "dklen": 12}
"""scrypt's parameters (RFC 7914): 16 MiB and some 50 ms per guess. The digest gets into `inputs`, which consumers see,
and must not help to find the secret."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which fields of a document make client credentials.

    Attributes:
        proof: What proves the client; empty where no field does.
        further: What is needed beside it.
        optional: What is taken along where it is there.
        names: Our names to the document's, where they differ.
        identified: Whether it tells who the client is; a document with a subject token alone does not.
    """

    proof: str = CLIENT_SECRET
    further: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    identified: bool = True

    def fields(self) -> tuple[str, ...]:
        """The document's names of what it must hold."""
        ours = (*((CLIENT_ID,) if self.identified else ()), *((self.proof,) if self.proof else ()), *self.further)
        return tuple(self.names.get(name, name) for name in dict.fromkeys(ours))

    def sought(self) -> tuple[str, ...]:
        """The document's names of all that is looked for in it: what it must hold, and what it may hold beside."""
        also = (*((self.proof + PREVIOUS,) if self.proof else ()), *self.optional, EXPIRES_AT)
        return (*self.fields(), *(self.names.get(name, name) for name in also))


@dataclass(frozen=True, slots=True)
class Found:
    """A document as it was found.

    Attributes:
        fields: What it holds. Not in the repr.
        version: Changes whenever the document does.
        place: Where it is, for messages.
        cure: What to do about a field that cannot be used, given its name.
    """

    fields: Mapping[str, object] = field(repr=False)
    version: str
    place: str
    cure: Callable[[str], str]


def credentials(found: Found, wanted: Wanted) -> ClientCredentials:
    """The client credentials in a document.

    Raises:
        RotationError: SECRET_MALFORMED, when a field is missing, empty or of the wrong kind.
    """
    secrets = []
    if wanted.proof:
        secrets.append(_text(found, wanted, wanted.proof))
        previous = wanted.proof + PREVIOUS
        if found.fields.get(wanted.names.get(previous, previous)) not in (None, ""):
            secrets.append(_text(found, wanted, previous))
    return ClientCredentials(
        client_id=_text(found, wanted, CLIENT_ID) if wanted.identified else "",
        secrets=tuple(map(Secret, secrets)),
        version=found.version,
        further={name: Secret(_text(found, wanted, name)) for name in (*wanted.further, *_given(found, wanted))},
        expires=_expires(found, wanted),
    )


def _given(found: Found, wanted: Wanted) -> list[str]:
    """The optional fields that are there."""
    return [name for name in wanted.optional if found.fields.get(wanted.names.get(name, name)) not in (None, "")]


def _text(found: Found, wanted: Wanted, name: str) -> str:
    """One field; what it holds instead is told by kind, never by value."""
    key = wanted.names.get(name, name)
    value = found.fields.get(key)
    match value:
        case str() if value:
            return value
        case None:
            what = "is null" if key in found.fields else "is missing"
        case str():
            what = "is an empty string"
        case _:
            what = f"is a {_KINDS.get(type(value), 'value of another kind')}"
    raise _malformed(found, key, what, "a non-empty string")


_KINDS = {bool: "boolean", int: "number", float: "number", list: "list", dict: "map"}


def _expires(found: Found, wanted: Wanted) -> datetime | None:
    """When the secret ends: seconds since 1970, 0 for never (RFC 7591 section 3.2.1), or a time of RFC 3339."""
    key = wanted.names.get(EXPIRES_AT, EXPIRES_AT)
    value = found.fields.get(key)
    if value in (None, "", 0, "0"):
        return None
    try:
        if isinstance(value, str) and not value.isdecimal():
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise _malformed(found, key, "is no time", "seconds since 1970, or a time such as 2027-01-31T00:00:00Z")


def _malformed(found: Found, key: str, what: str, wanted: str) -> RotationError:
    return RotationError(
        Code.SECRET_MALFORMED, f"field {key} at {found.place} {what}, wanted {wanted}. {found.cure(key)}"
    )


def with_digest(found: ClientCredentials, salt: str) -> ClientCredentials:
    """The same with a slow digest of the content for its version, where the store counts none. Takes some 50 ms.

    Args:
        found: The credentials.
        salt: Where they are: the same for every reader, since a restart has to come to the same version.
    """
    further = [text for name in sorted(found.further) for text in (name, found.further[name].reveal())]
    content = json.dumps([found.client_id, *(secret.reveal() for secret in found.secrets), *further])
    digest = hashlib.scrypt(content.encode(), salt=f"rotator {salt}".encode(), **DIGEST_COST).hex()
    return replace(found, version=f"d{digest}")
