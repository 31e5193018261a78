"""A refresh token is never used twice by accident: claims, lost answers, stores that are away, processes that die."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Consent, Grant, Secret
from rotator.oauth.refreshing import CLAIM, Consented, ConsentedEndpoint, ConsentedSource, keep_sign_in
from rotator.testing import FakeClock, MemoryConsentStore, MemorySource

AWAY = RotationError(Code.VAULT_UNAVAILABLE, "Vault is away")
LOST = RotationError(Code.PROVIDER_TIMEOUT, "no answer came", ambiguous=True)
CLIENT = ClientCredentials("wallet", (), "v1")


@dataclass
class Server:
    """An authorization server that rotates refresh tokens and takes a second use for a theft.

    Attributes:
        good: The refresh token that it accepts; None once the family is revoked.
        used: What it was asked with.
        loses: Whether its next answer is lost on the way.
        rotates: Whether it gives a new refresh token each time.
    """

    clock: FakeClock
    good: str | None = "first"
    used: list[str] = field(default_factory=list)
    loses: bool = False
    rotates: bool = True

    async def mint(self, credentials: ClientCredentials) -> Grant:
        sent = credentials.further["refresh_token"].reveal()
        self.used.append(sent)
        if sent != self.good:
            self.good = None
            raise RotationError(Code.INVALID_GRANT, "the refresh token is not good")
        following = Secret(f"after {sent}") if self.rotates else None
        if following is not None:
            self.good = following.reveal()
        if self.loses:
            self.loses = False
            raise LOST
        return Grant(Secret(f"token.{len(self.used)}"), self.clock.now(), 600.0, "openid user", refresh_token=following)


class Cut(Server):
    """A server on whose answer the store goes away, for one write."""

    def __init__(self, clock: FakeClock, store: MemoryConsentStore) -> None:
        super().__init__(clock)
        self.store = store

    async def mint(self, credentials: ClientCredentials) -> Grant:
        grant = await super().mint(credentials)
        self.store.faults.next("write", AWAY)
        return grant


class Bench:
    """Processes that share a store and a server."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.server = Server(self.clock)
        signed_in = Consent(Secret("first"), "login-1", datetime(2026, 1, 1, tzinfo=UTC), version=1)
        self.shelf = [signed_in]

    def process(self) -> tuple[Consented, MemoryConsentStore]:
        store = MemoryConsentStore(self.shelf)
        return Consented(store, self.clock, "wallet"), store

    @property
    def kept(self) -> str:
        return self.shelf[-1].refresh_token.reveal()


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def failure(consented: Consented, server: Server) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await consented.mint(CLIENT, server)
    return caught.value


async def test_each_answer_brings_the_token_of_the_next_request_and_claims_are_given_back(bench: Bench) -> None:
    consented, _ = bench.process()
    for expected in ("first", "after first", "after after first"):
        grant = await consented.mint(CLIENT, bench.server)
        assert bench.server.used[-1] == expected
        assert grant.refresh_token is None, "nobody else has to know it"
    assert bench.kept == bench.server.good
    assert bench.shelf[-1].claimed_by == ""


async def test_a_server_that_does_not_rotate_is_asked_with_the_same_token_again(bench: Bench) -> None:
    bench.server.rotates = False
    consented, _ = bench.process()
    for _ in range(3):
        await consented.mint(CLIENT, bench.server)
    assert bench.server.used == ["first"] * 3
    assert bench.kept == "first"


async def test_a_refresh_token_is_claimed_in_the_store_before_it_is_sent(bench: Bench) -> None:
    consented, _ = bench.process()
    seen = []

    class Watched(Server):
        async def mint(self, credentials: ClientCredentials) -> Grant:
            seen.append((bench.kept, bench.shelf[-1].claimed_by != ""))
            return await super().mint(credentials)

    await consented.mint(CLIENT, Watched(bench.clock))
    assert seen == [("first", True)]


async def test_a_token_that_cannot_be_claimed_is_not_sent(bench: Bench) -> None:
    consented, store = bench.process()
    with store.faults.on("write", AWAY):
        assert (await failure(consented, bench.server)).code is Code.VAULT_UNAVAILABLE
    assert bench.server.used == []


async def test_h01_another_process_waits_while_a_token_is_claimed_and_does_not_send_it(bench: Bench) -> None:
    one, _ = bench.process()
    two, _ = bench.process()
    during = []

    class Slow(Server):
        async def mint(self, credentials: ClientCredentials) -> Grant:
            during.append((await failure(two, bench.server)).code)
            return await super().mint(credentials)

    slow = Slow(bench.clock)
    await one.mint(CLIENT, slow)
    assert during == [Code.GRANT_CLAIMED]
    assert (slow.used, bench.server.used) == (["first"], [])


async def test_h01_of_two_that_claim_at_the_same_moment_one_wins(bench: Bench) -> None:
    two, _ = bench.process()

    class Overtaken(MemoryConsentStore):
        async def write(self, consent: Consent) -> Consent:
            await two.mint(CLIENT, bench.server)
            return await super().write(consent)

    late = Consented(Overtaken(bench.shelf), bench.clock, "wallet")
    assert (await failure(late, bench.server)).code is Code.GRANT_CLAIMED
    assert bench.server.used == ["first"]


async def test_the_claim_of_a_process_that_died_lapses_by_our_own_clock(bench: Bench) -> None:
    bench.shelf.append(replace(bench.shelf[-1], claimed_by="the dead", version=2))
    consented, _ = bench.process()
    assert (await failure(consented, bench.server)).code is Code.GRANT_CLAIMED
    bench.clock.advance(CLAIM - 1)
    assert (await failure(consented, bench.server)).code is Code.GRANT_CLAIMED
    assert bench.server.used == []
    bench.clock.advance(1)
    await consented.mint(CLIENT, bench.server)
    assert bench.server.used == ["first"]


async def test_a_claim_that_is_renewed_does_not_lapse(bench: Bench) -> None:
    consented, _ = bench.process()
    for version in (2, 3):
        bench.shelf.append(replace(bench.shelf[-1], claimed_by="the busy", version=version))
        assert (await failure(consented, bench.server)).code is Code.GRANT_CLAIMED
        bench.clock.advance(CLAIM - 1)
    assert (await failure(consented, bench.server)).code is Code.GRANT_CLAIMED


async def test_v02_an_answer_that_cannot_be_stored_costs_no_token_and_is_stored_before_it_is_used(bench: Bench) -> None:
    consented, store = bench.process()
    server = Cut(bench.clock, store)
    await consented.mint(CLIENT, server)
    assert bench.kept == "first", "what was claimed is still there"
    with store.faults.on("write", AWAY), pytest.raises(RotationError):
        await consented.mint(CLIENT, server)
    assert server.used == ["first"], "the new one is not used before it is stored"
    assert await consented.login() == "login-1"
    assert bench.kept == "after first", "a look stores it"
    await consented.mint(CLIENT, server)
    assert server.used == ["first", "after first"]


async def test_an_answer_that_could_not_be_stored_is_stored_at_the_end(bench: Bench) -> None:
    consented, store = bench.process()
    await consented.mint(CLIENT, Cut(bench.clock, store))
    await consented.close()
    assert bench.kept == "after first"


async def test_p07_a_lost_answer_is_asked_for_again_with_the_same_token_and_a_dead_family_is_told_of(
    bench: Bench,
) -> None:
    consented, _ = bench.process()
    bench.server.loses = True
    assert (await failure(consented, bench.server)).ambiguous
    ended = await failure(consented, bench.server)
    assert bench.server.used == ["first", "first"]
    assert ended.code is Code.LOGIN_ENDED
    assert "the sign-in for wallet was at 2026-01-01 00:00 UTC" in ended.detail
    assert not ended.code.retryable


async def test_a_refusal_while_somebody_signed_in_anew_is_tried_again_with_what_they_got(bench: Bench) -> None:
    consented, _ = bench.process()

    class Meanwhile(Server):
        async def mint(self, credentials: ClientCredentials) -> Grant:
            fresh = Consent(Secret("anew"), "login-2", datetime(2026, 2, 2, tzinfo=UTC), "", bench.shelf[-1].version)
            await MemoryConsentStore(bench.shelf).write(fresh)
            return await super().mint(credentials)

    assert (await failure(consented, Meanwhile(bench.clock, good=None))).code is Code.GRANT_CLAIMED
    bench.server.good = "anew"
    await consented.mint(CLIENT, bench.server)
    assert bench.server.used == ["anew"]


async def test_nobody_has_signed_in_yet(bench: Bench) -> None:
    bench.shelf.clear()
    consented, _ = bench.process()
    missing = await failure(consented, bench.server)
    assert (missing.code, missing.detail) == (
        Code.LOGIN_MISSING,
        "nobody has signed in for wallet: there is nothing at memory",
    )


async def test_a_new_sign_in_makes_the_credentials_others_and_a_refresh_does_not(bench: Bench) -> None:
    consented, _ = bench.process()
    source = ConsentedSource(MemorySource(), consented)
    before = (await source.read()).version
    await ConsentedEndpoint(bench.server, consented).mint(CLIENT)
    assert (await source.read()).version == before
    fresh = Consent(Secret("anew"), "login-2", datetime(2026, 2, 2, tzinfo=UTC), "", bench.shelf[-1].version)
    await MemoryConsentStore(bench.shelf).write(fresh)
    assert (await source.read()).version != before


async def test_a_new_sign_in_is_kept_although_a_rotator_refreshes_the_one_before_meanwhile(bench: Bench) -> None:
    running, _ = bench.process()

    class Busy(MemoryConsentStore):
        refreshes = 2

        async def vacant(self) -> int:
            version = await super().vacant()
            if self.refreshes:
                self.refreshes -= 1
                await running.mint(CLIENT, bench.server)
            return version

    kept = await keep_sign_in(Busy(bench.shelf), Secret("anew"), datetime(2026, 2, 2, tzinfo=UTC))
    assert bench.shelf[-1] == kept
    assert (bench.kept, kept.claimed_by) == ("anew", "")
    assert kept.login != "login-1"


async def test_a_store_that_is_away_is_told_to_whoever_signs_in(bench: Bench) -> None:
    store = MemoryConsentStore(bench.shelf)
    store.faults.next("write", AWAY)
    with pytest.raises(RotationError) as caught:
        await keep_sign_in(store, Secret("anew"), datetime(2026, 2, 2, tzinfo=UTC))
    assert caught.value.code is Code.VAULT_UNAVAILABLE
    assert bench.kept == "first"
