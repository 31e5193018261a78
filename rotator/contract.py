"""What every source and every sink does, whatever it is made of: a subclass says how to open one, and pytest runs it.

`rotator.core.ports` holds the contract in words, and each test here is a sentence of it. Needs pytest, and
pytest-asyncio with `asyncio_mode = "auto"`; docs/howto/plugins.md shows a subclass for a plugin.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import distribution
from typing import TYPE_CHECKING, Protocol

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.engine.clock import SystemClock
from rotator.plugged import finding
from rotator.plugged.site import Site
from rotator.settings.packages import read_secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rotator.core.document import Wanted
    from rotator.core.ports import Sink, Source

GROUPS = {group.name: group for group in finding.GROUPS}

NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251  records are dated near now, or a sink may find them old


def site(credential: str = "billing", name: str = "place", wanted: Wanted | None = None) -> Site:
    """What a part of a plugin is handed, as rotator hands it.

    Args:
        credential: The name of the credential.
        name: Of a sink, `TYPE:PLACE`.
        wanted: Which fields a source's document has to hold.
    """
    return Site(credential, name, SystemClock(), partial(read_secret, shared=False), wanted)


def record(name: str = "one", life: int = 600, inputs: str = "inputs", scope: str = "openid admin") -> TokenRecord:
    """A record of a token that is called `name`."""
    token = Secret(f"token.{name}")
    return TokenRecord(token, NOW, NOW + timedelta(seconds=life), life, scope, fingerprint(token), inputs)


class SinkContract:
    """Needs a fixture `open_sink`: each call opens the same place anew, as another process would."""

    async def test_a_place_that_was_never_written_holds_nothing(self, open_sink: Callable[[], Sink]) -> None:
        assert await open_sink().read() is None

    async def test_its_name_is_its_kind_and_its_place(self, open_sink: Callable[[], Sink]) -> None:
        sink = open_sink()
        assert sink.name.startswith(f"{sink.kind}:")

    async def test_a_write_returns_what_the_place_holds_and_a_read_finds_it(
        self, open_sink: Callable[[], Sink]
    ) -> None:
        sink = open_sink()
        assert await sink.write(record()) == record()
        assert await sink.read() == record()

    async def test_another_reader_finds_what_was_written(self, open_sink: Callable[[], Sink]) -> None:
        await open_sink().write(record())
        assert await open_sink().read() == record()

    async def test_a_newer_token_replaces_an_older_one_again_and_again(self, open_sink: Callable[[], Sink]) -> None:
        sink = open_sink()
        for number in range(5):
            await sink.write(record(str(number), life=600 + number))
        assert await sink.read() == record("4", life=604)

    async def test_a_record_without_a_scope_is_kept(self, open_sink: Callable[[], Sink]) -> None:
        sink = open_sink()
        await sink.write(record(scope=""))
        assert await sink.read() == record(scope="")

    async def test_a_better_token_of_another_writer_is_not_replaced_but_returned(
        self, open_sink: Callable[[], Sink]
    ) -> None:
        await open_sink().write(record("theirs", life=900))
        assert await open_sink().write(record("mine", life=600)) == record("theirs", life=900)
        assert await open_sink().read() == record("theirs", life=900)

    async def test_a_token_from_other_inputs_is_replaced_although_it_lives_longer(
        self, open_sink: Callable[[], Sink]
    ) -> None:
        await open_sink().write(record("old", life=900, inputs="before"))
        await open_sink().write(record("new", life=600, inputs="after"))
        assert await open_sink().read() == record("new", life=600, inputs="after")

    async def test_c01_the_same_token_with_its_true_times_replaces_what_a_wrong_clock_wrote(
        self, open_sink: Callable[[], Sink]
    ) -> None:
        hour = timedelta(hours=1)
        true = record()
        wrong = replace(true, issued_at=true.issued_at + hour, expires_at=true.expires_at + hour)
        sink = open_sink()
        await sink.write(wrong)
        await sink.write(true)
        assert await open_sink().read() == true

    async def test_a_write_that_is_cancelled_leaves_the_old_or_the_new(self, open_sink: Callable[[], Sink]) -> None:
        old, new = record("old"), record("new", life=700)
        await open_sink().write(old)
        for steps in range(12):
            sink = open_sink()
            write = asyncio.ensure_future(sink.write(new))
            for _ in range(steps):
                await asyncio.sleep(0)
            write.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await write
            assert await sink.read() in {old, new}
            await sink.write(new)
            assert await sink.read() == new

    async def test_a_check_changes_nothing(self, open_sink: Callable[[], Sink]) -> None:
        sink = open_sink()
        await sink.check()
        assert await sink.read() is None
        await sink.write(record())
        await open_sink().check()
        assert await open_sink().read() == record()

    async def test_its_repr_shows_no_token(self, open_sink: Callable[[], Sink]) -> None:
        sink = open_sink()
        written = await sink.write(record())
        # With what stands in slots, which `vars` does not know.
        assert record().access_token.reveal() not in f"{sink!r} {written!r} {object.__getstate__(sink)!r}"


class Store(Protocol):
    """Where a source reads, with the hand of whoever fills it."""

    def open(self) -> Source:
        """A source on the place, as another process would open it."""

    def store(self, client_id: str, *secrets: str) -> Awaitable[object]:
        """Write the document anew."""


class SourceContract:
    """Needs a fixture `place`, a `Store` that holds nothing yet."""

    async def test_secrets_are_read_in_their_order(self, place: Store) -> None:
        await place.store("client", "new secret", "old secret")
        read = await place.open().read()
        assert (read.client_id, read.secrets) == ("client", (Secret("new secret"), Secret("old secret")))

    async def test_a_document_with_one_secret_gives_one(self, place: Store) -> None:
        await place.store("client", "secret")
        assert (await place.open().read()).secrets == (Secret("secret"),)

    async def test_two_readers_of_the_same_document_see_the_same_version(self, place: Store) -> None:
        await place.store("client", "secret")
        source = place.open()
        assert (await source.read()).version == (await source.read()).version == (await place.open().read()).version

    @pytest.mark.parametrize(
        "changed", [("client", "changed"), ("changed", "secret"), ("client", "secret", "added")], ids=str
    )
    async def test_p45_a_changed_document_has_another_version(self, place: Store, changed: tuple[str, ...]) -> None:
        await place.store("client", "secret")
        source = place.open()
        before = await source.read()
        await place.store(*changed)
        assert (await source.read()).version != before.version

    async def test_the_version_tells_nothing_of_the_secret(self, place: Store) -> None:
        await place.store("client", "hush")
        assert "hush" not in repr(await place.open().read())
        assert "hush" not in (await place.open().read()).version

    async def test_p46_reserved_characters_and_other_scripts_arrive_as_they_are(self, place: Store) -> None:
        await place.store("a:b%/+ z&=", "ключ +%&\t€")
        read = await place.open().read()
        assert (read.client_id, read.secrets) == ("a:b%/+ z&=", (Secret("ключ +%&\t€"),))

    async def test_v16_a_place_that_holds_nothing_is_a_missing_secret(self, place: Store) -> None:
        with pytest.raises(RotationError) as caught:
            await place.open().read()
        assert caught.value.code is Code.SECRET_MISSING


class KindContract:
    """Needs the package to be installed; `distribution` is its name, as in pyproject.toml.

    Attributes:
        distribution: See above.
    """

    distribution: str

    def test_rotator_takes_every_kind_of_the_package(self) -> None:
        points = [point for point in distribution(self.distribution).entry_points if point.group in GROUPS]
        assert points, f"{self.distribution} has no entry point in {', '.join(GROUPS)}"
        for point in points:
            found = finding.find(GROUPS[point.group], point.name)
            assert found.distribution == self.distribution
