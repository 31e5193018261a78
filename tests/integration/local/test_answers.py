"""What a consumer at the local socket is answered: always the freshest token, as it wants to have it."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import pytest

from rotator.contract import record
from rotator.local.peers import Peers
from rotator.testing import FakeClock
from tests.integration.local.street import ME, Street, as_root, street, with_curl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

US = Peers(users=(ME,))


@pytest.fixture
async def place() -> AsyncIterator[Street]:
    async with street() as opened:
        yield opened


async def test_the_record_is_answered_as_json(place: Street) -> None:
    await place.sink("billing", US).write(record())
    status, body, headers = await place.ask("/token/billing")
    assert (status, json.loads(body)) == (200, record().fields())
    assert headers["Content-Type"] == "application/json; charset=utf-8"


async def test_fields_have_the_names_that_consumers_want(place: Street) -> None:
    await place.sink("billing", US, {"token": "access_token"}).write(record())
    document = json.loads((await place.ask("/token/billing"))[1])
    assert document["token"] == "token.one"
    assert "access_token" not in document


async def test_the_token_alone_is_answered_on_request(place: Street) -> None:
    await place.sink("billing", US).write(record())
    assert (await place.ask("/token/billing?format=raw"))[1] == "token.one"
    assert (await place.ask("/token/billing", Accept="text/plain"))[1] == "token.one"
    assert json.loads((await place.ask("/token/billing?format=json", Accept="text/plain"))[1]) == record().fields()


async def test_a_line_for_curl_is_answered_on_request(place: Street) -> None:
    await place.sink("billing", US).write(record())
    assert (await place.ask("/token/billing?format=header"))[1] == "Authorization: Bearer token.one\n"


async def test_the_next_question_is_answered_with_the_next_token(place: Street) -> None:
    sink = place.sink("billing", US)
    for number in range(3):
        await sink.write(record(str(number), life=600 + number))
        assert (await place.ask("/token/billing?format=raw"))[1] == f"token.{number}"


@pytest.mark.parametrize("path", ["/token/billing", "/token/nobody", "/", "/token/billing?format=none"])
async def test_nothing_is_to_be_kept_by_anybody_on_the_way(place: Street, path: str) -> None:
    await place.sink("billing", US).write(record())
    assert (await place.ask(path))[2]["Cache-Control"] == "no-store"


async def test_the_fingerprint_is_told_beside_the_token(place: Street) -> None:
    await place.sink("billing", US).write(record())
    assert (await place.ask("/token/billing?format=raw"))[2]["Etag"] == f'"{record().fingerprint}"'


async def test_head_gives_the_head_only(place: Street) -> None:
    await place.sink("billing", US).write(record())
    status, body, headers = await place.ask("/token/billing?format=raw", "HEAD")
    assert (status, body, headers["Content-Length"]) == (200, "", str(len("token.one")))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused_with_those_that_there_are(place: Street, method: str) -> None:
    await place.sink("billing", US).write(record())
    status, body, headers = await place.ask("/token/billing", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert "token.one" not in body


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("format=xml", "?format=json|raw|header"),
        ("shape=raw", "?format=json|raw|header"),
        ("wait=5", "wait=0s to wait=60s"),
        ("wait=61s", "wait=0s to wait=60s"),
        ("newer=token.one", "12 hex digits"),
    ],
)
async def test_a_question_that_makes_no_sense_is_answered_with_what_was_wanted(
    place: Street, query: str, wanted: str
) -> None:
    await place.sink("billing", US).write(record())
    status, body, _ = await place.ask(f"/token/billing?{query}")
    assert status == 400
    assert wanted in body


async def test_before_the_first_token_one_is_asked_to_come_again(place: Street) -> None:
    place.sink("billing", US)
    status, _, headers = await place.ask("/token/billing")
    assert (status, headers["Retry-After"]) == (503, "2")


async def test_an_expired_token_is_given_to_nobody() -> None:
    clock = FakeClock(record().issued_at)
    async with street(clock) as place:
        await place.sink("billing", US).write(record(life=600))
        clock.advance(599)
        assert await place.status("/token/billing") == 200
        clock.advance(1)
        assert await place.status("/token/billing") == 503


async def test_c01_a_step_of_the_wall_clock_neither_ends_a_token_nor_lengthens_its_life() -> None:
    clock = FakeClock(record().issued_at)
    async with street(clock) as place:
        await place.sink("billing", US).write(record(life=600))
        clock.step(3600)
        assert await place.status("/token/billing") == 200
        clock.step(-7200)
        clock.advance(600)
        assert await place.status("/token/billing") == 503


async def test_a_credential_that_was_removed_leaves_no_token_behind(place: Street) -> None:
    place.sink("other", US)
    await place.sink("billing", US).write(record())
    place.remove("billing")
    assert await place.status("/token/billing") == 404
    place.sink("billing", US)
    assert await place.status("/token/billing") == 503


async def test_a_changed_sink_goes_on_with_the_token_that_it_has(place: Street) -> None:
    await place.sink("billing", US).write(record())
    assert await place.sink("billing", Peers(users=(ME, "12345"))).read() == record()
    assert await place.status("/token/billing") == 200


async def test_who_waits_gets_the_next_token_when_it_is_there(place: Street) -> None:
    sink = place.sink("billing", US)
    await sink.write(record())
    waiting = asyncio.create_task(place.ask(f"/token/billing?format=raw&wait=30s&newer={record().fingerprint}"))
    await until_it_waits(place)
    await sink.write(record("two", life=700))
    assert (await waiting)[:2] == (200, "token.two")


async def test_who_waits_for_the_first_token_gets_it(place: Street) -> None:
    sink = place.sink("billing", US)
    waiting = asyncio.create_task(place.ask("/token/billing?format=raw&wait=30s"))
    await until_it_waits(place)
    await sink.write(record())
    assert (await waiting)[:2] == (200, "token.one")


async def test_who_has_an_older_token_does_not_wait(place: Street) -> None:
    await place.sink("billing", US).write(record())
    assert await place.status("/token/billing?wait=30s&newer=0123456789ab") == 200


async def test_who_has_waited_in_vain_is_told_that_nothing_has_changed(place: Street) -> None:
    await place.sink("billing", US).write(record())
    status, body, _ = await place.ask(f"/token/billing?wait=1s&newer={record().fingerprint}")
    assert (status, body) == (304, "")


async def test_who_may_not_have_it_any_more_does_not_get_what_he_waited_for(place: Street) -> None:
    sink = place.sink("billing", US)
    waiting = asyncio.create_task(place.ask("/token/billing?wait=30s"))
    await until_it_waits(place)
    place.sink("billing", Peers(users=("12345",)))
    assert (await waiting)[0] == 403
    assert await sink.read() is None


async def test_who_waits_when_the_server_stops_is_told_to_come_again(place: Street) -> None:
    place.sink("billing", US)
    waiting = asyncio.create_task(place.ask("/token/billing?wait=30s"))
    await until_it_waits(place)
    await place.server.stop()
    assert (await waiting)[0] == 503


async def until_it_waits(place: Street) -> None:
    """Another question is asked and answered after it: its turn has come before."""
    await asyncio.sleep(0.1)  # the question has to be on its way
    await place.ask("/token/nobody")


async def test_each_answer_is_counted_by_what_became_of_it(place: Street) -> None:
    sink = place.sink("billing", US)
    await place.ask("/token/billing")
    await sink.write(record())
    for path in (
        "/token/billing",
        f"/token/billing?newer={record().fingerprint}",
        "/token/nobody",
        "/token/billing?a=b",
    ):
        await place.ask(path)
    place.sink("billing", Peers(users=("12345",)))
    await place.ask("/token/billing")
    assert place.tally.results == ["unavailable", "served", "unchanged", "unknown", "unusable", "refused"]


@with_curl
@as_root
async def test_a_consumer_needs_nothing_but_curl(place: Street) -> None:
    await place.sink("billing", Peers(users=("4711",))).write(record())
    assert await place.ask_as(4711, "/token/billing?format=raw") == (200, "token.one")
    assert os.geteuid() == 0
