"""What the environment adds to the file: `ROTATOR_…` above it, the variables of the vault command below it.

pydantic-settings' own source of environment variables passes over names that it does not know, and raises errors that
hold values; here an unknown name becomes an unknown key, and is refused as one.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from rotator.settings.kubernetes import in_pod

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.settings.locate import Path

PREFIX, BETWEEN = "ROTATOR_", "__"

NOT_SETTINGS = frozenset({"ROTATOR_CONFIG"})
"""Named like a setting, but read elsewhere: the configuration's own path."""

FILLS = {
    "address": ("VAULT_ADDR", "BAO_ADDR"),
    "namespace": ("VAULT_NAMESPACE", "BAO_NAMESPACE"),
    "ca_file": ("VAULT_CACERT", "BAO_CACERT"),
}
"""Keys of [vault] that the environment of the vault command fills where nothing else names them."""

# Kubernetes puts these into every container when a Service is called rotator.
_SERVICE_LINK = re.compile(r"ROTATOR_(?:\w+_)?(?:SERVICE_(?:HOST|PORT)(?:_\w+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)\w*)?)")

Origins = dict["Path", str]
"""Which variable a key comes from."""


def overlay(table: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[str, Any], Origins]:
    """The file's table with what the environment says laid over and under it.

    `ROTATOR_VAULT__TIMEOUT` is vault.timeout. Dashes and dots of a name that the file has are written as underscores:
    `ROTATOR_CREDENTIALS__ASSET_POOL__RENEW_AT`. A value that begins with [ or { is JSON.

    Args:
        table: What the file says; it is not changed.
        environ: The environment.
    """
    origins: Origins = {}
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and not _is_other(variable):
            parts = variable.removeprefix(PREFIX).split(BETWEEN)
            path, table = _with(table, parts, _value(environ[variable]))
            origins[path] = variable
    for key, variables in FILLS.items():
        variable = next((name for name in variables if environ.get(name)), "")
        vault = table.get("vault", {})
        if variable and isinstance(vault, dict) and key not in vault:
            table = {**table, "vault": {**vault, key: environ[variable]}}
            origins["vault", key] = variable
    return in_pod(table, environ), origins


def _is_other(variable: str) -> bool:
    return variable in NOT_SETTINGS or (BETWEEN not in variable and _SERVICE_LINK.fullmatch(variable) is not None)


def _with(table: dict[str, Any], parts: list[str], value: Any) -> tuple[Path, dict[str, Any]]:
    """The table with one value put in, and where."""
    key = _key(table, parts[0])
    if len(parts) == 1:
        return (key,), {**table, key: value}
    below = table.get(key)
    path, below = _with(below if isinstance(below, dict) else {}, parts[1:], value)
    return (key, *path), {**table, key: below}


def _key(table: Mapping[str, Any], part: str) -> str:
    plain = part.lower()
    return next((key for key in table if re.sub(r"[-.]", "_", key.lower()) == plain), plain)


def _value(text: str) -> Any:
    if text.lstrip()[:1] not in {"[", "{"}:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
