"""KV sinks among other writers, on a real server."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pytest
from aiohttp import web

from rotator.contract import record
from rotator.core.errors import Code, RotationError
from rotator.engine.clock import SystemClock
from rotator.vault.kv_sink import KvSink
from rotator.vault.logins.token import TokenLogin
from rotator.vault.policies import stanza
from rotator.vault.session import VaultSettings
from tests.integration.vault.relay import Forward, Relay
from tests.integration.vault.visits import settings, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.demo.bao import BaoServer
    from rotator.vault.session import VaultSession
    from tests.integration.vault.administration import Admin

NUMBERS = itertools.count()
MARK = {"managed-by": "rotator", "credential": "billing"}


@pytest.fixture
def key() -> str:
    return f"tokens/sink-{next(NUMBERS)}"


@pytest.fixture
async def session(bao: BaoServer) -> AsyncIterator[VaultSession]:
    async with visiting(settings(bao)) as visit:
        yield visit.session


@pytest.fixture
def sink(session: VaultSession, key: str) -> KvSink:
    return KvSink(session, f"secret/{key}", "billing")


@pytest.fixture
async def relay(bao: BaoServer) -> AsyncIterator[Relay]:
    async with Relay(bao.address).serving() as relay:
        yield relay


@pytest.fixture
async def relayed(bao: BaoServer, relay: Relay, key: str) -> AsyncIterator[KvSink]:
    """A sink whose requests pass the relay."""
    async with visiting(VaultSettings(relay.address, TokenLogin(bao.root_token), timeout=1.0)) as visit:
        yield KvSink(visit.session, f"secret/{key}", "billing")


async def version(admin: Admin, key: str) -> int:
    return int((await admin.metadata(key))["current_version"])


async def hand_over(sink: KvSink) -> str:
    """Both reading and writing are refused; the command that is told to mend it."""
    with pytest.raises(RotationError) as read:
        await sink.read()
    with pytest.raises(RotationError) as written:
        await sink.write(record())
    assert read.value.code is written.value.code is Code.SINK_FOREIGN
    return written.value.detail.split("`")[1]


async def test_the_document_is_the_record_in_strings(sink: KvSink, admin: Admin, key: str) -> None:
    await sink.write(record())
    stored = await admin.document(key)
    assert stored["data"] == record().fields()
    assert all(isinstance(value, str) for value in stored["data"].values())


async def test_the_path_is_marked(sink: KvSink, admin: Admin, key: str) -> None:
    await sink.write(record())
    assert (await admin.metadata(key))["custom_metadata"] == MARK


async def test_v24_the_mark_stands_before_the_first_data(relay: Relay, relayed: KvSink, key: str) -> None:
    await relayed.write(record())
    writes = [path for method, path in relay.seen if method == "POST"]
    assert writes == [f"/v1/secret/metadata/{key}", f"/v1/secret/data/{key}"]


async def test_v25_a_second_token_costs_one_request_and_one_version(
    relay: Relay, relayed: KvSink, admin: Admin, key: str
) -> None:
    await relayed.write(record("one"))
    relay.seen.clear()
    await relayed.write(record("two", life=700))
    assert relay.seen == [("POST", f"/v1/secret/data/{key}")]
    assert await version(admin, key) == 2


async def test_v24_a_first_token_is_marked_and_written_without_a_second_look_at_the_data(
    relay: Relay, relayed: KvSink, key: str
) -> None:
    await relayed.read()
    relay.seen.clear()
    await relayed.write(record())
    metadata = f"/v1/secret/metadata/{key}"
    assert relay.seen == [("GET", metadata), ("POST", metadata), ("POST", f"/v1/secret/data/{key}")]


async def test_v24_what_somebody_else_has_put_there_since_the_look_is_refused_and_not_marked(
    sink: KvSink, admin: Admin, key: str
) -> None:
    assert await sink.read() is None
    await admin.put(key, precious="data")
    with pytest.raises(RotationError) as caught:
        await sink.write(record())
    assert caught.value.code is Code.SINK_FOREIGN
    assert (await admin.document(key))["data"] == {"precious": "data"}
    assert (await admin.metadata(key))["custom_metadata"] is None


async def test_v20_h01_what_another_rotator_has_written_since_the_look_stays_when_it_is_better(
    session: VaultSession, admin: Admin, key: str
) -> None:
    one, two = (KvSink(session, f"secret/{key}", "billing") for _ in range(2))
    assert await one.read() is None
    await two.write(record("better", life=900))
    assert await one.write(record("worse", life=600)) == record("better", life=900)
    assert await version(admin, key) == 1


async def test_v21_a_deleted_version_that_was_looked_at_costs_one_request_to_write_over(
    relay: Relay, relayed: KvSink, admin: Admin, key: str
) -> None:
    await relayed.write(record("old"))
    await admin.api.secrets.kv.v2.delete_latest_version_of_secret(key)
    assert await relayed.read() is None
    relay.seen.clear()
    await relayed.write(record("new", life=700))
    assert relay.seen == [("POST", f"/v1/secret/data/{key}")]


async def test_v25_the_same_record_again_makes_no_version(sink: KvSink, admin: Admin, key: str) -> None:
    await sink.write(record())
    await sink.write(record())
    assert await version(admin, key) == 1


async def test_a_look_that_finds_what_was_known_makes_no_second_copy_of_the_token(sink: KvSink) -> None:
    written = await sink.write(record())
    assert await sink.read() is written


async def test_other_custom_metadata_and_settings_of_the_key_stay(sink: KvSink, admin: Admin, key: str) -> None:
    kept = {"max_versions": 4, "delete_version_after": "768h0m0s", "cas_required": True}
    await admin.api.write_data(f"secret/metadata/{key}", data={**kept, "custom_metadata": {"team": "blue"}})
    await sink.write(record())
    metadata = await admin.metadata(key)
    assert metadata["custom_metadata"] == {"team": "blue", **MARK}
    assert {name: metadata[name] for name in kept} == kept


async def test_delete_version_after_is_not_set(sink: KvSink, admin: Admin, key: str) -> None:
    await sink.write(record())
    assert (await admin.metadata(key))["delete_version_after"] == "0s"


async def test_v24_foreign_data_is_refused_left_alone_and_handed_over_by_the_command_that_is_told(
    sink: KvSink, admin: Admin, key: str
) -> None:
    await admin.put(key, precious="data")
    command = await hand_over(sink)
    assert (await admin.document(key))["data"] == {"precious": "data"}
    assert command.startswith("bao kv metadata patch -custom-metadata=managed-by=rotator ")
    await admin.cli(*command.split()[1:])
    assert await sink.read() is None
    assert await sink.write(record()) == record()


async def test_v24_foreign_data_that_was_deleted_is_foreign_still(sink: KvSink, admin: Admin, key: str) -> None:
    await admin.put(key, precious="data")
    await admin.api.secrets.kv.v2.delete_latest_version_of_secret(key)
    with pytest.raises(RotationError) as caught:
        await sink.write(record())
    assert caught.value.code is Code.SINK_FOREIGN


@pytest.mark.parametrize(
    "mark",
    [
        pytest.param({"managed-by": "external-secrets"}, id="V24 another manager"),
        pytest.param({"managed-by": "rotator", "credential": "other"}, id="V24 another credential"),
        pytest.param({"managed-by": "rotator"}, id="V24 no credential"),
    ],
)
async def test_a_path_that_is_marked_for_somebody_else_is_refused_even_when_empty(
    sink: KvSink, admin: Admin, key: str, mark: dict[str, str]
) -> None:
    await admin.api.write_data(f"secret/metadata/{key}", data={"custom_metadata": mark})
    with pytest.raises(RotationError) as caught:
        await sink.write(record())
    assert caught.value.code is Code.SINK_FOREIGN
    assert (await admin.metadata(key))["custom_metadata"] == mark


async def test_v21_a_deleted_version_is_written_over(
    sink: KvSink, session: VaultSession, admin: Admin, key: str
) -> None:
    await sink.write(record("old"))
    await admin.api.secrets.kv.v2.delete_latest_version_of_secret(key)
    assert await sink.read() is None
    fresh = KvSink(session, f"secret/{key}", "billing")
    await fresh.write(record("new"))
    assert await sink.read() == record("new")
    assert await version(admin, key) == 2


async def test_v23_a_destroyed_version_is_written_over(sink: KvSink, admin: Admin, key: str) -> None:
    await sink.write(record("old"))
    await admin.api.secrets.kv.v2.destroy_secret_versions(key, [1])
    await sink.write(record("new", life=700))
    assert await sink.read() == record("new", life=700)


async def test_v23_a_key_that_was_removed_is_marked_and_written_anew(sink: KvSink, admin: Admin, key: str) -> None:
    await sink.write(record("old"))
    await admin.api.secrets.kv.v2.delete_metadata_and_all_versions(key)
    await sink.write(record("new", life=700))
    assert (await admin.document(key))["metadata"]["custom_metadata"] == MARK


async def test_v23_a_record_that_was_edited_counts_as_none(sink: KvSink, admin: Admin, key: str) -> None:
    await sink.write(record())
    await admin.put(key, **{**record().fields(), "access_token": "edited"})
    assert await sink.read() is None
    await sink.write(record())
    assert (await admin.document(key))["data"] == record().fields()


async def test_v20_h01_two_writers_of_one_path_keep_the_better_token(session: VaultSession, key: str) -> None:
    one, two = (KvSink(session, f"secret/{key}", "billing") for _ in range(2))
    await one.write(record("first"))
    await two.read()
    assert await one.write(record("ones", life=900)) == record("ones", life=900)
    assert await two.write(record("twos", life=800)) == record("ones", life=900)
    assert await two.read() == record("ones", life=900)


async def test_h01_many_writers_at_the_same_moment_never_lose_the_best_token(session: VaultSession, key: str) -> None:
    sinks = [KvSink(session, f"secret/{key}", "billing") for _ in range(2)]
    await sinks[0].write(record("first"))
    await sinks[1].read()
    for number in range(20):
        pair = [record(f"{number}.{which}", life=1000 + 10 * number + which) for which in range(2)]
        await asyncio.gather(*(sink.write(new) for sink, new in zip(sinks, pair, strict=True)))
        assert await sinks[0].read() == await sinks[1].read() == pair[1]


async def test_h01_two_writers_that_find_a_path_empty_at_the_same_moment_come_to_terms(session: VaultSession) -> None:
    for _ in range(10):
        path = f"tokens/sink-{next(NUMBERS)}"
        sinks = [KvSink(session, f"secret/{path}", "billing") for _ in range(2)]
        pair = [record("worse", life=600), record("better", life=700)]
        written = await asyncio.gather(*(sink.write(new) for sink, new in zip(sinks, pair, strict=True)))
        assert written[1] == pair[1]
        assert await sinks[0].read() == await sinks[1].read() == pair[1]


async def test_h02_a_writer_that_slept_does_not_put_an_older_token_back(
    session: VaultSession, admin: Admin, key: str
) -> None:
    zombie, awake = (KvSink(session, f"secret/{key}", "billing") for _ in range(2))
    await zombie.write(record("first"))
    for number in range(3):
        await awake.write(record(str(number), life=700 + number))
    before = await version(admin, key)
    assert await zombie.write(record("stale", life=650)) == record("2", life=702)
    assert await version(admin, key) == before


async def test_v20_a_second_conflict_in_a_row_is_told(relay: Relay, relayed: KvSink, admin: Admin, key: str) -> None:
    async def outrun(request: web.Request, forward: Forward) -> web.Response:
        if request.method == "POST" and "/data/" in request.path:
            await admin.put(key, somebody="else")
        return await forward()

    await relayed.write(record("one"))
    relay.meddle = outrun
    with pytest.raises(RotationError) as caught:
        await relayed.write(record("two", life=700))
    assert caught.value.code is Code.SINK_CONFLICT


async def test_v19_a_write_whose_answer_was_lost_is_found_and_not_repeated(
    relay: Relay, relayed: KvSink, admin: Admin, key: str
) -> None:
    async def lose(request: web.Request, forward: Forward) -> web.Response:
        answer = await forward()
        if request.method == "POST" and "/data/" in request.path and request.transport is not None:
            request.transport.abort()
        return answer

    await relayed.write(record("one"))
    relay.meddle = lose
    with pytest.raises(RotationError) as caught:
        await relayed.write(record("two", life=700))
    assert caught.value.code is Code.VAULT_UNAVAILABLE
    assert await relayed.write(record("two", life=700)) == record("two", life=700)
    assert await version(admin, key) == 2


async def test_v28_a_standby_that_lags_behind_right_after_a_write_is_not_believed(
    relay: Relay, relayed: KvSink, admin: Admin, key: str
) -> None:
    await relayed.write(record("one"))
    old = await admin.api.adapter.get(f"/v1/secret/data/{key}")
    await relayed.write(record("two", life=700))

    async def lag(request: web.Request, forward: Forward) -> web.Response:
        return web.json_response(old) if request.method == "GET" else await forward()

    relay.meddle = lag
    assert await relayed.read() == record("two", life=700)


async def test_v29_a_version_that_went_back_is_reported_by_a_sink_that_did_not_just_write(
    session: VaultSession, admin: Admin, sink: KvSink, key: str
) -> None:
    await sink.write(record("one"))
    await sink.write(record("two", life=700))
    reader = KvSink(session, f"secret/{key}", "billing")
    await reader.read()
    await admin.api.secrets.kv.v2.delete_metadata_and_all_versions(key)
    await KvSink(session, f"secret/{key}", "billing").write(record("restored"))
    assert await reader.read() == record("restored")
    assert await reader.write(record("two", life=700)) == record("two", life=700)


async def test_the_policy_that_needs_names_suffices_and_no_more_is_asked_for(admin: Admin, key: str) -> None:
    async with visiting(settings(admin.bao)) as visit:
        needs = await KvSink(visit.session, f"secret/{key}", "billing").needs()
    assert set(needs) == {f"secret/data/{key}", f"secret/metadata/{key}"}
    token = await admin.token(stanza(needs))
    async with visiting(settings(admin.bao, token)) as visit:
        sink = KvSink(visit.session, f"secret/{key}", "billing")
        await sink.write(record("one"))
        await sink.write(record("two", life=700))
        assert await sink.read() == record("two", life=700)


async def test_v22_a_mount_that_was_removed_is_told_by_the_write(session: VaultSession, admin: Admin) -> None:
    mount = await admin.mount(2)
    sink = KvSink(session, f"{mount}/token", "billing")
    await sink.write(record("one"))
    await admin.api.sys.disable_secrets_engine(mount)
    for _ in range(2):
        with pytest.raises(RotationError) as caught:
            await sink.write(record("two", life=700))
        assert caught.value.code is Code.MOUNT_MISSING


async def test_v22_a_mount_that_was_replaced_by_one_of_the_other_version_is_found_again(
    session: VaultSession, admin: Admin
) -> None:
    mount = await admin.mount(2)
    sink = KvSink(session, f"{mount}/token", "billing")
    await sink.write(record("one"))
    await admin.api.sys.disable_secrets_engine(mount)
    await admin.bao.enable_kv(mount, 1)
    with pytest.raises(RotationError) as caught:
        await sink.write(record("two", life=700))
    assert caught.value.code is Code.VAULT_MALFORMED
    assert await sink.write(record("two", life=700)) == record("two", life=700)
    assert (await admin.api.adapter.get(f"/v1/{mount}/token"))["data"]["access_token"] == "token.two"


async def test_a_mount_that_demands_check_and_set_of_metadata_is_marked(session: VaultSession, admin: Admin) -> None:
    mount = await admin.mount(2, metadata_cas_required=True)
    await KvSink(session, f"{mount}/token", "billing").write(record())
    assert (await admin.metadata("token", mount))["custom_metadata"] == MARK


@pytest.mark.parametrize("version", [1, 2], ids=["v1", "v2"])
async def test_a_record_from_before_its_fields_were_renamed_is_written_anew(
    session: VaultSession, admin: Admin, version: Literal[1, 2]
) -> None:
    mount = await admin.mount(version)
    sink = KvSink(session, f"{mount}/token", "billing")
    await sink.write(record())
    renamed = KvSink(session, f"{mount}/token", "billing", {"token": "access_token"})
    assert await renamed.read() is None
    await renamed.write(record())
    document = await admin.api.adapter.get(f"/v1/{mount}/{'data/' if version == 2 else ''}token")
    fields = document["data"]["data"] if version == 2 else document["data"]
    assert (fields["token"], "access_token" in fields) == ("token.one", False)


async def test_kv_v1_gets_a_ttl_that_is_a_number_and_becomes_the_lease(session: VaultSession, admin: Admin) -> None:
    mount = await admin.mount(1)
    now = SystemClock().now().wall.replace(microsecond=0)
    fresh = replace(record(), issued_at=now, expires_at=now + timedelta(seconds=600))
    await KvSink(session, f"{mount}/token", "billing").write(fresh)
    answer = await admin.api.adapter.get(f"/v1/{mount}/token")
    assert 50 <= answer["data"]["ttl"] <= 60
    assert answer["lease_duration"] == answer["data"]["ttl"]
    assert {name: value for name, value in answer["data"].items() if name != "ttl"} == fresh.fields()


@pytest.mark.parametrize("document", [{"precious": "data"}, {**record().fields(), "access_token": "edited"}])
async def test_v24_a_foreign_document_in_kv_v1_is_refused_and_left_alone(
    session: VaultSession, admin: Admin, document: dict[str, str]
) -> None:
    mount = await admin.mount(1)
    await admin.api.write_data(f"{mount}/token", data=document)
    sink = KvSink(session, f"{mount}/token", "billing")
    command = await hand_over(sink)
    assert (await admin.api.adapter.get(f"/v1/{mount}/token"))["data"] == document
    await admin.cli(*command.split()[1:])
    assert await sink.write(record()) == record()


async def test_h07_a_record_of_a_newer_rotator_is_read_and_one_of_an_older_rotator_is_written_anew(
    sink: KvSink, admin: Admin, key: str
) -> None:
    await sink.write(record("old"))
    await admin.put(key, **record("newer", life=900).fields(), added_later="unknown here")
    assert await sink.read() == record("newer", life=900)
    assert await sink.write(record("mine", life=600)) == record("newer", life=900)
    fields = record("older", life=900).fields()
    del fields["inputs"]
    await admin.put(key, **fields)
    assert await sink.read() is None
    assert await sink.write(record("mine", life=600)) == record("mine", life=600)


async def test_h01_on_kv_v1_a_better_token_that_is_there_already_is_not_replaced(
    session: VaultSession, admin: Admin
) -> None:
    mount = await admin.mount(1)
    one, two = (KvSink(session, f"{mount}/token", "billing") for _ in range(2))
    await one.read()
    await two.write(record("theirs", life=900))
    assert await one.write(record("mine", life=600)) == record("theirs", life=900)
