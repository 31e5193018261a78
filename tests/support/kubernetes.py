"""The hand of a Kubernetes cluster's administrator, on a real API server as on the fake one."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.kubernetes_objects import Object

ADMIN = "admin"
USERS = [ADMIN, *(f"user-{number}" for number in range(400))]
"""Who the server knows; `token_of` gives their bearer tokens. Only the administrator may do anything at first."""

NUMBERS = itertools.count()
EFFECTIVE = 10.0
"""Seconds after which a new role counts at the latest."""

RBAC = "/apis/rbac.authorization.k8s.io/v1"
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


def token_of(user: str) -> str:
    return f"token-of-{user}"


def path_of(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


class ApiRefusedError(Exception):
    """What the administrator asked for was refused."""

    def __init__(self, status: int, document: Object) -> None:
        super().__init__(f"{status}: {document.get('message')}")
        self.status = status
        self.document = document


@dataclass
class Administrator:
    """Does what `kubectl` would do, as a user that may do everything.

    Attributes:
        url: Of the API server.
        ca_file: Whom to trust there.
        session: Connections.
    """

    url: str
    ca_file: Path
    session: aiohttp.ClientSession
    users: itertools.count[int] = field(default_factory=itertools.count)

    async def ask(
        self,
        method: str,
        path: str,
        document: object = None,
        kind: str = "application/json",
        user: str = ADMIN,
        **query: str,
    ) -> Object:
        """One request."""
        async with self.session.request(
            method,
            self.url + path,
            data=None if document is None else io.BytesIO(json.dumps(document).encode()),
            params=query,
            headers={"Authorization": f"Bearer {token_of(user)}", "Content-Type": kind},
            ssl=ssl.create_default_context(cafile=self.ca_file),
        ) as answer:
            if answer.content_type != "application/json":
                raise ApiRefusedError(answer.status, {"message": await answer.text()})
            found: Object = await answer.json()
            if answer.status >= 400:
                raise ApiRefusedError(answer.status, found)
            return found

    async def namespace(self) -> str:
        """A new namespace."""
        name = f"apps-{os.getpid()}-{next(NUMBERS)}"
        await self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    async def end_namespace(self, name: str) -> None:
        """Begin to delete it; nothing here ends that."""
        await self.ask("DELETE", f"/api/v1/namespaces/{name}")

    async def user(self, namespace: str, name: str, verbs: tuple[str, ...] = ("get", "patch", "create")) -> str:
        """A user who may do this with that one Secret, and nothing else."""
        user = USERS[1 + next(self.users)]
        if not verbs:
            return user
        rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name], "verbs": list(verbs)}
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user}
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
        where = f"{RBAC}/namespaces/{namespace}"
        await self.ask("POST", f"{where}/roles", {"metadata": {"name": user}, "rules": [rule]})
        binding = {"metadata": {"name": user}, "roleRef": ref, "subjects": [subject]}
        await self.ask("POST", f"{where}/rolebindings", binding)
        async with asyncio.timeout(EFFECTIVE):
            while not await self._is_let_in(user, namespace, name):  # noqa: ASYNC110  what is waited for is its server
                await asyncio.sleep(0.02)  # it learns of new roles by watching its own store
        return user

    async def _is_let_in(self, user: str, namespace: str, name: str) -> bool:
        """Whether a user may get a Secret, there or not."""
        try:
            await self.ask("GET", path_of(namespace, name), user=user)
        except ApiRefusedError as refusal:
            return refusal.status != 403
        return True

    async def get(self, namespace: str, name: str) -> Object:
        return await self.ask("GET", path_of(namespace, name))

    async def create(self, namespace: str, name: str, **secret: Any) -> Object:
        """`kubectl create`."""
        metadata = {**secret.pop("metadata", {}), "name": name}
        document = {"apiVersion": "v1", "kind": "Secret", **secret, "metadata": metadata}
        return await self.ask(
            "POST", f"/api/v1/namespaces/{namespace}/secrets", document, fieldManager="kubectl-create"
        )

    async def edit(self, namespace: str, name: str, manager: str = "kubectl-edit", **patch: Any) -> Object:
        """`kubectl edit`."""
        return await self.ask("PATCH", path_of(namespace, name), patch, MERGE, fieldManager=manager)

    async def apply(self, namespace: str, name: str, manager: str, user: str = ADMIN, **options: Any) -> Object:
        """`kubectl apply --server-side`; options that begin with a small letter are the object's."""
        query: dict[str, str] = {key: options.pop(key) for key in ("force", "dryRun") if key in options}
        metadata = {"name": name, "namespace": namespace, **options.pop("metadata", {})}
        document = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **options}
        return await self.ask("PATCH", path_of(namespace, name), document, APPLY, user, fieldManager=manager, **query)

    async def delete(self, namespace: str, name: str) -> None:
        await self.ask("DELETE", path_of(namespace, name))


@asynccontextmanager
async def administrator(url: str, ca_file: Path) -> AsyncIterator[Administrator]:
    async with aiohttp.ClientSession() as session:
        yield Administrator(url, ca_file, session)
