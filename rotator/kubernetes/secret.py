"""A token record as a Kubernetes Secret: its values in `data`, what they are about in annotations. No I/O.

Values stand in `data`, as base64, and never in `stringData`: that is write-only, so server-side apply would note that
rotator manages a field which the stored object does not have, and would not remove a key that is no longer wanted.

A consumer may want the token alone, so the record's other fields, which are no secrets, stand in an annotation as well.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import TokenRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.kubernetes.answers import Document

MANAGED_BY, OURS = "app.kubernetes.io/managed-by", "rotator"
"""The label, and its value, that says that rotator keeps a Secret
(https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/)."""

CREDENTIAL = "rotator/credential"
"""The annotation that says whose token it is."""

RECORD = "rotator/record"
"""The annotation with the record's fields but the token."""

WHOLE = "json"
"""What a key may hold besides one field: the whole record, as a JSON object."""

RECORD_FIELDS = frozenset({"token_type", *(item.name for item in fields(TokenRecord))})
"""The names that `TokenRecord.fields` gives."""

EVERY_FIELD: Mapping[str, str] = {name: name for name in sorted(RECORD_FIELDS)}
"""A key for every field, under the name that it has in Vault."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a Secret looks like.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        credential: Whose token it is.
        keys: Its keys, and what each holds: a field of the record, or `WHOLE`. One holds the token.
        labels: Labels that it gets beside the mark.
    """

    namespace: str
    name: str
    credential: str
    keys: Mapping[str, str] = field(default_factory=lambda: EVERY_FIELD)
    labels: Mapping[str, str] = field(default_factory=dict)

    def mark(self) -> Document:
        """An object that says whose Secret this is, and holds nothing yet."""
        metadata = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": {MANAGED_BY: OURS},
            "annotations": {CREDENTIAL: self.credential},
        }
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}

    def render(self, record: TokenRecord, resource_version: str | None = None) -> Document:
        """All that rotator wants of the Secret.

        Args:
            record: What it is to hold.
            resource_version: The version that this replaces; the server refuses it on top of any other one.
        """
        document = self.mark()
        metadata = document["metadata"]
        metadata["labels"] = {**self.labels, **metadata["labels"]}
        # In ASCII, so that all that is sent is: the server's parser of YAML does not know the surrogate pairs of JSON.
        metadata["annotations"][RECORD] = json.dumps(record.metadata())
        if resource_version is not None:
            metadata["resourceVersion"] = resource_version
        values = self._values(record)
        return {**document, "data": {key: base64.b64encode(value).decode() for key, value in values.items()}}

    def restore(self, secret: Document) -> TokenRecord | None:
        """The record that a Secret holds; None if none is whole, or one of its keys says something else."""
        data, metadata = _mapping(secret.get("data")), _mapping(secret.get("metadata"))
        held = {key: _decoded(data.get(key)) for key in self.keys}
        described = _object(_mapping(metadata.get("annotations")).get(RECORD))
        record = TokenRecord.parse({**described, "access_token": self._token(held)})
        return record if record is not None and self._values(record) == held else None

    def _values(self, record: TokenRecord) -> dict[str, bytes]:
        told = record.fields()
        return {key: (json.dumps(told) if what == WHOLE else told[what]).encode() for key, what in self.keys.items()}

    def _token(self, held: Mapping[str, bytes | None]) -> object:
        for key, what in self.keys.items():
            value = held[key]
            if value is not None and what == "access_token":
                return value.decode(errors="replace")
            if value is not None and what == WHOLE:
                return _object(value).get("access_token")
        return None

    def check_owner(self, secret: Document) -> None:
        """Refuse what is not ours.

        Raises:
            RotationError: SINK_FOREIGN.
        """
        metadata = _mapping(secret.get("metadata"))
        manager = _mapping(metadata.get("labels")).get(MANAGED_BY)
        owner = _mapping(metadata.get("annotations")).get(CREDENTIAL)
        if manager == OURS and owner == self.credential:
            return
        if manager == OURS and owner is not None:
            whose = f"is marked as rotator's for another credential than {self.credential}"
        elif manager in {None, OURS}:
            whose = "bears no mark of rotator"
        else:
            whose = f"has the label {MANAGED_BY} of something else"
        raise RotationError(
            Code.SINK_FOREIGN,
            f"Secret {self.namespace}/{self.name} {whose}, so it is left alone. To hand it over: "
            f"kubectl -n {self.namespace} label --overwrite secret {self.name} {MANAGED_BY}={OURS} && "
            f"kubectl -n {self.namespace} annotate --overwrite secret {self.name} {CREDENTIAL}={self.credential}",
        )

    def check_mutable(self, secret: Document) -> None:
        """Refuse a Secret whose values can never change again.

        Raises:
            RotationError: KUBERNETES_REFUSED.
        """
        if secret.get("immutable") is True:
            raise RotationError(
                Code.KUBERNETES_REFUSED,
                f"Secret {self.namespace}/{self.name} is immutable, so that its values never change again; delete it, "
                "and rotator makes it anew",
            )


def resource_version(secret: Document) -> str | None:
    """The version of an object, which changes with every write; opaque."""
    version = _mapping(secret.get("metadata")).get("resourceVersion")
    return version if isinstance(version, str) and version else None


def _mapping(value: object) -> Document:
    return value if isinstance(value, dict) else {}


def _decoded(value: object) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except ValueError:
        return None


def _object(text: object) -> Document:
    try:
        return _mapping(json.loads(text)) if isinstance(text, str | bytes) else {}
    except (ValueError, RecursionError):
        return {}
