"""Those who mean no well: idle ones, slow ones, many of them, and such as say what nobody should say."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

import pytest

from rotator.contract import record
from rotator.local.connections import Limits
from rotator.local.peers import Peers
from tests.integration.local.street import DEADLINE, ME, SOMEBODY, Street, as_root, hear, street, with_curl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

US = Peers(users=(ME,))
QUESTION = b"GET /token/billing?format=raw HTTP/1.1\r\nHost: rotator\r\n"
LONG_WAIT = f"GET /token/billing?wait=60s&newer={record().fingerprint} HTTP/1.1\r\nHost: rotator\r\n\r\n".encode()
PATIENCE = 5.0
"""Seconds; less than anything lasts that is not cut off."""


@pytest.fixture
async def place() -> AsyncIterator[Street]:
    async with street(limits=Limits(most=8, most_of_one=4, asks_within=0.5)) as opened:
        await opened.sink("billing", US).write(record())
        yield opened


async def test_a_connection_on_which_nothing_is_said_is_closed(place: Street) -> None:
    with place.connection() as silent:
        assert await hear(silent, PATIENCE) == b""


async def test_p04_a_question_that_comes_drop_by_drop_is_cut_off(place: Street) -> None:
    loop = asyncio.get_running_loop()
    with place.connection() as slow:

        async def drip() -> None:
            for character in QUESTION * 100:
                await loop.sock_sendall(slow, bytes([character]))
                await asyncio.sleep(0.02)

        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            await asyncio.wait_for(drip(), PATIENCE)


async def test_an_answer_ends_its_connection(place: Street) -> None:
    with place.connection() as asking:
        asking.send(QUESTION + b"\r\n")
        heard = await hear(asking)
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close" in heard
    assert heard.endswith(b"token.one")


async def test_further_questions_on_one_connection_are_not_answered(place: Street) -> None:
    with place.connection() as asking:
        asking.send((QUESTION + b"\r\n") * 3)
        assert (await hear(asking)).count(b"token.one") == 1


async def test_who_neither_reads_nor_goes_is_put_out() -> None:
    async with street(limits=Limits(lasts=0.5)) as place:
        await place.sink("billing", US).write(record())
        with place.connection() as waiting:
            waiting.send(LONG_WAIT)
            assert await hear(waiting, PATIENCE) in {b"", b"(reset)"}


async def test_all_users_together_take_no_more_than_there_is() -> None:
    async with street(limits=Limits(most=2, most_of_one=4)) as place, AsyncExitStack() as many:
        for _ in range(2):
            many.enter_context(place.connection())
        with place.connection() as one_more:
            assert (await hear(one_more, PATIENCE)).startswith(b"HTTP/1.1 503 ")


async def test_one_user_takes_no_more_than_his_share_and_is_told_so(place: Street) -> None:
    with ExitStack() as many:
        held = [many.enter_context(place.connection()) for _ in range(4)]
        assert len(held) == 4
        with place.connection() as one_more:
            heard = await hear(one_more)
        assert heard.startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n")
        assert heard.endswith(b"\r\n\r\ntoo many connections now\n")
    assert place.tally.results == ["busy"]


@as_root
@with_curl
async def test_another_user_is_answered_although_one_has_taken_his_share(place: Street) -> None:
    await place.sink("billing", Peers(users=(ME, str(SOMEBODY)))).write(record())
    with ExitStack() as many:
        for _ in range(4):
            many.enter_context(place.connection())
        assert await place.ask_as(SOMEBODY, "/token/billing?format=raw") == (200, "token.one")


async def test_who_has_gone_makes_room_at_once(place: Street) -> None:
    for _ in range(3):
        with ExitStack() as many:
            for one in [many.enter_context(place.connection()) for _ in range(4)]:
                one.send(LONG_WAIT)
            with place.connection() as one_more:
                assert b" 503 " in await hear(one_more, PATIENCE)
        # Their ends are seen in the order in which they came, before the next one is taken in.
        assert await place.status("/token/billing") == 200


@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"x" * 100_000,
        b"\r\n".join(b"X-%d: x" % number for number in range(10_000)),
        b"GET / HTTP/1.1",
        b"Content-Length: -1",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"X\x00: x",
    ],
    ids=["a long line", "many lines", "no header", "a negative length", "two lengths", "a NUL"],
)
async def test_a_head_that_is_none_gets_no_token(place: Street, head: bytes) -> None:
    loop = asyncio.get_running_loop()
    with place.connection() as asking:
        with_end = QUESTION + head + b"\r\n\r\n"
        try:
            await asyncio.wait_for(loop.sock_sendall(asking, with_end), DEADLINE)
        except (BrokenPipeError, ConnectionResetError):
            return
        heard = await hear(asking)
    assert b"token.one" not in heard
    assert heard == b"(reset)" or heard.split(b" ", 2)[1] == b"400"


@pytest.mark.parametrize(
    "path", ["/token/../token/billing", "/token/%62illing", "//token/billing", "/token/billing/", "*", "http://rotator"]
)
async def test_a_name_is_taken_as_it_is_written(place: Street, path: str) -> None:
    with place.connection() as asking:
        asking.send(f"GET {path} HTTP/1.1\r\nHost: rotator\r\n\r\n".encode())
        heard = await hear(asking)
    assert b"token.one" not in heard
    assert heard.split(b" ", 2)[1] in {b"404", b"400"}


async def test_a_body_is_not_waited_for(place: Street) -> None:
    with place.connection() as asking:
        asking.send(QUESTION + b"Content-Length: 1000000\r\n\r\n")
        assert (await hear(asking)).startswith(b"HTTP/1.1 400 ")
