"""The configuration as the pydantic models have it: one table of keys for each table of the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rotator.settings.model import Settings, schema
from tests.support.reference.commands import cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLACES = {
    "Vault": "[vault]",
    "AppRoleAuth": '[vault.auth], method = "approle"',
    "TokenAuth": '[vault.auth], method = "token"',
    "KubernetesAuth": '[vault.auth], method = "kubernetes"',
    "JwtAuth": '[vault.auth], method = "jwt"',
    "CertAuth": '[vault.auth], method = "cert"',
    "UserpassAuth": '[vault.auth], method = "userpass"',
    "Provider": "[providers.NAME]",
    "Assertion": "assertion of a provider or a credential",
    "Exchange": "exchange of a provider or a credential",
    "Credential": "[credentials.NAME]",
    "Discover": "[discover.NAME]",
    "DiscoverSource": "source of [discover.NAME]",
    "Login": "login of a credential",
    "Verify": "verify of a credential",
    "Claims": "verify.claims",
    "Probe": "verify.probe",
    "VaultSource": 'source of a credential, type = "vault"',
    "VaultPathSource": 'source of a credential, type = "vault_path"',
    "FileSource": 'source of a credential, type = "file"',
    "SystemdSource": 'source of a credential, type = "systemd"',
    "EnvironmentSource": 'source of a credential, type = "environment"',
    "PublicSource": 'source of a credential, type = "public"',
    "PluginSource": "source of a credential, of an installed package",
    "VaultSink": 'sinks of a credential, type = "vault"',
    "FileSink": 'sinks of a credential, type = "file"',
    "KubernetesSink": 'sinks of a credential, type = "kubernetes"',
    "SocketSink": 'sinks of a credential, type = "socket"',
    "PluginSink": "sinks of a credential, of an installed package",
    "ExecAfterWrite": 'after_write of a sink, type = "exec"',
    "SignalAfterWrite": 'after_write of a sink, type = "signal"',
    "SystemdAfterWrite": 'after_write of a sink, type = "systemd"',
    "WebhookAfterWrite": 'after_write of a sink, type = "webhook"',
    "Defaults": "[defaults]",
    "Http": "[http]",
    "Local": "[local]",
    "Log": "[log]",
    "Security": "[security]",
}
"""Where each model stands in the file. One that is missing here fails the making of the page."""

INTRODUCTION = """\
# Configuration

Every key, made from the models that read it. [config.example.toml](../../config.example.toml) shows them in
their places, and [rotator.schema.json](../rotator.schema.json) lets an editor complete them: a file that begins
with `#:schema ./rotator.schema.json` finds it. `rotator check` says what is wrong with a file, and how to mend
it.

`ROTATOR_…` in the environment outweighs the file: `ROTATOR_LOG__LEVEL=debug` is `level` in `[log]`. Durations
carry their unit: `500ms`, `5s`, `5m`, `1h30m`. Secrets never stand in the file; keys that end in `_file` name
files of mode 0600 or 0640, looked for in `$CREDENTIALS_DIRECTORY` first and then beside the configuration.

The file may be split: tables may also stand in `conf.d/*.toml` beside it, each of them whole in one file. Of
`providers`, `vaults`, `credentials` and `discover`, each named table counts for itself, so that a team may have a
file of its own."""


def page() -> str:
    """docs/reference/configuration.md."""
    document = schema()
    plain = {name: row for name, row in document["properties"].items() if "$ref" not in json.dumps(row)}
    parts = [INTRODUCTION, "## At the top of the file", _keys(plain, {})]
    definitions, needed = document["$defs"], Settings.model_json_schema()["$defs"]
    unplaced = definitions.keys() ^ PLACES.keys()
    if unplaced:
        raise KeyError(f"say in PLACES where these stand in the file: {', '.join(sorted(unplaced))}")
    for model, place in PLACES.items():
        found = definitions[model]
        words = dict.fromkeys(needed[model].get("required", ()), "required, here or in [defaults] or the environment")
        words |= dict.fromkeys(found.get("required", ()), "required")
        parts += [f"## {place}", found["description"]]
        parts.append(_keys(found["properties"], words) if model != "Defaults" else SAME)
    return "\n\n".join(parts) + "\n"


SAME = "The keys are those of `[credentials.NAME]`, and a credential may say otherwise."


def _keys(properties: Mapping[str, Any], required: Mapping[str, str]) -> str:
    """A table of keys; `required` says of those without a default where they may stand."""
    rows = []
    for name, row in properties.items():
        default = required.get(name) or _default(row)
        rows.append(f"| `{name}` | {cell(_value(row))} | {cell(default)} | {cell(row['description'])} |")
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows])


def _default(row: dict[str, Any]) -> str:
    default = row.get("default")
    if default is None or default in ([], {}):
        return "none"
    return f"`{json.dumps(default)}`"


def _value(row: dict[str, Any]) -> str:
    return ", or ".join(dict.fromkeys(_kinds(row)))


def _kinds(row: dict[str, Any]) -> Iterator[str]:
    if "$ref" in row:
        yield "a table"
    elif "anyOf" in row or "oneOf" in row:
        for one in row.get("anyOf") or row["oneOf"]:
            if one.get("type") != "null":
                yield from _kinds(one)
    elif "$comment" in row:
        yield _lower(row["$comment"].rstrip("."))
    elif "enum" in row or "const" in row:
        yield ", ".join(f"`{json.dumps(one)}`" for one in row.get("enum", [row.get("const")]))
    elif "examples" in row:
        yield ", ".join(f"`{json.dumps(one)}`" for one in row["examples"])
    elif row.get("type") in {"integer", "number"}:
        yield _bounded(row)
    elif row.get("type") == "array":
        yield "a list: " + ", ".join(dict.fromkeys(_kinds(row["items"])))
    else:
        yield {"boolean": "`true` or `false`", "object": "a table", "string": _text(row)}[row["type"]]


def _text(row: dict[str, Any]) -> str:
    return {"uri": "a URL", "path": "the path of a file"}.get(row.get("format", ""), "text")


def _bounded(row: dict[str, Any]) -> str:
    if "exclusiveMinimum" in row:
        return f"more than {row['exclusiveMinimum']}, less than {row['exclusiveMaximum']}"
    return f"{row['minimum']} to {row['maximum']}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
