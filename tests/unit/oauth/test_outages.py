"""A place that is away is found out by one, and left alone by all."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.oauth.checks.check import refused, unavailable
from rotator.oauth.checks.outages import PAUSE, SPACING, Outages
from rotator.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

API = "the API at https://api.example.com/"


@dataclass
class Place:
    """Somebody to ask."""

    clock: FakeClock = field(default_factory=FakeClock)
    answers: RotationError | None = None
    asked: int = 0

    def __post_init__(self) -> None:
        self.outages = Outages(self.clock)

    async def _answer(self) -> str:
        self.asked += 1
        await asyncio.sleep(0)
        if self.answers is not None:
            raise self.answers
        return "good"

    async def ask(self, after: float = 0.0, place: str = API, work: Callable[[], Awaitable[str]] | None = None) -> str:
        """What comes of it, in a word."""
        self.clock.advance(after)
        try:
            return await self.outages.ask(place, work or self._answer)
        except RotationError as error:
            return error.detail


async def test_who_answers_is_asked_each_time() -> None:
    place = Place()
    assert [await place.ask(), await place.ask()] == ["good", "good"]
    assert place.asked == 2


async def test_who_did_not_answer_is_left_alone_for_five_seconds_and_the_same_is_told_meanwhile() -> None:
    place = Place(answers=unavailable("it answered 503"))
    await place.ask()
    place.answers = None
    assert await place.ask(after=PAUSE - 0.1) == "it answered 503"
    assert place.asked == 1
    assert await place.ask(after=0.1) == "good"
    assert await place.ask() == "good"


async def test_who_asks_to_be_left_alone_for_longer_is() -> None:
    place = Place(answers=unavailable("it answered 429", 30.0))
    await place.ask()
    place.answers = None
    assert await place.ask(after=29) == "it answered 429"
    assert await place.ask(after=1) == "good"


async def test_after_the_pause_one_goes_first_and_the_others_wait_for_what_it_finds() -> None:
    place = Place(answers=unavailable("it answered 503"))
    await place.ask()
    place.clock.advance(PAUSE)
    found = await asyncio.gather(*(place.ask() for _ in range(100)))
    assert set(found) == {"it answered 503"}
    assert place.asked == 2


async def test_all_who_wait_are_told_to_come_again_one_by_one_a_hundred_in_a_second() -> None:
    place = Place(answers=unavailable("it answered 503"))
    told = []
    for _ in range(2):
        for _ in range(300):
            with pytest.raises(RotationError) as caught:
                await place.outages.ask(API, place._answer)
            assert caught.value.retry_after is not None
            told.append(place.clock.now().elapsed + caught.value.retry_after)
        place.clock.advance(PAUSE)
    assert place.asked == 2
    assert told[0] >= 1000 + PAUSE
    gaps = [after - before for before, after in itertools.pairwise(told)]
    assert min(gaps) == pytest.approx(SPACING)
    assert sum(gaps) < 600 * SPACING + PAUSE + SPACING


async def test_a_verdict_is_an_answer() -> None:
    place = Place(answers=refused("it is no good"))
    assert [await place.ask(), await place.ask()] == ["it is no good"] * 2
    place.answers = unavailable("it answered 503")
    await place.ask()
    place.answers = refused("it is no good")
    assert await place.ask(after=PAUSE) == "it is no good"
    place.answers = None
    assert await place.ask() == "good"


async def test_one_place_that_is_away_says_nothing_of_another() -> None:
    place = Place(answers=unavailable("it answered 503"))
    await place.ask()
    place.answers = None
    assert await place.ask(place="another") == "good"


async def test_who_hangs_until_nobody_waits_any_more_is_left_alone_as_well() -> None:
    place = Place()

    async def hang() -> str:
        await asyncio.Event().wait()
        return "never"

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(place.ask(work=hang), 0.01)
    assert await place.ask() == f"{API} did not answer in time"
    assert place.asked == 0


async def test_what_is_told_meanwhile_is_that_the_check_could_not_be_made() -> None:
    place = Place(answers=unavailable("away"))
    await place.ask()
    with pytest.raises(RotationError) as caught:
        await place.outages.ask(API, place._answer)
    assert caught.value.code is Code.VERIFY_UNAVAILABLE
