"""Client credentials from other secrets engines than KV: leased ones of the real RabbitMQ engine, and the cubbyhole.

`broker` says what the engine makes its users at.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rotator.contract import SourceContract
from rotator.core.document import Wanted
from rotator.core.errors import Code, RotationError
from rotator.core.model import Moment, Secret
from rotator.engine.clock import SystemClock
from rotator.vault.logins.token import TokenLogin
from rotator.vault.path_source import OVERLAP, PathSource
from rotator.vault.policies import stanza
from tests.integration.vault import broker
from tests.integration.vault.visits import settings, until, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

    from rotator.demo.bao import BaoServer
    from rotator.vault.session import VaultSession
    from tests.integration.vault.administration import Admin
    from tests.integration.vault.broker import Broker

NUMBERS = itertools.count()
TTL = 300
"""Seconds of a lease, as far as Vault is concerned: a test's clock is set on instead of waiting."""

USER = Wanted(names={"client_id": "username", "client_secret": "password"})


class FastClock:
    """The system's, and so much ahead of it."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self._ahead = 0.0

    def now(self) -> Moment:
        now = self._system.now()
        return Moment(now.wall, now.elapsed + self._ahead)

    def elapsed(self) -> float:
        return self.now().elapsed

    async def sleep(self, seconds: float) -> None:
        await self._system.sleep(seconds)

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


@pytest.fixture
def clock() -> FastClock:
    return FastClock()


@pytest_asyncio.fixture
async def users() -> AsyncIterator[Broker]:
    async with broker.running() as users:
        yield users


@pytest_asyncio.fixture
async def path(admin: Admin, users: Broker) -> AsyncIterator[str]:
    """A path that makes a user of the broker for each read, and leases it."""
    mount = f"rabbitmq/of-test-{next(NUMBERS)}"
    await admin.api.write_data(f"sys/mounts/{mount}", data={"type": "rabbitmq"})
    name, password = broker.ADMINISTRATOR
    connection = {"connection_uri": users.address, "username": name, "password": password}
    await admin.api.write_data(f"{mount}/config/connection", data=connection)
    await admin.api.write_data(f"{mount}/config/lease", data={"ttl": TTL, "max_ttl": TTL})
    await admin.api.write_data(f"{mount}/roles/app", data={"vhosts": '{"/": {"read": ".*"}}'})
    yield f"{mount}/creds/app"
    # While the broker is still there: the server of all tests would go on trying to revoke what is left.
    await admin.api.adapter.request("PUT", f"/v1/sys/leases/revoke-force/{mount}")
    await admin.api.sys.disable_secrets_engine(mount)


@pytest_asyncio.fixture
async def session(bao: BaoServer, clock: FastClock) -> AsyncIterator[VaultSession]:
    async with visiting(settings(bao), clock) as visit:
        yield visit.session


async def refusal(source: PathSource) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await source.read()
    return caught.value


def older_than_a_second(session: VaultSession) -> bool:
    """A token that is refused within a second of its login is waited for, not replaced."""
    expires = session.token_expires
    return expires is not None and session.clock.now().elapsed - (expires - 3600) > 1


async def test_a_lease_is_read_once_and_serves_every_look(session: VaultSession, users: Broker, path: str) -> None:
    source = PathSource(session, path, USER)
    looks = [await source.read() for _ in range(5)]
    assert users.users == {looks[0].client_id: looks[0].secrets[0].reveal()}
    assert (users.made, len({look.version for look in looks})) == (1, 1)
    assert looks[0].secrets[0].reveal() not in looks[0].version


async def test_after_two_thirds_of_its_lease_the_path_is_read_anew(
    session: VaultSession, clock: FastClock, users: Broker, path: str
) -> None:
    source = PathSource(session, path, USER)
    first = await source.read()
    clock.advance(0.5 * TTL)
    assert await source.read() == first
    clock.advance(0.2 * TTL)
    second = await source.read()
    assert first.client_id != second.client_id
    assert first.version != second.version
    assert users.users.keys() == {first.client_id, second.client_id}


async def test_what_was_replaced_is_given_back_once_its_successor_has_been_in_use_for_a_while(
    session: VaultSession, clock: FastClock, users: Broker, path: str
) -> None:
    source = PathSource(session, path, USER)
    first = await source.read()
    clock.advance(0.7 * TTL)
    second = await source.read()
    clock.advance(OVERLAP - 5)
    await source.read()
    assert first.client_id in users.users
    clock.advance(5)
    assert await source.read() == second
    await until(lambda: users.users.keys() == {second.client_id}, 5)


async def test_a_lease_that_somebody_revokes_by_hand_is_replaced_at_the_next_look(
    session: VaultSession, admin: Admin, users: Broker, path: str
) -> None:
    source = PathSource(session, path, USER)
    first = await source.read()
    await admin.api.adapter.request("PUT", f"/v1/sys/leases/revoke-prefix/{path}")
    second = await source.read()
    assert second.client_id in users.users
    assert second.version != first.version


async def test_another_source_on_the_path_has_credentials_of_its_own(
    session: VaultSession, users: Broker, path: str
) -> None:
    """As after a restart: the version is another one, so that a token is minted with the new credentials."""
    first, second = [await PathSource(session, path, USER).read() for _ in range(2)]
    assert first.version != second.version
    assert len(users.users) == 2


async def test_a_new_vault_token_reads_anew_since_the_old_ones_leases_end_with_it(
    admin: Admin, users: Broker, path: str
) -> None:
    role = await admin.approle()
    async with visiting(settings(admin.bao, await role.login())) as visit:
        source = PathSource(visit.session, path, USER)
        await source.read()
        await until(lambda: older_than_a_second(visit.session), 3)
        await visit.session.call(lambda client: client.auth.token.revoke_self(), {})
        second = await source.read()
        assert visit.told() == ["vault.login", "vault.login"]
        await until(lambda: users.users.keys() == {second.client_id}, 5)


async def test_a_new_vault_token_reads_anew_before_the_old_one_ends(
    admin: Admin, users: Broker, path: str, tmp_path: Path
) -> None:
    """Else the credentials would end with the old one, between two looks."""
    file = tmp_path / "token"
    file.write_text((await admin.token()).reveal())
    async with visiting(settings(admin.bao, TokenLogin(file))) as visit:
        source = PathSource(visit.session, path, USER)
        first = await source.read()
        file.write_text((await admin.token()).reveal())
        await until(lambda: visit.session.generation == 2, 3)
        second = await source.read()
    assert first.client_id != second.client_id
    assert users.users.keys() == {first.client_id, second.client_id}


async def test_a_source_that_is_closed_gives_back_all_that_it_was_lent(
    session: VaultSession, clock: FastClock, users: Broker, path: str
) -> None:
    source = PathSource(session, path, USER)
    await source.read()
    clock.advance(0.7 * TTL)
    await source.read()
    await source.close()
    await until(lambda: not users.users, 5)


async def test_v15_leases_end_with_the_session_of_a_login(admin: Admin, users: Broker, path: str) -> None:
    role = await admin.approle()
    async with visiting(settings(admin.bao, await role.login())) as visit:
        await PathSource(visit.session, path, USER).read()
    await until(lambda: not users.users, 5)


async def test_an_answer_that_lacks_a_field_is_told_and_not_asked_for_again_and_again(
    session: VaultSession, users: Broker, path: str
) -> None:
    """Each read would make a user that nobody uses."""
    source = PathSource(session, path, Wanted(names={"client_id": "username"}))
    for _ in range(3):
        error = await refusal(source)
        assert error.code is Code.SECRET_MALFORMED
        assert error.detail == (
            f"field client_secret at {path} is missing, wanted a non-empty string. `bao read {path}` shows what there "
            "is; source.fields names what to take for client_secret"
        )
    assert users.made == 1


async def test_what_the_engine_does_not_know_may_be_told_in_the_configuration(session: VaultSession, path: str) -> None:
    wanted = Wanted(names={"client_secret": "password"})
    assert (await PathSource(session, path, wanted, {"client_id": "me"}).read()).client_id == "me"


async def test_an_engine_whose_backend_is_away_is_an_outage_that_leaves_the_session_alone(
    session: VaultSession, users: Broker, path: str
) -> None:
    users.away = True
    source = PathSource(session, path, USER)
    assert (await refusal(source)).code is Code.VAULT_UNAVAILABLE
    assert session.trouble is None
    users.away = False
    assert (await source.read()).client_id in users.users


async def test_what_needs_names_suffices_and_nothing_more_is_an_alarm(
    admin: Admin, clock: FastClock, users: Broker, path: str
) -> None:
    """A lease may then not be given back early: it ends by itself."""
    token = await admin.token(stanza({path: ("read",)}))
    async with visiting(settings(admin.bao, token), clock) as visit:
        source = PathSource(visit.session, path, USER)
        assert await source.needs() == {path: ("read",)}
        await source.read()
        clock.advance(0.7 * TTL)
        await source.read()
        clock.advance(OVERLAP)
        await source.read()
        await source.close()
        assert visit.told() == ["vault.login"]
    assert users.made == 2


async def test_without_the_default_policy_a_lease_is_trusted_for_its_time(
    admin: Admin, users: Broker, path: str
) -> None:
    allowed = {path: ("read",), "auth/token/lookup-self": ("read",)}
    token = await admin.token(stanza(allowed), no_default_policy=True)
    async with visiting(settings(admin.bao, token)) as visit:
        source = PathSource(visit.session, path, USER)
        assert len({(await source.read()).version for _ in range(3)}) == 1
    assert users.made == 1


async def test_v09_a_path_that_may_not_be_read_is_denied_with_the_policy_to_add(admin: Admin, path: str) -> None:
    async with visiting(settings(admin.bao, await admin.token('path "x" { capabilities = ["read"] }'))) as visit:
        error = await refusal(PathSource(visit.session, path, USER))
    assert error.code is Code.VAULT_DENIED
    assert stanza({path: ("read",)}) in error.detail


@pytest.mark.parametrize("path", ["nowhere/creds/app", "cubbyhole/nothing", "secret/kv-key"])
async def test_a_path_that_answers_nothing_is_told_with_the_command_that_shows_it(
    session: VaultSession, path: str
) -> None:
    error = await refusal(PathSource(session, path))
    assert error.code is Code.SECRET_MISSING
    assert f"GET {path} was answered 404: " in error.detail
    assert f"`bao read {path}`" in error.detail
    assert 'a path of a KV secrets engine is read with type = "vault"' in error.detail


async def test_a_role_that_does_not_exist_is_told(session: VaultSession, path: str) -> None:
    error = await refusal(PathSource(session, f"{path}-not", USER))
    assert (error.code, "there is no such role" in error.detail) == (Code.VAULT_REFUSED, True)


async def test_a_look_that_is_cancelled_keeps_the_lease_that_is_held(
    session: VaultSession, users: Broker, path: str
) -> None:
    source = PathSource(session, path, USER)
    held = await source.read()
    for steps in range(8):
        look = asyncio.ensure_future(source.read())
        for _ in range(steps):
            await asyncio.sleep(0)
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)
    assert await source.read() == held
    assert users.made == 1


@dataclass
class Cubbyhole:
    """A path without leases, which belongs to the token that both the source and the administrator have."""

    session: VaultSession
    admin: Admin
    path: str

    def open(self) -> PathSource:
        return PathSource(self.session, self.path)

    def store(self, client_id: str, *secrets: str) -> Awaitable[object]:
        names = ("client_secret", "client_secret_previous")
        written: Awaitable[object] = self.admin.api.write_data(
            self.path, data={"client_id": client_id, **dict(zip(names, secrets, strict=False))}
        )
        return written


class TestAPathWithoutLeases(SourceContract):
    @pytest.fixture
    def place(self, session: VaultSession, admin: Admin) -> Cubbyhole:
        return Cubbyhole(session, admin, f"cubbyhole/of-test-{next(NUMBERS)}")

    async def test_it_is_read_at_every_look(self, place: Cubbyhole) -> None:
        source = place.open()
        await place.store("me", "one")
        await source.read()
        await place.store("me", "two")
        assert (await source.read()).secrets == (Secret("two"),)
