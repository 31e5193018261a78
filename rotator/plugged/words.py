"""Grants and client authentications of plugins, as the rest of rotator sees them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rotator.core.model import Grant
from rotator.oauth.client_auth import Proof
from rotator.oauth.request import TokenRequest
from rotator.plugged.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rotator.core.model import ClientCredentials
    from rotator.oauth.client_auth import ClientAuth, Form
    from rotator.oauth.grants import GrantKind

Guards = dict[str, Guard]
"""One for each client, by its id: one that hangs keeps no other waiting."""


def guarded_grant(kind: GrantKind, what: str) -> GrantKind:
    """The same, held to its contract.

    Args:
        kind: The grant.
        what: For messages: `the grant password of rotator-example 1.0`.
    """
    guards: Guards = defaultdict(partial(Guard, what))
    once = Guard(what)

    async def form(credentials: ClientCredentials, *rest: Any) -> Form:
        guard = guards[credentials.client_id]
        return _pairs(guard, "form", await guard.call("form", lambda: kind.form(credentials, *rest)))

    async def ask(credentials: ClientCredentials, *rest: Any) -> TokenRequest:
        guard = guards[credentials.client_id]
        made = await guard.call("ask", lambda: _given(kind.ask)(credentials, *rest))
        if not isinstance(made, TokenRequest):
            raise guard.failed("ask", f"returned a {type(made).__name__}", "a TokenRequest")
        return made

    def read(*answer: Any) -> Grant:
        held = once.now("read", lambda: kind.read(*answer))
        if not isinstance(held, Grant):
            raise once.failed("read", f"returned a {type(held).__name__}", "a Grant")
        return held

    return replace(kind, form=form, ask=None if kind.ask is None else ask, read=read)


def guarded_client_auth(kind: ClientAuth, what: str) -> ClientAuth:
    """The same, held to its contract; see `guarded_grant`."""
    guards: Guards = defaultdict(partial(Guard, what))

    async def prove(credentials: ClientCredentials, *rest: Any) -> Proof:
        guard = guards[credentials.client_id]
        made = await guard.call("prove", lambda: kind.prove(credentials, *rest))
        if not isinstance(made, Proof):
            raise guard.failed("prove", f"returned a {type(made).__name__}", "a Proof")
        headers = dict(_pairs(guard, "prove", list(made.headers.items())))
        if not all(text.isprintable() for pair in headers.items() for text in pair):
            raise guard.failed("prove", "made a header with control characters", "one line of text")
        return replace(made, headers=headers, form=_pairs(guard, "prove", made.form))

    return replace(kind, prove=prove)


def _given(ask: Callable[..., Awaitable[TokenRequest]] | None) -> Callable[..., Awaitable[TokenRequest]]:
    if ask is None:
        raise TypeError("only a grant that makes its own requests is asked for one")
    return ask


def _pairs(guard: Guard, name: str, made: object) -> Form:
    """The form parameters that a plugin made; a text in the place of a list would be taken apart into letters."""
    pairs = list(made) if isinstance(made, list | tuple) else [None]
    if all(isinstance(pair, tuple) and [type(part) for part in pair] == [str, str] for pair in pairs):
        return pairs  # type: ignore[return-value]  # pairs of texts, as asked before
    raise guard.failed(name, f"returned a {type(made).__name__} that is none", "a list of pairs of texts")
