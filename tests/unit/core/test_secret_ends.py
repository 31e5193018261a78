"""What a rotation tells of the end of its client secret, look by look."""

from __future__ import annotations

from datetime import timedelta

from rotator.core.errors import Code, RotationError
from rotator.core.rotation import Rotation
from rotator.testing import EPOCH, RecordingJournal
from tests.unit.core.desk import OPEN, Desk

DAY = 86400.0


def told(desk: Desk) -> list[object]:
    return [fields["within_days"] for fields in desk.journal.named("credential.expiring")]


async def test_of_a_source_that_names_no_end_nothing_is_told(desk: Desk) -> None:
    await desk.run()
    await desk.run(after=400 * DAY)
    assert told(desk) == []


async def test_each_day_is_told_with_the_end_what_is_left_and_the_cure(desk: Desk) -> None:
    end = EPOCH + timedelta(days=40)
    desk.source.store("client", "secret", expires=end)
    await desk.run()
    assert told(desk) == []
    await desk.run(after=10 * DAY)
    (fields,) = desk.journal.named("credential.expiring")
    assert (fields.pop("cure") != "", fields) == (
        True,
        {"credential": "billing", "provider": "thx", "expires_at": end, "days_left": 30.0, "within_days": 30},
    )
    for _ in range(45):
        await desk.run(after=DAY)
    assert told(desk) == [30, 7, 1, 0]
    assert desk.journal.named("credential.expiring")[-1]["days_left"] == 0.0


async def test_a_start_within_the_last_days_tells_it_at_once_and_no_pass_tells_it_again(desk: Desk) -> None:
    desk.source.store("client", "secret", expires=EPOCH + timedelta(days=3))
    for _ in range(20):
        await desk.run(after=60)
    assert told(desk) == [7]


async def test_a_new_secret_with_an_end_of_its_own_is_told_of_anew(desk: Desk) -> None:
    desk.source.store("client", "secret", expires=EPOCH + timedelta(days=3))
    await desk.run()
    desk.source.store("client", "new secret", expires=EPOCH + timedelta(days=365))
    await desk.run(after=60)
    await desk.run(after=360 * DAY)
    assert told(desk) == [7, 7]


async def test_an_end_that_is_no_longer_named_is_not_told(desk: Desk) -> None:
    desk.source.store("client", "secret", expires=EPOCH + timedelta(days=40))
    await desk.run()
    desk.source.store("client", "secret")
    await desk.run(after=60)
    await desk.run(after=50 * DAY)
    assert told(desk) == []


async def test_it_is_told_also_while_the_source_cannot_be_read(desk: Desk) -> None:
    desk.source.store("client", "secret", expires=EPOCH + timedelta(days=31))
    await desk.run()
    with desk.source.faults.on("read", RotationError(Code.VAULT_UNAVAILABLE, "sealed")):
        await desk.run(after=2 * DAY)
    assert told(desk) == [30]


async def test_c01_a_wall_clock_that_is_set_ahead_and_back_tells_it_once(desk: Desk) -> None:
    desk.source.store("client", "secret", expires=EPOCH + timedelta(days=365))
    for step in (0, 400, -400, 400, -400):
        desk.clock.step(step * DAY)
        desk.rotation.clock_was_set()
        await desk.run(after=60)
    assert told(desk) == [0]


async def test_a_changed_configuration_makes_no_news_of_it_r05(desk: Desk) -> None:
    desk.source.store("client", "secret", expires=EPOCH + timedelta(days=3))
    await desk.run()
    journal = RecordingJournal()
    after = Rotation(desk.spec, desk.source, desk.endpoint, desk.sinks, desk.clock, journal)
    after.inherit(desk.rotation)
    await after.run(OPEN)
    assert journal.named("credential.expiring") == []
