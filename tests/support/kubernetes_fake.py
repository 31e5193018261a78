"""A fake Kubernetes API server: HTTPS on a real socket, and the documented rules of `kubernetes_objects.py`.

It is a fake, since no package of the registries that this project is built from carries the real one. It knows
Secrets, and Namespaces, Roles and RoleBindings as far as tests make them. Where $KUBEBUILDER_ASSETS names the real
programs, every test about the API runs against both (see `kubernetes_real.py`), so that it is held to what they do.
Comments name pages of https://kubernetes.io/docs/.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from aiohttp import web

from tests.support.kubernetes import ADMIN, APPLY, MERGE, USERS, token_of
from tests.support.kubernetes_objects import RefusedError, Secrets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.support.kubernetes_objects import Object

LARGEST_REQUEST = 3 << 20
"""Bytes, as the real server takes them."""


class FakeApiServer:
    """The fake; `async with` starts it.

    Args:
        certificate: A PEM file with its certificate for localhost and the key; its own CA.

    Attributes:
        requests: Method, path and query of each request, in order.
        troubles: What happens to the next requests instead of an answer; the first one is taken.
        inspected: Called with each request before it is looked at; may wait.
    """

    def __init__(self, certificate: Path) -> None:
        self.ca_file = certificate
        self.secrets = Secrets()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.troubles: list[Callable[[web.Request], Awaitable[web.StreamResponse]]] = []
        self.inspected: Callable[[web.Request], Awaitable[None]] = _nothing
        self.tokens = {token_of(user): user for user in USERS}
        self._namespaces: dict[str, bool] = {}  # whether it is being deleted
        self._rules: dict[tuple[str, str], list[Object]] = {}
        self._stack = AsyncExitStack()
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2 * LARGEST_REQUEST)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file)
        site = web.TCPSite(runner, "localhost", self.port, ssl_context=context)
        await site.start()
        self.port = next(iter(runner.addresses))[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query)))
        await self.inspected(request)
        if self.troubles:
            return await self.troubles.pop(0)(request)
        try:
            status, document = await self._answer(request)
        except RefusedError as refusal:
            return web.json_response(refusal.status, status=refusal.code)
        return web.json_response(document, status=status)

    async def _answer(self, request: web.Request) -> tuple[int, Object]:
        user = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:  # reference/access-authn-authz/authentication/
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        match request.path.strip("/").split("/"):
            case ["api", "v1", "namespaces"] if request.method == "POST":
                document = await request.json()
                self._namespaces[document["metadata"]["name"]] = False
                return 201, document
            case ["api", "v1", "namespaces", namespace] if request.method == "DELETE":
                self._namespaces[namespace] = True
                return 200, {"kind": "Namespace"}
            case ["apis", _, "v1", "namespaces", namespace, ("roles" | "rolebindings") as kind]:
                document = await request.json()
                if kind == "roles":
                    self._rules[namespace, document["metadata"]["name"]] = document["rules"]
                return 201, document
            case ["api", "v1", "namespaces", namespace, "secrets"] if request.method == "POST":
                document = await request.json()
                return await self._secret(request, user, namespace, document["metadata"]["name"])
            case ["api", "v1", "namespaces", namespace, "secrets", name]:
                return await self._secret(request, user, namespace, name)
            case _:
                raise web.HTTPNotFound(text="404 page not found\n")

    async def _secret(self, request: web.Request, user: str, namespace: str, name: str) -> tuple[int, Object]:
        verb = {"GET": "get", "PATCH": "patch", "POST": "create", "DELETE": "delete"}[request.method]
        self._authorise(user, namespace, name, verb)
        if request.method == "GET":
            return 200, self.secrets.get(namespace, name)
        if request.method == "DELETE":
            self.secrets.delete(namespace, name)
            return 200, {"kind": "Status", "status": "Success"}
        body = await request.read()
        if len(body) > LARGEST_REQUEST:
            raise RefusedError(413, "RequestEntityTooLarge", "limit is 3145728")
        try:
            document = json.loads(body)
        except ValueError:
            raise RefusedError(400, "BadRequest", "error decoding YAML") from None
        query = request.query
        manager, dry = query.get("fieldManager", ""), query.get("dryRun") == "All"
        creates = not self.secrets.exists(namespace, name)
        if request.method == "POST":
            self._admit(namespace)
            return 201, self.secrets.update(namespace, name, document, manager, create=True, dry=dry)
        if request.content_type == MERGE:
            return 200, self.secrets.update(namespace, name, document, manager or "unknown", dry=dry)
        if request.content_type != APPLY:
            raise RefusedError(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        if not manager:  # reference/using-api/server-side-apply/#managers
            raise RefusedError(422, "Invalid", "PatchOptions is invalid: fieldManager: Required value")
        if creates:  # reference/using-api/server-side-apply/#rbac-and-permissions
            self._authorise(user, namespace, name, "create")
            self._admit(namespace)
        force = query.get("force") == "true"
        applied = self.secrets.apply(namespace, name, document, manager, force=force, dry=dry)
        return (201 if creates else 200), applied

    def _admit(self, namespace: str) -> None:
        """reference/access-authn-authz/admission-controllers/#namespacelifecycle."""
        if namespace not in self._namespaces:
            said = f'namespaces "{namespace}" not found'
            raise RefusedError(404, "NotFound", said, name=namespace, kind="namespaces")
        if self._namespaces[namespace]:
            said = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise RefusedError(403, "Forbidden", said, kind="secrets", causes=[{"reason": "NamespaceTerminating"}])

    def _authorise(self, user: str, namespace: str, name: str, verb: str) -> None:
        """reference/access-authn-authz/rbac/#referring-to-resources."""
        rules = self._rules.get((namespace, user), [])
        if user == ADMIN or any(verb in rule["verbs"] and name in rule["resourceNames"] for rule in rules):
            return
        said = (
            f'secrets "{name}" is forbidden: User "{user}" cannot {verb} resource "secrets" in API group "" in the '
            f'namespace "{namespace}"'
        )
        raise RefusedError(403, "Forbidden", said, name=name, kind="secrets")


async def _nothing(_: web.Request) -> None:
    pass


def answering(status: int, body: object = "", **headers: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A trouble: this answer."""

    async def answer(_: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


async def hanging(_: web.Request) -> web.StreamResponse:
    """A trouble: no answer at all."""
    await asyncio.Event().wait()
    return web.Response()


async def breaking(request: web.Request) -> web.StreamResponse:
    """A trouble: the connection ends."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
