"""When tokens are revoked that nobody needs any more, in virtual time. Tokens live for 600 s and are left for 120 s."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import CredentialSpec, Secret, TokenRecord, fingerprint
from rotator.core.observation import Surroundings
from rotator.core.rotation import Rotation
from rotator.engine.revoking import ATTEMPTS, Revoker
from rotator.testing import (
    LoopClock,
    MemoryEndpoint,
    MemorySink,
    MemorySource,
    RecordingJournal,
    run_in_virtual_time,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

AFTER = 120.0
OPEN = Surroundings()
DOWN = RotationError(Code.PROVIDER_UNAVAILABLE, "the revocation endpoint answered with status 503")
REFUSED = RotationError(Code.PROVIDER_REFUSED, "the revocation endpoint answered with status 400")


class Line:
    """A rotation with two sinks, whose superseded tokens are revoked."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.journal = RecordingJournal()
        self.endpoint = MemoryEndpoint(self.clock)
        self.source = MemorySource()
        self.sinks = [MemorySink(f"memory:{number}") for number in range(2)]
        self.revoked: list[tuple[str, float]] = []
        self.asked = 0
        self.answers: list[RotationError | Exception] = []
        self.lasts = 0.0
        self.turn = asyncio.Semaphore(1)
        self.began = self.clock.now().elapsed
        self.start()

    def start(self, identity: str = "thx") -> None:
        """Begin anew, as after a restart."""
        spec = CredentialSpec("billing", "thx", (("token_url", identity),))
        self.revoker = Revoker(spec, AFTER, self._revoke, self.sinks, self.turn, self.clock, self.journal)
        look = self.revoker.look
        self.rotation = Rotation(spec, self.source, self.endpoint, self.sinks, self.clock, self.journal, look)

    async def _revoke(self, token: Secret) -> None:
        self.asked += 1
        await asyncio.sleep(self.lasts)
        if self.answers:
            raise self.answers.pop(0)
        self.revoked.append((token.reveal(), self.clock.now().elapsed - self.began))

    async def run(self, after: float = 0.0) -> None:
        await asyncio.sleep(after)
        await self.rotation.run(OPEN)

    async def renewed(self) -> None:
        """One token, and its successor at second 300."""
        await self.run()
        await self.run(after=300)

    @property
    def tokens(self) -> list[str]:
        return [token for token, _ in self.revoked]

    @property
    def when(self) -> list[float]:
        return [at for _, at in self.revoked]


def story(work: Callable[[Line], Coroutine[object, object, None]]) -> Line:
    async def told() -> Line:
        line = Line()
        await work(line)
        await line.revoker.close()
        return line

    return run_in_virtual_time(told())


def test_a_superseded_token_is_revoked_so_long_after_every_sink_holds_the_new_one() -> None:
    async def work(line: Line) -> None:
        await line.renewed()
        await asyncio.sleep(AFTER + 1)

    line = story(work)
    assert line.when == [pytest.approx(420)]
    (told,) = line.journal.named("token.revoked")
    minted = line.journal.named("token.minted")[0]
    assert told == {
        "credential": "billing",
        "provider": "thx",
        "fingerprint": minted["fingerprint"],
        "remaining_s": pytest.approx(180),
    }


def test_tokens_are_revoked_one_after_the_other_as_they_are_superseded_and_each_once() -> None:
    async def work(line: Line) -> None:
        for _ in range(40):
            await line.run(after=60)

    line = story(work)
    assert line.tokens == [f"client.token.{number}" for number in range(1, len(line.tokens) + 1)]
    assert len(line.tokens) > 5
    assert line.journal.named("token.revocation_failed") == []


def test_while_one_sink_cannot_be_written_nothing_is_revoked_and_the_time_counts_from_when_it_can() -> None:
    async def work(line: Line) -> None:
        line.endpoint.lifetime = 6000.0
        await line.run()
        line.rotation.force()
        with line.sinks[1].faults.on("write", RotationError(Code.FILE_NO_SPACE, "full")):
            await line.run(after=300)
            await asyncio.sleep(AFTER + 20)
            assert line.revoked == []
        await line.run(after=40)
        await asyncio.sleep(AFTER + 1)

    assert story(work).when == [pytest.approx(600)]


def test_a_pass_waits_for_no_revocation() -> None:
    async def work(line: Line) -> None:
        line.lasts = 1000.0
        await line.renewed()
        await asyncio.sleep(AFTER + 1)
        began = line.clock.now().elapsed
        await line.run()
        assert line.clock.now().elapsed - began < 0.1

    assert story(work).asked == 1


def test_a_token_that_another_rotator_has_put_back_into_a_sink_is_not_revoked() -> None:
    async def work(line: Line) -> None:
        await line.run()
        first = line.sinks[0].record
        await line.run(after=300)
        line.sinks[1].record = first
        await asyncio.sleep(AFTER + 1)

    line = story(work)
    assert line.asked == 0
    assert line.journal.named("token.revocation_failed") == []


def test_for_a_token_that_was_put_back_and_replaced_again_the_time_counts_anew() -> None:
    async def work(line: Line) -> None:
        line.endpoint.lifetime = 6000.0
        await line.run()
        first = line.sinks[0].record
        line.rotation.force()
        await line.run(after=300)
        with line.sinks[1].faults.on("write", RotationError(Code.FILE_NO_SPACE, "full")):
            line.sinks[1].record = first
            await line.run(after=60)
        await line.run(after=40)
        await asyncio.sleep(AFTER + 1)

    assert story(work).when == [pytest.approx(520)]


def test_a_token_that_is_handed_out_again_is_not_revoked() -> None:
    async def work(line: Line) -> None:
        line.endpoint.repeat = True
        line.endpoint._serial = 1
        for _ in range(9):
            await line.run(after=60)

    assert story(work).asked == 0


def test_a_token_that_is_handed_out_again_while_it_waits_to_be_revoked_is_not() -> None:
    async def work(line: Line) -> None:
        line.endpoint.lifetime = 1000.0
        await line.run()
        line.rotation.force()
        await line.run(after=300)
        line.endpoint._serial = 0
        line.endpoint.lifetime = 5000.0
        line.rotation.force()
        for sink in line.sinks:
            sink.faults.next("write", *[RotationError(Code.FILE_NO_SPACE, "full")] * 9)
        await line.run(after=60)
        assert line.rotation.seen.in_hand is not None
        assert line.rotation.seen.in_hand.access_token == Secret("client.token.1")
        await asyncio.sleep(AFTER + 1)

    assert story(work).asked == 0


def test_a_better_token_of_another_rotator_supersedes_ours_once_ours_is_not_in_hand_any_more() -> None:
    async def work(line: Line) -> None:
        await line.run()
        mine, theirs = line.rotation.seen.in_hand, Secret("client.token.theirs")
        assert mine is not None
        better = replace(mine, access_token=theirs, lifetime=650.0, fingerprint=fingerprint(theirs))
        for sink in line.sinks:
            sink.record = TokenRecord.of(better)
        await line.run(after=61)
        await asyncio.sleep(AFTER + 1)
        assert line.asked == 0, "it is in hand, should the sinks lose theirs"
        await line.run(after=170)
        await asyncio.sleep(AFTER + 1)

    assert story(work).tokens == ["client.token.1", "client.token.theirs"]


def test_what_is_not_revoked_yet_when_it_ends_by_itself_is_left_alone() -> None:
    async def work(line: Line) -> None:
        line.endpoint.lifetime = 200.0
        await line.run()
        await line.run(after=100)
        await asyncio.sleep(AFTER + 1)

    line = story(work)
    assert (line.asked, line.journal.named("token.revocation_failed")) == (0, [])


def test_one_whose_turn_comes_after_its_end_is_left_alone() -> None:
    async def work(line: Line) -> None:
        await line.renewed()
        async with line.turn:
            await asyncio.sleep(301)
        await asyncio.sleep(1)

    assert story(work).asked == 0


def test_what_is_pending_at_the_end_is_forgotten() -> None:
    async def work(line: Line) -> None:
        await line.renewed()
        await line.revoker.close()
        await asyncio.sleep(AFTER + 1)

    assert story(work).asked == 0


def test_a_restart_knows_of_no_superseded_token_but_of_those_that_the_sinks_still_hold() -> None:
    async def work(line: Line) -> None:
        await line.run()
        line.start()
        await line.run(after=60)
        await line.run(after=240)
        await asyncio.sleep(AFTER + 1)

    assert story(work).tokens == ["client.token.1"]


def test_a_token_that_may_be_of_another_provider_is_never_sent_to_this_one() -> None:
    async def work(line: Line) -> None:
        await line.run()
        line.start("https://another.example/token")
        line.endpoint.faults.next("mint", DOWN)
        await line.run(after=60)
        assert line.rotation.seen.sinks["memory:0"].holds is not None, "it is seen"
        await line.run(after=60)
        await asyncio.sleep(AFTER + 1)

    line = story(work)
    assert len(line.endpoint.requests) == 3
    assert line.asked == 0


def test_a_token_of_the_secret_before_is_revoked() -> None:
    async def work(line: Line) -> None:
        await line.run()
        line.source.store("client", "another")
        await line.run(after=60)
        await asyncio.sleep(AFTER + 1)

    assert story(work).tokens == ["client.token.1"]


def test_a_revocation_that_fails_in_passing_is_tried_again_and_told_of_when_it_is_done() -> None:
    async def work(line: Line) -> None:
        line.answers = [DOWN, DOWN]
        await line.renewed()
        await asyncio.sleep(AFTER + 40)

    line = story(work)
    assert line.when == [pytest.approx(450)]
    assert line.journal.named("token.revocation_failed") == []


def test_one_that_fails_for_good_is_told_of_once_and_with_its_cure() -> None:
    async def work(line: Line) -> None:
        line.answers = [REFUSED]
        await line.renewed()
        await asyncio.sleep(AFTER + 170)

    line = story(work)
    assert line.asked == 1
    (told,) = line.journal.named("token.revocation_failed")
    assert (told["error"], told["attempts"], told["cure"]) == ("provider_refused", 1, Code.PROVIDER_REFUSED.cure)
    assert "client.token" not in repr(told)


def test_of_tokens_that_all_fail_for_the_same_reason_the_first_is_told_of_until_one_succeeds() -> None:
    async def work(line: Line) -> None:
        for answers in ([REFUSED] * 3, [REFUSED]):
            line.answers = list(answers)
            while line.answers or not line.revoked:
                await line.run(after=60)

    told = [name for name, _ in story(work).journal.events if name.startswith("token.revo")]
    assert told == ["token.revocation_failed", "token.revoked", "token.revocation_failed"]


def test_one_that_goes_on_failing_is_given_up_after_some_tries() -> None:
    async def work(line: Line) -> None:
        line.endpoint.lifetime = 6000.0
        line.answers = [DOWN] * 99
        await line.run()
        line.rotation.force()
        await line.run(after=300)
        await asyncio.sleep(AFTER + 1000)

    line = story(work)
    assert line.asked == ATTEMPTS
    assert line.journal.named("token.revocation_failed")[0]["attempts"] == ATTEMPTS


def test_it_is_given_up_when_the_token_would_have_ended_before_the_next_try() -> None:
    async def work(line: Line) -> None:
        line.answers = [RotationError(Code.PROVIDER_THROTTLED, "429", retry_after=250.0)]
        await line.renewed()
        await asyncio.sleep(AFTER + 179)

    line = story(work)
    assert line.asked == 1
    assert len(line.journal.named("token.revocation_failed")) == 1


def test_a_sink_that_cannot_be_read_makes_it_wait_for_nobody_knows_who_holds_the_token() -> None:
    async def work(line: Line) -> None:
        await line.renewed()
        with line.sinks[0].faults.on("read", RotationError(Code.VAULT_UNAVAILABLE, "sealed")):
            await asyncio.sleep(AFTER + 5)
            assert line.asked == 0
        await asyncio.sleep(6)

    assert story(work).tokens == ["client.token.1"]


def test_a_bug_is_told_of_and_ends_nothing_else() -> None:
    async def work(line: Line) -> None:
        line.answers = [KeyError("client.token.1")] * 5
        await line.renewed()
        await asyncio.sleep(AFTER + 175)

    told = story(work).journal.named("token.revocation_failed")
    assert [fields["error"] for fields in told] == ["internal"]
    assert "client.token" not in repr(told)


def test_the_credentials_of_a_provider_take_turns() -> None:
    async def work(line: Line) -> None:
        line.lasts = 5.0
        others = []
        for number in range(3):
            spec = CredentialSpec(f"other-{number}", "thx", ())
            sinks = [MemorySink(f"memory:other-{number}")]
            revoker = Revoker(spec, AFTER, line._revoke, sinks, line.turn, line.clock, line.journal)
            endpoint = MemoryEndpoint(line.clock)
            rotation = Rotation(spec, line.source, endpoint, sinks, line.clock, line.journal, revoker.look)
            others.append(rotation)
        for after in (0, 300):
            await asyncio.sleep(after)
            for rotation in (line.rotation, *others):
                await rotation.run(OPEN)
        await asyncio.sleep(AFTER + 21)

    times = [at for _, at in story(work).revoked]
    assert times == pytest.approx([425, 430, 435, 440], abs=0.5)
