"""Problems made out of what was found: with their place, and without what may be a secret (G11)."""

from __future__ import annotations

import difflib
from functools import cache
from typing import TYPE_CHECKING, Any

from rotator.settings import locate, secrecy
from rotator.settings.model import CREDENTIALS, schema, with_defaults
from rotator.settings.plugging import OURS, THEIRS
from rotator.settings.problems import Problem, dotted
from rotator.settings.sinks import KINDS as SINK_KINDS
from rotator.settings.sources import KINDS as SOURCE_KINDS
from rotator.settings.types import REFUSED, mapping_of
from rotator.settings.vault import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import ValidationError

    from rotator.settings.document import Document
    from rotator.settings.environment import Origins
    from rotator.settings.problems import Finding

_TAGS = frozenset({*METHODS, *SINK_KINDS, *SOURCE_KINDS, OURS, THEIRS})
"""What pydantic puts into a location for the member of a union."""

_UNKNOWN = dict.fromkeys(
    ("verify", "insecure", "skip_verify", "tls_skip_verify", "ssl_verify", "verify_tls", "verify_ssl"),
    "certificates are always checked; ca_file names the authority to trust",
)

_MISSING = {
    "vault": "add a table [vault] with address, and a table [vault.auth]",
    "auth": 'add a table [vault.auth] with method = "approle", or another of the logins',
    "address": 'add address = "https://HOST:8200", or set VAULT_ADDR',
    "provider": "add provider = the NAME of a table [providers.NAME]",
    "source": 'add source = { type = "vault", path = "MOUNT/KEY" }',
    "sinks": 'add a sink: sinks = [{ type = "vault", path = "MOUNT/KEY" }]',
    "secret_id_file": 'add secret_id_file = "secret-id", a file of mode 0600',
    "role": 'add role = "…", the name of the role at the mount',
    "cert_file": 'add cert_file = "client.pem", the certificate that is shown to Vault',
    "key_file": 'add key_file = "client.key", its private key, in a file of mode 0600',
    "jwt_file": 'add jwt_file = "jwt", a file of mode 0600 that somebody keeps fresh',
    "username": 'add username = "…"',
    "password_file": 'add password_file = "password", a file of mode 0600',
    "path": 'add path = "…"',
}

_SAID = {
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
    "tuple_type": "a list",
    "list_type": "a list",
    "string_type": "a text, in quotes",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "too_short": "at least one",
}
"""What pydantic finds wrong, in our words."""


class Report:
    """Makes problems.

    Args:
        table: The configuration, from file and environment.
        read: The configuration as it was read, which tells where keys stand.
        origins: Which variable gave a key that is not from the file.
    """

    def __init__(self, table: dict[str, Any], read: Document, origins: Origins) -> None:
        self._table = table
        self._laid = with_defaults(table)
        self._lines = read.lines
        self._files = read.files
        self._origins = origins

    def finding(self, finding: Finding) -> Problem:
        """What is wrong between several keys."""
        return self._problem(self._home(finding.path), finding.found, finding.wanted, finding.cure)

    def literal(self, path: locate.Path) -> Problem:
        """A secret that stands in the configuration itself."""
        found = "a secret in the configuration itself (not shown)"
        return self._problem(path, found, "no secret here", secrecy.literal_cure(str(path[-1])))

    def refusals(
        self, error: ValidationError, literals: Iterable[locate.Path], unfilled: Iterable[locate.Path] = ()
    ) -> Iterator[Problem]:
        """What pydantic refused.

        Args:
            error: What it found.
            literals: Where secrets stand in place of their references: what follows from them is not told again.
            unfilled: Tables that their presets could not fill: neither is what they lack as a whole.
        """
        explained = {also for path in literals for also in _follows(path)} | set(unfilled)
        for details in error.errors(include_input=False, include_context=False, include_url=False):
            path = self._path(details["loc"])
            # A list counts as too short also where its items were refused; those are told by themselves.
            if path not in explained and not (details["type"] == "too_short" and _at(self._table, path)):
                yield self._refusal(path, details["type"], details["msg"])

    def _refusal(self, path: locate.Path, kind: str, said: str) -> Problem:
        last = str(path[-1]) if path else ""
        if kind == REFUSED:
            wanted, cure, under, hidden, found = said.split("\n")
            path = (*path, under) if under else path
            return self._problem(path, found or self._shown(path, hidden=bool(hidden)), wanted, cure)
        if kind == "missing":
            return self._problem(path, "nothing", "this key", _MISSING.get(last, f"add {last} = …"))
        if kind == "extra_forbidden":
            return self._problem(path, "a key that is not known (its value is not shown)", *self._known(path))
        value = _at(self._table, path)
        wanted = _SAID.get(kind, said)
        if self._variable(path) and wanted in {"a table", "a list"}:
            wanted += ", written as JSON"
        return self._problem(path, "" if value is None else secrecy.kind(value), wanted)

    def _known(self, path: locate.Path) -> tuple[str, str]:
        """What stands in the place of an unknown key, and the nearest of it."""
        last = str(path[-1])
        keys = sorted(_keys(path[:-1], self._table))
        wanted = f"one of {', '.join(keys)}"
        if last in _UNKNOWN:
            return wanted, _UNKNOWN[last]
        near = difflib.get_close_matches(last, keys, n=1, cutoff=0.6)
        return wanted, f"did you mean {near[0]}?" if near else "leave it out; config.example.toml explains every key"

    def _path(self, loc: tuple[str | int, ...]) -> locate.Path:
        """A location without what pydantic adds to it: the tags of unions, the names of key checks."""
        path: locate.Path = ()
        here: Any = self._laid
        tagged = False
        for index, part in enumerate(loc):
            if not tagged and path and part in (mapping_of(here).get("type"), mapping_of(here).get("method"), THEIRS):
                tagged = True  # a key of the same name comes after it: signal is one of type signal
                continue
            tagged = False
            last = index == len(loc) - 1
            known = part in here if isinstance(here, dict) else isinstance(part, int)
            if not known and (not last or part in {"[key]", *_TAGS}) and path:
                continue
            path = (*path, part)
            here = _below(here, part)
        return self._home(path)

    def _home(self, path: locate.Path) -> locate.Path:
        """Where a key of a credential is written: in [defaults], if it is not the credential's own."""
        depth = 2
        if path[:1] not in {(kind,) for kind in CREDENTIALS} or len(path) <= depth:
            return path
        inherited = ("defaults", *path[depth:])
        own = path[depth] in mapping_of(_at(self._table, path[:depth]))
        return path if own or _at(self._table, inherited[:depth]) is None else inherited

    def _shown(self, path: locate.Path, *, hidden: bool) -> str:
        value = _at(self._table, path)
        if value is None:
            return ""
        key = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
        # Environments are where secrets are passed around: what is wrong there is not repeated, whatever its name.
        hidden = hidden or not secrecy.may_show(key) or "parameters" in path or self._variable(path) != ""
        return secrecy.kind(value) if hidden else secrecy.shown(value)

    def _problem(self, path: locate.Path, found: str, wanted: str, cure: str = "") -> Problem:
        variable = self._variable(path)
        line = None if variable else locate.line_of(self._lines, path)
        return Problem(dotted(path), line, found, wanted, cure, variable, "" if variable else self._file(path))

    def _file(self, path: locate.Path) -> str:
        """The part that a key stands in; empty for the configuration itself."""
        return next((str(self._files[path[:n]]) for n in (2, 1) if path[:n] in self._files), "")

    def _variable(self, path: locate.Path) -> str:
        """The variable that gave a key or what is nearest around it; empty when that is in the file."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._origins:
                return self._origins[path[:length]]
            if path[:length] in self._lines:
                return ""
        below = (name for given, name in self._origins.items() if given[: len(path)] == path)
        return next(below, "") if locate.line_of(self._lines, path) is None else ""


def _follows(path: locate.Path) -> Iterator[locate.Path]:
    """What is also wrong where a secret stands: its file is missing, and so is one of two ways to name it."""
    yield path
    yield (*path[:-1], f"{path[-1]}_file")
    yield path[:-1]


def _below(here: Any, part: str | int) -> Any:
    if isinstance(here, dict):
        return here.get(part)
    if isinstance(here, list) and isinstance(part, int) and part < len(here):
        return here[part]
    return None


def _at(table: Any, path: locate.Path) -> Any:
    for part in path:
        table = _below(table, part)
    return table


_schema = cache(schema)


def _keys(path: locate.Path, table: Any) -> set[str]:
    """The keys that a table of the configuration may have."""
    nodes = _members(_schema(), table)
    for part in path:
        table = _below(table, part)
        nodes = [member for node in nodes for below in _children(node, part) for member in _members(below, table)]
    return {key for node in nodes for key in node.get("properties", {})}


def _children(node: Mapping[str, Any], part: str | int) -> Iterator[Mapping[str, Any]]:
    if part in node.get("properties", {}):
        yield node["properties"][part]
    elif isinstance(part, int) and "items" in node:
        yield node["items"]
    else:
        yield from node.get("patternProperties", {}).values()


def _members(node: Mapping[str, Any], value: Any) -> list[Mapping[str, Any]]:
    """The schemas that a value may follow: references followed, unions taken apart by what tells their members."""
    if "$ref" in node:
        return _members(_schema()["$defs"][node["$ref"].rpartition("/")[2]], value)
    union = node.get("oneOf") or node.get("anyOf")
    if not union:
        return [node]
    discriminator = node.get("discriminator", {})
    tag = mapping_of(value).get(discriminator.get("propertyName"))
    told = discriminator.get("mapping", {}).get(tag) if isinstance(tag, str) else None
    return [member for part in ([{"$ref": told}] if told else union) for member in _members(part, value)]
