"""The HTTP that operators and their tools ask: health, readiness, metrics, status; and, where it is allowed, steering.

Read-only unless the configuration names actions. Whoever may connect sees everything here: no token and no secret is
part of it. A unix socket is guarded by its mode, an address by being loopback, an action there by a bearer.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import TYPE_CHECKING, Protocol, TypeVar

from aiohttp import web

from rotator.core.errors import RotationError
from rotator.operate import report
from rotator.operate.listening import leave, listen
from rotator.operate.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from rotator.core.model import Moment
    from rotator.operate.explain import Step
    from rotator.operate.history import History
    from rotator.operate.listening import HttpSettings
    from rotator.operate.metrics import Meters
    from rotator.operate.status import CredentialStatus, Status

T = TypeVar("T")

CLOSING = 1.0
"""Seconds that answers under way get when the server stops."""

SHOWN_EVENTS = 100
"""Events in the JSON of the whole, the newest first."""

LONGEST_QUEUE = 1024
"""Connections that wait to be accepted; beyond that a unix socket refuses, which asyncio takes for a connection."""

SAFE = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Headers of every answer; the status page has its own policy."""


class Snapshot(Protocol):
    """What was known at one moment."""

    @property
    def now(self) -> Moment:
        """That moment."""

    def status(self) -> Status:
        """The whole; may take its time, in a thread."""

    def credential(self, name: str) -> CredentialStatus:
        """One credential; KeyError when there is none of the name."""

    def explain(self, name: str) -> list[Step]:
        """The arithmetic behind one credential's schedule; KeyError when there is none of the name."""


class Subject(Protocol):
    """Who is asked."""

    def faults(self) -> list[str]:
        """Why it is not healthy."""

    def snapshot(self) -> Snapshot:
        """What is known now."""

    def reload(self) -> None:
        """Take up the configuration again, soon."""

    def rotate(self, name: str) -> None:
        """Mint for a credential although it may not be due; KeyError when there is none of the name."""


class AdminServer:
    """Answers on one socket or address.

    Args:
        settings: Where, and what is allowed.
        subject: Who is asked.
        history: What happened lately.
        meters: What has been counted.
    """

    def __init__(self, settings: HttpSettings, subject: Subject, history: History, meters: Meters) -> None:
        self._settings = settings
        self._subject = subject
        self._history = history
        self._meters = meters
        self._runner = web.AppRunner(
            self._application(), access_log=None, shutdown_timeout=CLOSING, handler_cancellation=False
        )

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The place cannot be listened at; the text says why.
        """
        await self._runner.setup()
        try:
            await web.SockSite(self._runner, listen(self._settings), backlog=LONGEST_QUEUE).start()
        except BaseException:
            await self._runner.cleanup()
            raise

    async def stop(self) -> None:
        """Answer nobody any more."""
        # While it still listens: afterwards the name may be that of a successor.
        leave(self._settings)
        await self._runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=1024)
        application.on_response_prepare.append(_make_safe)
        routes: Mapping[tuple[str, str], Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            ("GET", "/"): self._page,
            ("GET", "/-/healthy"): self._healthy,
            ("GET", "/-/ready"): self._ready,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/api/v1/status"): self._status,
            ("GET", "/api/v1/status/{name}"): self._one,
            ("POST", "/-/reload"): self._reload,
            ("POST", "/-/rotate/{name}"): self._rotate,
        }
        for (method, path), handler in routes.items():
            application.router.add_route(method, path, handler)
        return application

    async def _healthy(self, _: web.Request) -> web.Response:
        return _told(self._subject.faults(), "healthy")

    async def _ready(self, _: web.Request) -> web.Response:
        status = await _in_thread(self._subject.snapshot().status)
        return _told(list(status.unready), "ready")

    async def _metrics(self, _: web.Request) -> web.Response:
        snapshot = self._subject.snapshot()
        body = await _in_thread(lambda: self._meters.exposition(snapshot.status()))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _status(self, _: web.Request) -> web.Response:
        snapshot = self._subject.snapshot()
        events = list(self._history.events)[: -SHOWN_EVENTS - 1 : -1]
        return _json(await _in_thread(lambda: _dumped(report.whole(snapshot.status(), events))))

    async def _one(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        snapshot = self._subject.snapshot()
        return _json(await _in_thread(lambda: self._described(snapshot, name)))

    def _described(self, snapshot: Snapshot, name: str) -> bytes:
        try:
            found = snapshot.credential(name)
        except KeyError:
            raise _unknown() from None
        now = snapshot.now
        lives = [
            {"issued_at": report.at(began, now), "expires_at": report.at(ends, now)}
            for began, ends in self._history.lives(name)
        ]
        steps = [{"what": step.what, "how": step.how, "value": step.value} for step in snapshot.explain(name)]
        events = [report.event(told) for told in self._history.last(name, SHOWN_EVENTS)]
        return _dumped({**report.credential(found, now), "lives": lives, "arithmetic": steps, "events": events})

    async def _page(self, request: web.Request) -> web.Response:
        snapshot, parameters = self._subject.snapshot(), request.query
        body, headers = await _in_thread(lambda: _rendered(snapshot.status(), self._history, parameters))
        return web.Response(body=body, headers={**headers, "Content-Type": "text/html; charset=utf-8"})

    async def _reload(self, request: web.Request) -> web.Response:
        await self._permit(request, "reload")
        self._subject.reload()
        return _told([], "the configuration is read again; the log and rotator_config_last_reload_successful tell", 202)

    async def _rotate(self, request: web.Request) -> web.Response:
        await self._permit(request, "rotate")
        name = request.match_info["name"]
        try:
            self._subject.rotate(name)
        except KeyError:
            raise _unknown() from None
        return _told([], f"a token for {name} is minted as soon as its provider's gate lets it through", 202)

    async def _permit(self, request: web.Request, action: str) -> None:
        """See that the configuration allows the action, and that who asks may ask for it."""
        if action not in self._settings.actions:
            raise web.HTTPForbidden(text=f'not allowed here; http.actions = ["{action}"] would allow it\n')
        if self._settings.bearer is None:
            return
        try:
            bearer = await _in_thread(self._settings.bearer)  # a disk may hang
        except RotationError:
            raise web.HTTPServiceUnavailable(text="the file of http.token_file cannot be read\n") from None
        # A header may hold any bytes; those that are no UTF-8 come as surrogates.
        shown = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(shown, f"Bearer {bearer.reveal()}".encode()):
            raise web.HTTPUnauthorized(
                text="wanted: Authorization: Bearer, with what is in http.token_file\n",
                headers={"WWW-Authenticate": "Bearer"},
            )


async def _make_safe(_: web.Request, answer: web.StreamResponse) -> None:
    """Safe headers on every answer: refusals, and what went wrong inside, of which nothing is told, as well."""
    for name, value in SAFE.items():
        answer.headers.setdefault(name, value)


async def _in_thread(work: Callable[[], T]) -> T:
    """What may take its time.

    Raises:
        HTTPServiceUnavailable: There is no thread to be had.
    """
    try:
        running = asyncio.get_running_loop().run_in_executor(None, work)
    except RuntimeError:
        raise web.HTTPServiceUnavailable(text="no thread could be started for this\n") from None
    return await running


def _rendered(status: Status, history: History, parameters: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
    """The status page, and the headers that it is to be sent with."""
    from rotator.operate import page  # noqa: PLC0415  a start need not wait for what may never be looked at

    return page.render(status, history, page.Query.parse(parameters)), page.HEADERS


def _unknown() -> web.HTTPNotFound:
    # The name is not repeated: it may be anything.
    return web.HTTPNotFound(text="no credential of this name; /api/v1/status has those that there are\n")


def _told(reasons: list[str], well: str, status: int = 200) -> web.Response:
    """What is wrong, a line each; or that all is well."""
    if reasons:
        return web.Response(status=503, text="\n".join(reasons) + "\n")
    return web.Response(status=status, text=f"{well}\n")


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def _dumped(document: object) -> bytes:
    return json.dumps(document, default=str).encode() + b"\n"
