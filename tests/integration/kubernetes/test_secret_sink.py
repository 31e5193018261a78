"""A Secret as rotator keeps it, on the fake API server, and on the real one where there is one."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING

import pytest

from rotator.contract import record
from rotator.core.errors import Code, RotationError
from tests.support.kubernetes import ApiRefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.support.kubernetes_fixtures import Place

HELD = {"app.kubernetes.io/managed-by": "rotator"}
OURS = {"labels": HELD, "annotations": {"rotator/credential": "billing"}}


def encoded(**values: str) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


async def values(place: Place) -> dict[str, str]:
    data = (await place.secret()).get("data", {})
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


async def version(place: Place) -> str:
    found: str = (await place.secret())["metadata"]["resourceVersion"]
    return found


async def failure(attempt: Awaitable[object]) -> tuple[Code, str]:
    with pytest.raises(RotationError) as caught:
        await attempt
    assert "token." not in str(caught.value)
    return caught.value.code, caught.value.detail


async def test_consumers_find_every_field_of_the_record_under_its_name(place: Place) -> None:
    await place.sink().write(record())
    assert await values(place) == record().fields()


async def test_consumers_find_the_keys_that_were_asked_for_and_no_others(place: Place) -> None:
    await place.sink(keys={"TOKEN": "access_token", "token.json": "json", "until": "expires_at"}).write(record())
    held = await values(place)
    assert json.loads(held.pop("token.json")) == record().fields()
    assert held == {"TOKEN": "token.one", "until": record().fields()["expires_at"]}


async def test_it_bears_the_mark_and_the_labels_and_is_of_the_common_type(place: Place) -> None:
    await place.sink(labels={"team": "payments"}).write(record())
    secret = await place.secret()
    assert secret["metadata"]["labels"] == {**HELD, "team": "payments"}
    assert secret["metadata"]["annotations"]["rotator/credential"] == "billing"
    assert secret["type"] == "Opaque"


async def test_nothing_but_data_holds_the_token(place: Place) -> None:
    await place.sink().write(record())
    secret = await place.secret()
    del secret["data"]
    assert "token.one" not in json.dumps(secret)


async def test_its_fields_are_held_by_one_manager_and_the_mark_by_two(place: Place) -> None:
    await place.sink().write(record())
    managers = {entry["manager"]: entry["fieldsV1"] for entry in (await place.secret())["metadata"]["managedFields"]}
    assert managers.keys() == {"rotator", "rotator-mark"}
    assert managers["rotator-mark"].keys() == {"f:metadata"}
    assert managers["rotator"].keys() == {"f:metadata", "f:data"}


async def test_v25_a_token_is_one_version_and_no_more(place: Place) -> None:
    sink = place.sink()
    await sink.write(record())
    before = await version(place)
    await sink.write(record())
    await place.sink().write(record())
    assert await version(place) == before


async def test_keys_that_others_add_stay(place: Place) -> None:
    sink = place.sink()
    await sink.write(record())
    await place.admin.edit(place.namespace, place.name, data=encoded(theirs="kept"))
    await sink.write(record("two", life=700))
    assert (await values(place)) == {**record("two", life=700).fields(), "theirs": "kept"}


async def test_keys_that_are_no_longer_configured_go_with_the_next_write(place: Place) -> None:
    await place.sink().write(record())
    sink = place.sink(keys={"token": "access_token"})
    assert await sink.read() is None
    await sink.write(record())
    assert await values(place) == {"token": "token.one"}


async def test_a_secret_that_was_made_ready_with_the_mark_needs_no_right_to_create(place: Place) -> None:
    await place.as_user("get", "patch")
    await place.admin.create(place.namespace, place.name, metadata=OURS)
    sink = place.sink()
    await sink.check()
    assert await sink.read() is None
    await sink.write(record())
    assert await values(place) == record().fields()


async def test_v24_what_somebody_else_made_is_left_alone(place: Place) -> None:
    await place.admin.create(place.namespace, place.name, data=encoded(theirs="kept"))
    before = await place.secret()
    sink = place.sink()
    for attempt in (sink.read, lambda: sink.write(record()), sink.check):
        code, told = await failure(attempt())
        assert code is Code.SINK_FOREIGN
        assert "bears no mark of rotator" in told
    assert await place.secret() == before


async def test_v24_what_is_handed_over_as_the_message_says_is_kept(place: Place) -> None:
    await place.admin.create(place.namespace, place.name, data=encoded(theirs="kept"))
    _, told = await failure(place.sink().read())
    where = f"kubectl -n {place.namespace}"
    assert f"{where} label --overwrite secret billing app.kubernetes.io/managed-by=rotator" in told
    assert f"{where} annotate --overwrite secret billing rotator/credential=billing" in told
    await place.admin.edit(place.namespace, place.name, metadata=OURS)
    await place.sink().write(record())
    assert (await values(place))["theirs"] == "kept"


async def test_v24_the_secret_of_another_credential_is_left_alone(place: Place) -> None:
    await place.sink(credential="billing").write(record())
    code, told = await failure(place.sink(credential="shipping").write(record("theirs", life=900)))
    assert code is Code.SINK_FOREIGN
    assert "for another credential than shipping" in told
    assert await place.sink(credential="billing").read() == record()


async def test_v24_what_another_tool_manages_is_left_alone(place: Place) -> None:
    await place.admin.create(place.namespace, place.name, metadata={"labels": {**HELD, next(iter(HELD)): "Helm"}})
    code, told = await failure(place.sink().write(record()))
    assert code is Code.SINK_FOREIGN
    assert "has the label app.kubernetes.io/managed-by of something else" in told


async def test_v23_a_value_that_somebody_edited_counts_as_none_and_is_taken_back(place: Place) -> None:
    sink = place.sink()
    await sink.write(record())
    await place.admin.edit(place.namespace, place.name, data=encoded(access_token="edited", theirs="kept"))
    assert await sink.read() is None
    await sink.check()
    await sink.write(record("two", life=700))
    assert await sink.read() == record("two", life=700)
    assert (await values(place))["theirs"] == "kept"


@pytest.mark.parametrize("key", ["access_token", "expires_at"])
async def test_v23_a_key_that_somebody_removed_is_written_again(place: Place, key: str) -> None:
    sink = place.sink()
    await sink.write(record())
    await place.admin.edit(place.namespace, place.name, data={key: None})
    assert await sink.read() is None
    await sink.write(record())
    assert await values(place) == record().fields()


async def test_v23_a_secret_that_was_deleted_is_made_anew_and_marked(place: Place) -> None:
    sink = place.sink()
    await sink.write(record())
    await place.admin.delete(place.namespace, place.name)
    await sink.write(record("two", life=700))
    assert (await place.secret())["metadata"]["labels"] == HELD
    assert await place.sink().read() == record("two", life=700)


async def test_an_immutable_secret_is_told_before_anything_is_sent_to_it(place: Place) -> None:
    sink = place.sink()
    await sink.write(record())
    await place.admin.edit(place.namespace, place.name, immutable=True)
    assert await place.sink().read() == record()
    for attempt in (place.sink().write(record("two", life=700)), place.sink().check()):
        code, told = await failure(attempt)
        assert code is Code.KUBERNETES_REFUSED
        assert "is immutable" in told
        assert "delete it" in told
    assert await values(place) == record().fields()


async def test_a_secret_that_has_become_immutable_refuses_the_write_itself(place: Place) -> None:
    sink = place.sink()
    await sink.write(record())
    await place.admin.edit(place.namespace, place.name, immutable=True)
    code, told = await failure(sink.write(record("two", life=700)))
    assert code is Code.KUBERNETES_REFUSED
    assert "is immutable" in told


async def test_on_a_read_only_api_the_old_token_stays_and_the_role_is_named(place: Place) -> None:
    await place.sink().write(record())
    await place.as_user("get")
    sink = place.sink()
    assert await sink.read() == record()
    for attempt in (sink.write(record("two", life=700)), sink.check()):
        code, told = await failure(attempt)
        assert code is Code.KUBERNETES_DENIED
        assert (
            f'resourceNames: ["billing"], verbs: ["get", "patch", "create"]}} in the namespace {place.namespace}'
            in told
        )
    assert await values(place) == record().fields()


async def test_without_the_right_to_create_nothing_is_made(place: Place) -> None:
    await place.as_user("get", "patch")
    for attempt in (place.sink().write(record()), place.sink().check()):
        assert (await failure(attempt))[0] is Code.KUBERNETES_DENIED


async def test_without_any_right_not_even_a_look_is_had(place: Place) -> None:
    await place.as_user()
    for attempt in (place.sink().read(), place.sink().write(record()), place.sink().check()):
        assert (await failure(attempt))[0] is Code.KUBERNETES_DENIED


async def test_the_rights_that_the_message_names_are_enough(place: Place) -> None:
    await place.as_user("get", "patch", "create")
    sink = place.sink()
    await sink.check()
    await sink.write(record())
    await sink.write(record("two", life=700))
    assert await sink.read() == record("two", life=700)


async def test_a_check_makes_nothing(place: Place) -> None:
    await place.sink().check()
    with pytest.raises(ApiRefusedError):
        await place.secret()


async def test_a_check_changes_nothing(place: Place) -> None:
    await place.sink().write(record())
    before = await place.secret()
    await place.sink().check()
    assert await place.secret() == before


async def test_a_namespace_that_is_being_deleted_is_told(place: Place) -> None:
    await place.admin.end_namespace(place.namespace)
    for attempt in (place.sink().write(record()), place.sink().check()):
        code, told = await failure(attempt)
        assert code is Code.KUBERNETES_NAMESPACE_MISSING
        assert "is being deleted" in told


async def test_of_many_writers_at_the_same_moment_none_replaces_a_better_token(place: Place) -> None:
    cluster = place.cluster()
    tokens = [record(str(life), life=life) for life in (600, 640, 610, 650, 620, 630)]
    ended = await asyncio.gather(*(place.sink(cluster).write(token) for token in tokens), return_exceptions=True)
    overtaken = [error for error in ended if isinstance(error, RotationError)]
    assert all(error.code is Code.SINK_CONFLICT for error in overtaken)
    written = [end for end in ended if not isinstance(end, BaseException)]
    held = await place.sink(cluster).read()
    assert held == max(written, key=lambda token: token.expires_at)
    await place.sink(cluster).write(tokens[3])
    assert await place.sink(cluster).read() == tokens[3]
