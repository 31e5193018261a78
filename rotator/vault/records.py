"""Token records as KV documents, their fields renamed as consumers want them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rotator.core.model import TokenRecord

if TYPE_CHECKING:
    from collections.abc import Mapping


def rename(record: Mapping[str, str], fields: Mapping[str, str]) -> dict[str, str]:
    """The record under its consumers' names.

    Args:
        record: Name to value.
        fields: Consumers' name to ours: `{"token": "access_token"}`.
    """
    kept = {name: value for name, value in record.items() if name not in fields.values()}
    return kept | {theirs: record[ours] for theirs, ours in fields.items()}


def restore(document: Mapping[str, Any] | None, fields: Mapping[str, str]) -> TokenRecord | None:
    """The record in a document whose fields were renamed; None if it holds none that is whole.

    A field counts under its consumers' name only, so that a record from before the renaming is written anew.
    """
    if document is None:
        return None
    renamed = {*fields, *fields.values()}
    ours = {name: value for name, value in document.items() if name not in renamed}
    return TokenRecord.parse(ours | {fields[name]: document[name] for name in fields if name in document})
