"""What rotator relies on of a Kubernetes API server, by plain requests: the fake is held to what the real one does."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.kubernetes import ApiRefusedError, path_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.support.kubernetes import Administrator
    from tests.support.kubernetes_fixtures import Place


def encoded(**values: str) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


async def refused(asked: Awaitable[object]) -> tuple[int, str, dict[str, Any]]:
    """Status, reason and details of a refusal."""
    with pytest.raises(ApiRefusedError) as caught:
        await asked
    document = caught.value.document
    assert (document["kind"], document["status"], document["code"]) == ("Status", "Failure", caught.value.status)
    return caught.value.status, document.get("reason", ""), document.get("details") or {}


def causes(details: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((cause["reason"], cause["field"]) for cause in details["causes"])


@pytest.fixture
def where(place: Place) -> tuple[str, str]:
    return place.namespace, place.name


async def test_an_apply_makes_a_secret_that_is_not_there(admin: Administrator, where: tuple[str, str]) -> None:
    made = await admin.apply(*where, "one", data=encoded(a="1"))
    assert (made["kind"], made["type"], made["data"]) == ("Secret", "Opaque", encoded(a="1"))
    assert made["metadata"]["resourceVersion"] == (await admin.get(*where))["metadata"]["resourceVersion"]


async def test_an_apply_that_changes_nothing_keeps_the_version(admin: Administrator, where: tuple[str, str]) -> None:
    first = await admin.apply(*where, "one", data=encoded(a="1"))
    again = await admin.apply(*where, "one", data=encoded(a="1"))
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_what_a_manager_wants_no_longer_is_removed(admin: Administrator, where: tuple[str, str]) -> None:
    await admin.apply(*where, "one", data=encoded(a="1", b="2"))
    assert (await admin.apply(*where, "one", data=encoded(b="3")))["data"] == encoded(b="3")


async def test_a_value_of_another_applier_is_not_taken_away(admin: Administrator, where: tuple[str, str]) -> None:
    await admin.apply(*where, "one", data=encoded(a="1"))
    status, reason, details = await refused(admin.apply(*where, "two", data=encoded(a="2")))
    assert (status, reason, causes(details)) == (409, "Conflict", [("FieldManagerConflict", ".data.a")])
    assert 'conflict with "one"' in details["causes"][0]["message"]
    assert (await admin.get(*where))["data"] == encoded(a="1")


async def test_a_value_that_somebody_edited_is_theirs(admin: Administrator, where: tuple[str, str]) -> None:
    await admin.apply(*where, "one", data=encoded(a="1", b="2"))
    await admin.edit(*where, data=encoded(a="edited"))
    _, _, details = await refused(admin.apply(*where, "one", data=encoded(a="3", b="2")))
    assert causes(details) == [("FieldManagerConflict", ".data.a")]
    assert 'conflict with "kubectl-edit"' in details["causes"][0]["message"]


async def test_a_value_that_two_managers_agree_on_belongs_to_both(admin: Administrator, where: tuple[str, str]) -> None:
    await admin.apply(*where, "one", metadata={"labels": {"a": "1"}})
    await admin.apply(*where, "two", metadata={"labels": {"a": "1"}}, data=encoded(a="1"))
    left = await admin.apply(*where, "one")
    assert left["metadata"]["labels"] == {"a": "1"}


async def test_force_takes_it_away(admin: Administrator, where: tuple[str, str]) -> None:
    await admin.apply(*where, "one", data=encoded(a="1"))
    assert (await admin.apply(*where, "two", data=encoded(a="2"), force="true"))["data"] == encoded(a="2")
    _, _, details = await refused(admin.apply(*where, "one", data=encoded(a="1")))
    assert causes(details) == [("FieldManagerConflict", ".data.a")]


async def test_keys_of_others_stay(admin: Administrator, where: tuple[str, str]) -> None:
    await admin.create(*where, data=encoded(theirs="1"))
    assert (await admin.apply(*where, "one", data=encoded(a="1")))["data"] == encoded(theirs="1", a="1")


async def test_an_apply_on_top_of_another_version_is_refused(admin: Administrator, where: tuple[str, str]) -> None:
    first = await admin.apply(*where, "one", data=encoded(a="1"))
    version = {"resourceVersion": first["metadata"]["resourceVersion"]}
    await admin.apply(*where, "one", data=encoded(a="2"), metadata=version)
    status, reason, details = await refused(admin.apply(*where, "one", data=encoded(a="3"), metadata=version))
    assert (status, reason, details.get("causes")) == (409, "Conflict", None)
    assert (await admin.get(*where))["data"] == encoded(a="2")


async def test_a_version_does_not_keep_an_apply_from_making_what_has_been_deleted(
    admin: Administrator, where: tuple[str, str]
) -> None:
    first = await admin.apply(*where, "one", data=encoded(a="1"))
    await admin.delete(*where)
    version = {"resourceVersion": first["metadata"]["resourceVersion"]}
    made = await admin.apply(*where, "one", data=encoded(a="2"), metadata=version)
    assert made["metadata"]["uid"] != first["metadata"]["uid"]


async def test_a_uid_does(admin: Administrator, where: tuple[str, str]) -> None:
    first = await admin.apply(*where, "one", data=encoded(a="1"))
    await admin.delete(*where)
    uid = {"uid": first["metadata"]["uid"]}
    status, reason, _ = await refused(admin.apply(*where, "one", data=encoded(a="2"), metadata=uid))
    assert (status, reason) == (409, "Conflict")


async def test_a_trial_makes_nothing(admin: Administrator, where: tuple[str, str]) -> None:
    tried = await admin.apply(*where, "one", data=encoded(a="1"), dryRun="All")
    assert tried["data"] == encoded(a="1")
    assert (await refused(admin.get(*where)))[:2] == (404, "NotFound")


async def test_a_trial_changes_nothing_but_tells_conflicts(admin: Administrator, where: tuple[str, str]) -> None:
    before = await admin.apply(*where, "one", data=encoded(a="1"))
    await admin.apply(*where, "one", data=encoded(a="2"), dryRun="All")
    assert await admin.get(*where) == before
    assert (await refused(admin.apply(*where, "two", data=encoded(a="2"), dryRun="All")))[0] == 409


async def test_nothing_changes_the_values_of_an_immutable_secret(admin: Administrator, where: tuple[str, str]) -> None:
    await admin.create(*where, data=encoded(a="1"), immutable=True)
    status, reason, details = await refused(admin.apply(*where, "one", data=encoded(b="2")))
    assert (status, reason, causes(details)) == (422, "Invalid", [("FieldValueForbidden", "data")])


async def test_the_type_of_a_secret_never_changes(admin: Administrator, where: tuple[str, str]) -> None:
    await admin.create(*where, data=encoded(a="1"), type="example.com/token")
    assert (await admin.apply(*where, "one", data=encoded(b="2")))["type"] == "example.com/token"
    status, reason, details = await refused(admin.apply(*where, "one", type="Opaque", force="true"))
    assert (status, reason, causes(details)) == (422, "Invalid", [("FieldValueInvalid", "type")])


async def test_an_absent_secret_is_told_as_such(admin: Administrator, where: tuple[str, str]) -> None:
    status, reason, details = await refused(admin.get(*where))
    assert (status, reason, details["kind"]) == (404, "NotFound", "secrets")


async def test_a_missing_namespace_is_told_by_an_apply_only(admin: Administrator) -> None:
    assert (await refused(admin.get("nowhere", "a")))[2]["kind"] == "secrets"
    status, reason, details = await refused(admin.apply("nowhere", "a", "one"))
    assert (status, reason, details["kind"]) == (404, "NotFound", "namespaces")


async def test_nothing_is_made_in_a_namespace_that_is_being_deleted(place: Place, admin: Administrator) -> None:
    await admin.end_namespace(place.namespace)
    status, reason, details = await refused(admin.apply(place.namespace, "a", "one"))
    assert (status, reason, details["causes"][0]["reason"]) == (403, "Forbidden", "NamespaceTerminating")


async def test_what_is_no_resource_at_all_is_told_in_plain_text(admin: Administrator) -> None:
    with pytest.raises(ApiRefusedError) as caught:
        await admin.ask("GET", "/apis/example.com/v1/namespaces/x/secrets/a")
    assert (caught.value.status, caught.value.document) == (404, {"message": "404 page not found\n"})


async def test_a_token_that_nobody_knows_is_401(admin: Administrator, where: tuple[str, str]) -> None:
    assert (await refused(admin.ask("GET", path_of(*where), user="nobody")))[:2] == (401, "Unauthorized")


async def test_a_user_without_a_role_is_forbidden(admin: Administrator, where: tuple[str, str]) -> None:
    with pytest.raises(ApiRefusedError) as caught:
        await admin.ask("GET", path_of(*where), user="user-399")
    assert (caught.value.status, caught.value.document["reason"]) == (403, "Forbidden")
    assert 'User "user-399" cannot get resource "secrets"' in caught.value.document["message"]


async def test_an_apply_that_makes_a_secret_needs_create_which_may_be_bound_to_its_name(
    admin: Administrator, where: tuple[str, str]
) -> None:
    namespace, name = where
    patcher = await admin.user(namespace, name, ("get", "patch"))
    assert (await refused(admin.apply(*where, "one", patcher)))[:2] == (403, "Forbidden")
    maker = await admin.user(namespace, name, ("get", "patch", "create"))
    assert (await admin.apply(*where, "one", maker))["kind"] == "Secret"
    assert (await refused(admin.apply(namespace, "another", "one", maker)))[:2] == (403, "Forbidden")
    assert (await admin.apply(*where, "one", patcher, data=encoded(a="1")))["data"] == encoded(a="1")


async def test_an_apply_without_a_manager_is_refused(admin: Administrator, where: tuple[str, str]) -> None:
    assert (await refused(admin.apply(*where, "")))[0] in {400, 422}


async def test_values_that_are_no_base64_are_refused(admin: Administrator, where: tuple[str, str]) -> None:
    assert (await refused(admin.apply(*where, "one", data={"a": "no base64!"})))[0] == 500


@pytest.mark.parametrize(
    ("fields", "at"),
    [({"data": {"a b": "MQ=="}}, "data[a b]"), ({"metadata": {"labels": {"a": "no label!"}}}, "metadata.labels")],
    ids=["key", "label"],
)
async def test_keys_and_labels_have_a_syntax(
    admin: Administrator, where: tuple[str, str], fields: dict[str, Any], at: str
) -> None:
    status, reason, details = await refused(admin.apply(*where, "one", **fields))
    assert (status, reason) == (422, "Invalid")
    assert causes(details) == [("FieldValueInvalid", at)]


async def test_values_of_more_than_a_mebibyte_are_too_long(admin: Administrator, where: tuple[str, str]) -> None:
    status, _, details = await refused(admin.apply(*where, "one", data=encoded(a="x" * ((1 << 20) + 1))))
    assert (status, causes(details)) == (422, [("FieldValueTooLong", "data")])


async def test_a_request_of_more_than_3_mebibytes_is_too_large(admin: Administrator, where: tuple[str, str]) -> None:
    assert (await refused(admin.apply(*where, "one", data=encoded(a="x" * (3 << 20)))))[0] == 413


async def test_a_key_that_came_by_string_data_stays_when_it_is_wanted_no_longer(
    admin: Administrator, where: tuple[str, str]
) -> None:
    await admin.apply(*where, "one", stringData={"a": "1", "b": "2"})
    assert (await admin.apply(*where, "one", stringData={"a": "1"}))["data"] == encoded(a="1", b="2")


async def test_json_with_other_scripts_and_escapes_arrives(admin: Administrator, where: tuple[str, str]) -> None:
    said = '\\u20ac " \\ / €'
    made = await admin.apply(*where, "one", metadata={"annotations": {"rotator/record": said}})
    assert made["metadata"]["annotations"]["rotator/record"] == said


async def test_the_names_of_managers_are_told(admin: Administrator, where: tuple[str, str]) -> None:
    await admin.apply(*where, "one", data=encoded(a="1"))
    made = await admin.apply(*where, "two", data=encoded(b="2"))
    held = {(entry["manager"], entry["operation"]) for entry in made["metadata"]["managedFields"]}
    assert held == {("one", "Apply"), ("two", "Apply")}
