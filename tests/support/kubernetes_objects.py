"""What a Kubernetes API server does with a Secret: the rules alone, no I/O. A part of the fake in `kubernetes.py`.

Each rule names the page of the Kubernetes documentation (https://kubernetes.io/docs/…) that it follows.
"""

from __future__ import annotations

import base64
import itertools
import re
import uuid
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]
Manager: TypeAlias = tuple[str, str]
"""Name and operation: `Apply`, or `Update` for everything else."""

SSA = "reference/using-api/server-side-apply/"

_GRANULAR = (("data",), ("metadata", "labels"), ("metadata", "annotations"))
"""Maps whose entries have managers of their own (SSA, "Merge strategy"); of all else in a Secret it is the field."""

_SCALARS = (("type",), ("immutable",))

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?")


class RefusedError(Exception):
    """An answer with a `Status` object (reference/kubernetes-api/common-definitions/status/)."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details,
            "code": code,
        }


@dataclass
class Stored:
    """A Secret, and who manages which of its fields."""

    object: Object
    managers: dict[Manager, set[Path]] = field(default_factory=dict)


def leaves(document: Object) -> dict[Path, Any]:
    """The fields of a Secret that have managers."""
    found: dict[Path, Any] = {path: value for path in _SCALARS if (value := _at(document, path)) is not None}
    for path in _GRANULAR:
        entries = _at(document, path)
        found |= {(*path, key): value for key, value in (entries or {}).items()}
    return found


def _at(document: Object, path: Path) -> Any:
    found: Any = document
    for name in path:
        found = (found.get(name) if isinstance(found, dict) else None) or {}
    return found if found != {} else None


def _put(document: Object, path: Path, value: Any) -> None:
    for name in path[:-1]:
        document = document.setdefault(name, {})
    if value is None:
        document.pop(path[-1], None)
    else:
        document[path[-1]] = value


class Secrets:
    """The Secrets of a cluster."""

    def __init__(self) -> None:
        self._stored: dict[tuple[str, str], Stored] = {}
        self._versions = itertools.count(100)

    def get(self, namespace: str, name: str) -> Object:
        """A Secret as it is."""
        stored = self._stored.get((namespace, name))
        if stored is None:
            raise RefusedError(404, "NotFound", f'secrets "{name}" not found', name=name, kind="secrets")
        return _shown(stored)

    def exists(self, namespace: str, name: str) -> bool:
        return (namespace, name) in self._stored

    def delete(self, namespace: str, name: str) -> None:
        self.get(namespace, name)
        del self._stored[namespace, name]

    def apply(
        self, namespace: str, name: str, document: Object, manager: str, *, force: bool = False, dry: bool = False
    ) -> Object:
        """Server-side apply (SSA)."""
        if _at(document, ("metadata", "managedFields")):
            raise RefusedError(400, "BadRequest", "metadata.managedFields must be nil")  # SSA, "apply and update"
        _check_form(name, document)
        stored = self._stored.get((namespace, name))
        me: Manager = (manager, "Apply")
        uid = _at(document, ("metadata", "uid"))
        if stored is None and uid is not None:
            raise _conflict(name, f"uid mismatch: the provided object specified uid {uid}, and no existing object")
        after = deepcopy(stored) if stored is not None else Stored(_fresh(namespace, name))
        wanted = leaves(document)
        self._check_conflicts(after, me, wanted, force=force)
        held_by_others = set().union(*(paths for other, paths in after.managers.items() if other != me))
        for path in after.managers.get(me, set()) - wanted.keys() - held_by_others:
            _put(after.object, path, None)  # SSA, "Merge strategy": what is wanted no longer is removed
        for path, value in wanted.items():
            _put(after.object, path, value)
        after.managers[me] = set(wanted)
        _fold_string_data(after.object, document)
        return self._keep(namespace, name, stored, after, _at(document, ("metadata", "resourceVersion")), dry=dry)

    @staticmethod
    def _check_conflicts(stored: Stored, me: Manager, wanted: dict[Path, Any], *, force: bool) -> None:
        """SSA, "Conflicts": a field with another value that another manager holds; by force it is taken away."""
        live = leaves(stored.object)
        causes = []
        for other, paths in stored.managers.items():
            for path in sorted(paths & wanted.keys()):
                if other == me or live.get(path) == wanted[path]:
                    continue
                if force:
                    paths.discard(path)
                    continue
                told = f'conflict with "{other[0]}"' + (" using v1" if other[1] == "Update" else "")
                causes.append({"reason": "FieldManagerConflict", "message": told, "field": "." + ".".join(path)})
        if causes:
            said = f"Apply failed with {len(causes)} conflict(s)"
            raise RefusedError(409, "Conflict", said, causes=causes)

    def update(
        self, namespace: str, name: str, patch: Object, manager: str, *, create: bool = False, dry: bool = False
    ) -> Object:
        """A JSON merge patch (RFC 7396), or a creation; what changes is its manager's alone (SSA)."""
        _check_form(name, patch)
        stored = self._stored.get((namespace, name))
        if stored is None and not create:
            self.get(namespace, name)
        if stored is not None and create:
            raise RefusedError(409, "AlreadyExists", f'secrets "{name}" already exists', name=name, kind="secrets")
        after = deepcopy(stored) if stored is not None else Stored(_fresh(namespace, name))
        before = leaves(after.object)
        changes = _changes(patch)
        for path, value in changes.items():
            _put(after.object, path, value)
        _fold_string_data(after.object, patch)
        now = leaves(after.object)
        changed = {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
        for paths in after.managers.values():
            paths.difference_update(changed)
        after.managers.setdefault((manager, "Update"), set()).update(changed & now.keys())
        return self._keep(namespace, name, stored, after, _at(patch, ("metadata", "resourceVersion")), dry=dry)

    def _keep(
        self, namespace: str, name: str, before: Stored | None, after: Stored, version: Any, *, dry: bool
    ) -> Object:
        after.managers = {manager: paths for manager, paths in after.managers.items() if paths}
        after.object.setdefault("type", "Opaque")
        if before is not None:
            # reference/using-api/api-concepts/#resource-versions; a version on what is not there yet is not looked at
            if version not in {None, before.object["metadata"]["resourceVersion"]}:
                raise _conflict(name, "the object has been modified; please apply your changes to the latest version")
            _check_immutable(name, before.object, after.object)
        _check_values(name, after.object)
        if before is not None and (before.object, before.managers) == (after.object, after.managers):
            return _shown(before)
        if dry:  # reference/using-api/api-concepts/#dry-run
            return _shown(after)
        after.object["metadata"]["resourceVersion"] = str(next(self._versions))
        self._stored[namespace, name] = after
        return _shown(after)


def _fresh(namespace: str, name: str) -> Object:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": str(uuid.uuid4()),
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"kind": "Secret", "apiVersion": "v1", "metadata": metadata}


def _shown(stored: Stored) -> Object:
    shown = deepcopy(stored.object)
    form = {"apiVersion": "v1", "fieldsType": "FieldsV1"}
    shown["metadata"]["managedFields"] = [
        {"manager": name, "operation": operation, **form, "fieldsV1": _tree(paths)}
        for (name, operation), paths in stored.managers.items()
    ]
    return shown


def _tree(paths: set[Path]) -> Object:
    tree: Object = {}
    for path in sorted(paths):
        node = tree
        for name in path:
            node = node.setdefault(f"f:{name}", {})
    return tree


def _changes(patch: Object) -> dict[Path, Any]:
    found: dict[Path, Any] = {path: patch[path[0]] for path in _SCALARS if path[0] in patch}
    for path in _GRANULAR:
        entries = _at(patch, path)
        found |= {(*path, key): value for key, value in (entries or {}).items()}
    return found


def _fold_string_data(stored: Object, document: Object) -> None:
    """concepts/configuration/secret/#restriction-names-data: stringData is write-only and ends up in data."""
    for key, value in (document.get("stringData") or {}).items():
        _put(stored, ("data", key), base64.b64encode(value.encode()).decode())


def _check_form(name: str, document: Object) -> None:
    if (document.get("apiVersion", "v1"), document.get("kind", "Secret")) != ("v1", "Secret"):
        raise RefusedError(400, "BadRequest", "the object provided is of another kind than the URL's")
    if _at(document, ("metadata", "name")) not in {None, name}:
        raise RefusedError(400, "BadRequest", "the name of the object does not match the name on the URL")


def _check_values(name: str, document: Object) -> None:
    """concepts/configuration/secret/ and concepts/overview/working-with-objects/labels/#syntax-and-character-set."""
    for key, value in (document.get("data") or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except (ValueError, TypeError):
            raise RefusedError(500, "", "illegal base64 data at input byte 0") from None  # as 1.20 does
        if not _KEY.fullmatch(key):
            raise _invalid(name, f"data[{key}]", "FieldValueInvalid", "a valid config key must consist of …")
    for value in (_at(document, ("metadata", "labels")) or {}).values():
        if not isinstance(value, str) or not _LABEL.fullmatch(value):
            raise _invalid(name, "metadata.labels", "FieldValueInvalid", "a valid label must be …")
    if sum(len(value) for value in (document.get("data") or {}).values()) > (1 << 20) * 4 / 3:
        raise _invalid(name, "data", "FieldValueTooLong", "Too long: must have at most 1048576 bytes")


def _check_immutable(name: str, before: Object, after: Object) -> None:
    """concepts/configuration/secret/#secret-immutable; the type never changes."""
    if before["type"] != after["type"]:
        raise _invalid(name, "type", "FieldValueInvalid", "field is immutable")
    if before.get("immutable"):
        if not after.get("immutable"):
            said = "field is immutable when `immutable` is set"
            raise _invalid(name, "immutable", "FieldValueForbidden", said)
        if before.get("data") != after.get("data"):
            raise _invalid(name, "data", "FieldValueForbidden", "field is immutable when `immutable` is set")


def _invalid(name: str, path: str, reason: str, said: str) -> RefusedError:
    message = f'Secret "{name}" is invalid: {path}: {said}'
    causes = [{"reason": reason, "message": said, "field": path}]
    return RefusedError(422, "Invalid", message, name=name, kind="Secret", causes=causes)


def _conflict(name: str, said: str) -> RefusedError:
    message = f'Operation cannot be fulfilled on secrets "{name}": {said}'
    return RefusedError(409, "Conflict", message, name=name, kind="secrets")
