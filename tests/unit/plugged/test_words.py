"""Grants and client authentications of plugins: what they make is looked at before it is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Secret
from rotator.engine.gate import OUTAGE_AFTER, Gate, Limits
from rotator.engine.gated import NOT_ITS_FAULT, GatedEndpoint
from rotator.oauth.client_auth import ClientAuth, ClientAuthSettings, Proof
from rotator.oauth.grants import GrantKind, GrantParameters
from rotator.oauth.request import TokenRequest
from rotator.plugged.words import guarded_client_auth, guarded_grant
from rotator.testing import FakeClock, MemoryEndpoint, run_in_virtual_time
from tests.unit.core.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Callable

WHO = ClientCredentials("client", (Secret("CANARY"),), "v1")
NOW = FakeClock().now()
REST = (GrantParameters(), "", NOW)


def making(value: Any) -> Callable[..., Any]:
    """A function that returns this, or raises it."""

    async def made(*_: Any) -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    return made


async def form(value: Any) -> Any:
    return await guarded_grant(GrantKind("password", making(value)), "the grant g").form(WHO, *REST)


async def proof(value: Any) -> Proof:
    return await guarded_client_auth(ClientAuth(making(value)), "the auth a").prove(WHO, ClientAuthSettings(), "", NOW)


async def test_a_form_and_a_proof_that_are_well_made_are_handed_on() -> None:
    assert await form([("username", "ada"), ("password", "x")]) == [("username", "ada"), ("password", "x")]
    made = await proof(Proof(headers={"X-Api-Key": "key"}, form=[("client_id", "client")]))
    assert (made.headers, made.form) == ({"X-Api-Key": "key"}, [("client_id", "client")])


@pytest.mark.parametrize("value", ["CANARY", [("a",)], [("a", 1)], [["a", "CANARY"]], None, {"a": "CANARY"}], ids=repr)
async def test_a_form_that_is_no_list_of_pairs_of_texts_is_refused(value: Any) -> None:
    with pytest.raises(RotationError) as caught:
        await form(value)
    assert caught.value.code is Code.PLUGIN_FAILED
    assert "CANARY" not in repr(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "CANARY",
        {"Authorization": "CANARY"},
        Proof(headers={"X-Key": "a\r\nCookie: CANARY"}),
        Proof(headers={"X-Key": 1}),  # type: ignore[dict-item]  # a wrong type
        Proof(form="CANARY"),  # type: ignore[arg-type]  # likewise
    ],
    ids=["text", "headers", "two-lines", "number", "form"],
)
async def test_a_proof_that_could_not_be_sent_is_refused(value: Any) -> None:
    with pytest.raises(RotationError) as caught:
        await proof(value)
    assert caught.value.code is Code.PLUGIN_FAILED
    assert "CANARY" not in repr(caught.value)


async def test_a_request_and_an_answer_of_a_grant_are_looked_at_as_well() -> None:
    request = TokenRequest({}, b"{}")
    kind = GrantKind("", making([]), ask=making(request), read=lambda *_: "CANARY")  # type: ignore[arg-type]  # a wrong type
    guarded = guarded_grant(kind, "the grant g")
    assert guarded.ask is not None
    assert await guarded.ask(WHO, *REST) is request
    with pytest.raises(RotationError) as caught:
        guarded.read(None, None, NOW)  # type: ignore[arg-type]  # nobody looks at them
    assert caught.value.detail == "read of the grant g returned a str; wanted a Grant"
    other = guarded_grant(GrantKind("", making([]), ask=making(b"{}")), "the grant g").ask
    assert other is not None
    with pytest.raises(RotationError):
        await other(WHO, *REST)


def test_a_grant_that_hangs_ends_at_its_deadline_for_each_client_by_itself() -> None:
    async def hang(*_: Any) -> Any:
        await asyncio.Event().wait()

    async def both() -> tuple[float, set[Code]]:
        kind = guarded_grant(GrantKind("password", hang), "the grant g")
        began = asyncio.get_running_loop().time()
        others = ClientCredentials("other", (), "v1")
        ended = await asyncio.gather(kind.form(WHO, *REST), kind.form(others, *REST), return_exceptions=True)
        return asyncio.get_running_loop().time() - began, {e.code for e in ended if isinstance(e, RotationError)}

    seconds, codes = run_in_virtual_time(both())
    assert (round(seconds, 3), codes) == (10.0, {Code.PLUGIN_TIMEOUT})


@pytest.mark.parametrize("code", [code for code in Code if code in NOT_ITS_FAULT], ids=lambda code: code.text)
async def test_a_plugins_failure_is_no_failure_of_the_provider_nor_an_answer_of_it(code: Code) -> None:
    clock, gate = FakeClock(), Gate("thx", Limits())
    endpoint = MemoryEndpoint(clock)
    asked = GatedEndpoint(endpoint, gate, clock, lambda _: None)

    async def fail(code: Code) -> None:
        endpoint.faults.next("mint", RotationError(code, "no"))
        with pytest.raises(RotationError):
            await asked.mint(WHO)

    for _ in range(OUTAGE_AFTER + 1):
        await fail(code)
    assert not gate.in_outage
    for _ in range(OUTAGE_AFTER):
        await fail(Code.PROVIDER_UNAVAILABLE)
    await fail(code)
    assert gate.in_outage


async def test_a_source_that_fails_is_told_as_one_and_the_next_read_ends_that() -> None:
    desk = Desk()
    desk.source.faults.next("read", RotationError(Code.PLUGIN_FAILED, "no"))
    await desk.run()
    failure = desk.rotation.seen.failure
    assert failure is not None
    assert (failure.code, str(failure.stage)) == (Code.PLUGIN_FAILED, "read")
    await desk.run(after=60)
    assert desk.rotation.seen.failure is None
    assert desk.held == ["client.token.1"] * 2
