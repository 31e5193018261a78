"""A key of a KV secrets engine, looked at: the two versions of the engine in one shape.

Of hvac its `read` and `write_data` are used throughout, which take a path. The methods that it has for KV make the path
anew for each request, part by part, which is most of what hvac costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rotator.vault.answers import NotFoundError, malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.vault.answers import Document
    from rotator.vault.mounts import Place
    from rotator.vault.session import VaultSession


@dataclass(frozen=True, slots=True)
class Stored:
    """What is at a key.

    Attributes:
        fields: The document; None when there is none, or its newest version was deleted. Not in the repr.
        version: Of KV v2, and what check-and-set is against; 0 for a key that was never written, and for KV v1.
        created: When the version was written, as Vault says it; empty for KV v1.
        destroyed: Whether the newest version cannot be undeleted.
        custom: The key's custom_metadata.
    """

    fields: Mapping[str, Any] | None = field(default=None, repr=False)
    version: int = 0
    created: str = ""
    destroyed: bool = False
    custom: Mapping[str, str] = field(default_factory=dict)


async def look(session: VaultSession, place: Place) -> Stored:
    """What is at a key now. One request.

    Raises:
        RotationError: VAULT_*.
    """
    try:
        document = await session.call(lambda client: client.read(quote(place.data)), {place.data: ("read",)})
    except NotFoundError:
        return Stored()
    return Stored(_fields(place, document.get("data"))) if place.version == 1 else _stored(place, document)


def _fields(place: Place, fields: object) -> Mapping[str, Any] | None:
    if fields is None or isinstance(fields, dict):
        return fields
    raise malformed(f"the answer about {place.data} holds no document")


def _stored(place: Place, document: Document) -> Stored:
    match document.get("data"):
        case {"data": fields, "metadata": {"version": int() as version, "created_time": str() as created} as metadata}:
            destroyed = metadata.get("destroyed") is True
            return Stored(_fields(place, fields), version, created, destroyed, custom_metadata(metadata))
        case _:
            raise malformed(f"the answer about {place.data} holds no version")


def custom_metadata(metadata: Mapping[Any, Any]) -> dict[str, str]:
    """The custom_metadata in a key's metadata; Vault writes null for none."""
    custom = metadata.get("custom_metadata")
    return dict(custom) if isinstance(custom, dict) else {}
