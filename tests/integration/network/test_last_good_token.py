"""Whole passes against a server at fault: what consumers hold stays, the failure is told, and recovery follows.

The rows are those for which the catalogue of faults asks to keep the last good token and to try again, or to park.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code
from rotator.core.model import CredentialSpec
from rotator.core.observation import Surroundings
from rotator.core.policy import Reason
from rotator.core.rotation import Rotation
from rotator.oauth.answer import Expectations
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint
from rotator.oauth.grants import GrantParameters
from rotator.oauth.provider import Provider, ProviderSettings
from rotator.testing import FakeClock, MemorySink, MemorySource, RecordingJournal
from tests.support.hostile_provider import answering, dripping, hostile, read_request, reset, response

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from rotator.core.policy import Wait
    from tests.support.hostile_provider import Behaviour

HALF_A_LIFE = 300.0
FAILED = ("token.mint_failed", "token.rejected", "credential.rejected")


def token(serial: int, **fields: object) -> bytes:
    """A good answer, bent by `fields`."""
    good = {"access_token": f"token.{serial}", "expires_in": 600, "token_type": "Bearer", "scope": "openid admin"}
    return json.dumps({**good, **fields}).encode()


def saying(body: bytes, status: str = "200 OK", *headers: str) -> Behaviour:
    return answering(response(body, status, *headers))


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(response(token(2))[:-5])
    await writer.drain()
    reset(writer)


class Bench:
    """A credential, and a server that does as it is told; `async with bench()` gives it its first token.

    Attributes:
        behaviour: What the server does to each connection.
        connections: So many were made.
        provider: What connects to the server.
    """

    def __init__(self, first: bytes) -> None:
        self.clock = FakeClock()
        self.journal = RecordingJournal()
        self.sink = MemorySink("memory:0")
        self.source = MemorySource("client", "CANARY-secret")
        self.behaviour: Behaviour = saying(first)
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await self.behaviour(reader, writer)

    def connect(self, url: str) -> None:
        self.provider = Provider(ProviderSettings(url, timeout=0.3, connect_timeout=0.2), self.clock)
        asked = EndpointSettings(GrantParameters(scope="openid admin"), expected=Expectations(scope="openid admin"))
        endpoint = HttpTokenEndpoint(self.provider, asked, self.clock)
        spec = CredentialSpec("billing", "thx", ())
        self.rotation = Rotation(spec, self.source, endpoint, [self.sink], self.clock, self.journal)

    async def run(self, after: float = 0.0) -> Wait:
        self.clock.advance(after)
        return await self.rotation.run(Surroundings())

    def told(self) -> dict[str, object]:
        """The one failure so far."""
        (event,) = [fields for name in FAILED for fields in self.journal.named(name)]
        return event


@asynccontextmanager
async def bench(first: bytes = token(1)) -> AsyncIterator[Bench]:
    made = Bench(first)
    async with hostile(made.serve) as url:
        made.connect(url)
        try:
            await made.run()
            yield made
        finally:
            await made.provider.close()


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

PASSING: dict[str, tuple[Behaviour, Code]] = {
    "P03 accepts and never answers": (silent, Code.PROVIDER_TIMEOUT),
    "P04 drips headers": (dripping(b"X-A: b\r\n", HEAD), Code.PROVIDER_TIMEOUT),
    "P05 drips the body": (dripping(b"1\r\n \r\n", CHUNKED), Code.PROVIDER_TIMEOUT),
    "P06 resets in the body": (cut, Code.ANSWER_TRUNCATED),
    "P07 loses the answer": (answering(b""), Code.PROVIDER_UNREACHABLE),
    "P08 500": (saying(b"", "500 Oops"), Code.PROVIDER_UNAVAILABLE),
    "P08 502 with a page": (saying(b"<html>", "502 Bad"), Code.PROVIDER_UNAVAILABLE),
    "P08 503": (saying(b"", "503 Busy"), Code.PROVIDER_UNAVAILABLE),
    "P08 504": (saying(b"", "504 Late"), Code.PROVIDER_UNAVAILABLE),
    "P08 408": (saying(b"", "408 Late"), Code.PROVIDER_UNAVAILABLE),
    "P13 429 that says no time": (saying(b"", "429 Slow"), Code.PROVIDER_THROTTLED),
    "P13 403 with a page": (saying(b"<html>", "403 No"), Code.PROVIDER_THROTTLED),
    "P28 answers with a token that ends now": (saying(token(2, expires_in=0)), Code.EXPIRED_ON_ARRIVAL),
    "P39 answers without end": (dripping(b"1000\r\n" + b" " * 4096 + b"\r\n", CHUNKED, 0), Code.ANSWER_TOO_LARGE),
    "P40 answers with a login page": (saying(b"<html>CANARY"), Code.ANSWER_NOT_JSON),
    "P42 answers with nothing": (answering(b"HTTP/1.1 204 N\r\n\r\n"), Code.ANSWER_STATUS),
}

PARKED: dict[str, tuple[Behaviour, Code]] = {
    "P14 401 invalid_client": (saying(b'{"error":"invalid_client"}', "401 No"), Code.INVALID_CLIENT),
    "P15 invalid_scope": (saying(b'{"error":"invalid_scope"}', "400 No"), Code.INVALID_SCOPE),
    "P16 400 with a page": (saying(b"<html>CANARY", "400 No"), Code.PROVIDER_REFUSED),
    "P16 400 without a body": (saying(b"", "400 No"), Code.PROVIDER_REFUSED),
    "P17 an error in a 200": (saying(b'{"error":"invalid_grant"}'), Code.INVALID_GRANT),
    "P18 an error and a token": (saying(token(2, error="x")), Code.ANSWER_CONTRADICTORY),
    "P19 no token": (saying(token(2, access_token=None)), Code.TOKEN_MISSING),
    "P20 a token with a line break": (saying(token(2, access_token="a\nX-CANARY: b")), Code.TOKEN_INVALID),
    "P21 a token of 100 KiB": (saying(token(2, access_token="a" * 102_400)), Code.TOKEN_INVALID),
    "P22 no token type": (saying(token(2, token_type=None)), Code.TOKEN_TYPE_UNSUPPORTED),
    "P24 a DPoP token": (saying(token(2, token_type="DPoP")), Code.TOKEN_TYPE_UNSUPPORTED),
    "P25 no lifetime": (saying(token(2, expires_in=None)), Code.LIFETIME_MISSING),
    "P28 a lifetime of less than nothing": (saying(token(2, expires_in=-1)), Code.LIFETIME_INVALID),
    "P35 a narrower scope": (saying(token(2, scope="openid")), Code.SCOPE_NARROWER),
    "P41 a redirect": (saying(b"", "307 R", "Location: http://169.254.169.254/"), Code.PROVIDER_REDIRECTED),
}


@pytest.mark.parametrize("case", PASSING)
async def test_the_last_good_token_stays_and_is_soon_replaced_when_a_server(case: str) -> None:
    behaviour, code = PASSING[case]
    async with bench() as at:
        held = at.sink.record
        at.behaviour = behaviour
        wait = await at.run(after=HALF_A_LIFE)
        assert at.sink.record == held
        assert (at.told()["error"], at.told()["retryable"]) == (code.text, True)
        assert wait.reason is Reason.BACKING_OFF
        assert 2.0 <= wait.until - at.clock.now().elapsed <= 30.0
        at.behaviour = saying(token(2))
        await at.run(after=30.0)
        assert at.sink.record is not None
        assert at.sink.record.access_token.reveal() == "token.2"
        assert "CANARY" not in str(at.journal.events)


@pytest.mark.parametrize("case", PARKED)
async def test_the_last_good_token_stays_and_the_credential_is_parked_when_a_server_answers(case: str) -> None:
    behaviour, code = PARKED[case]
    async with bench() as at:
        held = at.sink.record
        at.behaviour = behaviour
        wait = await at.run(after=HALF_A_LIFE)
        assert at.sink.record == held
        assert (at.told()["error"], at.told()["retryable"]) == (code.text, False)
        assert wait.reason is Reason.PARKED
        asked = at.connections
        await at.run(after=59.0)
        assert at.connections == asked, "not asked again for a minute"
        at.behaviour = saying(token(2))
        await at.run(after=1.0)
        assert at.sink.record is not None
        assert at.sink.record.access_token.reveal() == "token.2"
        assert "CANARY" not in str(at.journal.events)


async def test_an_answer_that_was_lost_is_told_as_ambiguous_and_asked_for_again_p07() -> None:
    async with bench() as at:
        at.behaviour = answering(b"")
        await at.run(after=HALF_A_LIFE)
        assert at.told()["ambiguous"] is True
        at.behaviour = saying(b"", "503 Busy")
        await at.run(after=30.0)
        assert [("ambiguous" in fields) for fields in at.journal.named("token.mint_failed")] == [True, False]


async def test_a_secret_that_was_changed_while_it_was_refused_is_used_at_once_p14_p45() -> None:
    async with bench() as at:
        refuse = saying(b'{"error":"invalid_client"}', "401 No")

        async def changed_meanwhile(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            at.source.store("client", "new-secret")
            at.behaviour = saying(token(2))
            await refuse(reader, writer)

        at.behaviour = changed_meanwhile
        wait = await at.run(after=HALF_A_LIFE)
        assert wait.wants_mint, "no need to wait for the next look"
        await at.run()
        assert at.sink.record is not None
        assert at.sink.record.access_token.reveal() == "token.2"


async def test_a_secret_that_is_refused_and_has_not_changed_is_read_once_more_and_not_sent_again_p14() -> None:
    async with bench() as at:
        at.behaviour = saying(b'{"error":"invalid_client"}', "401 No")
        asked, read = at.connections, at.source.reads
        await at.run(after=HALF_A_LIFE)
        assert at.connections == asked + 1
        # The look, and the look back after the refusal: the mint is within a second of the first.
        assert at.source.reads == read + 2


LIVES = {"P30 of one second": 1, "P30 of ten seconds": 10, "P31 of a minute": 60, "P31 of an hour": 3600}


@pytest.mark.parametrize("case", LIVES)
async def test_the_next_token_is_asked_for_by_the_life_of_this_one(case: str) -> None:
    life = LIVES[case]
    early, due = max(5.0, 0.4 * life) - 0.1, max(5.0, 0.5 * life)
    async with bench(token(1, expires_in=life)) as at:
        at.behaviour = saying(token(2))
        await at.run(after=early)
        assert at.connections == 1, "never a hot loop, and never early"
        await at.run(after=due - early)
        assert at.connections == 2


async def test_a_token_that_dies_before_the_next_may_be_asked_for_is_told_of_p30() -> None:
    async with bench(token(1, expires_in=1)) as at:
        await at.run(after=2.0)
        assert len(at.journal.named("token.expired")) == 1


async def test_a_refresh_token_is_nowhere_afterwards_p36() -> None:
    async with bench() as at:
        at.behaviour = saying(token(2, refresh_token="CANARY"))
        await at.run(after=HALF_A_LIFE)
        assert at.sink.record is not None
        assert at.sink.record.access_token.reveal() == "token.2"
        assert "CANARY" not in f"{at.sink.record.fields()}{at.journal.events}{at.rotation.seen}"
