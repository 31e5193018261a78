"""An API server that is dead, slow, overloaded, throttling, or not one at all; and tokens and connections that end."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from rotator.contract import record
from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.engine.clock import SystemClock
from rotator.kubernetes.cluster import CONNECTIONS, LARGEST_ANSWER, Cluster, Clusters, ClusterSettings
from rotator.kubernetes.secret import Layout
from rotator.kubernetes.sink import SecretSink
from rotator.testing import FakeClock
from tests.support.certificates import self_signed
from tests.support.hostile_provider import full_backlog
from tests.support.kubernetes import token_of
from tests.support.kubernetes_fake import answering, breaking, hanging

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from tests.support.kubernetes_fake import FakeApiServer
    from tests.support.kubernetes_fixtures import Place


@pytest.fixture
def api_server(fake: FakeApiServer) -> FakeApiServer:
    """Only the fake one can be made to fail."""
    return fake


async def failure(attempt: Awaitable[object], *words: str) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await attempt
    assert all(word in caught.value.detail for word in words), caught.value.detail
    assert "token-of" not in str(caught.value)
    assert "token.one" not in str(caught.value)
    return caught.value


DOWN = [(500, "etcd"), (502, "gateway"), (503, "overloaded"), (504, "in time"), (408, "in vain")]


@pytest.mark.parametrize(("status", "word"), DOWN, ids=str)
async def test_an_api_server_that_fails_is_unavailable(
    place: Place, fake: FakeApiServer, status: int, word: str
) -> None:
    fake.troubles = [answering(status, "etcdserver: request timed out")] * 2
    assert (await failure(place.sink().read(), word)).code is Code.KUBERNETES_UNAVAILABLE
    assert (await failure(place.sink().write(record()), word)).code is Code.KUBERNETES_UNAVAILABLE


async def test_a_dead_api_server_costs_nothing_and_comes_back(place: Place, fake: FakeApiServer) -> None:
    sink = place.sink()
    await sink.write(record())
    await fake.__aexit__()
    error = await failure(sink.write(record("two", life=700)), "no connection", errno.errorcode[errno.ECONNREFUSED])
    assert error.code is Code.KUBERNETES_UNAVAILABLE
    await fake.__aenter__()
    assert await sink.write(record("two", life=700)) == record("two", life=700)


async def test_a_slow_api_server_is_given_up_at_the_deadline(place: Place, fake: FakeApiServer) -> None:
    fake.troubles = [hanging]
    sink = place.sink(place.cluster(timeout=0.3))
    async with asyncio.timeout(5):
        error = await failure(sink.read(), "not answered whole within 0.3 s")
    assert error.code is Code.KUBERNETES_UNAVAILABLE


async def test_an_answer_that_never_ends_is_given_up_at_the_deadline(place: Place, fake: FakeApiServer) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b" ")
            await asyncio.sleep(0.02)

    fake.troubles = [drip]
    async with asyncio.timeout(5):
        await failure(place.sink(place.cluster(timeout=0.3)).read(), "not answered whole within 0.3 s")


async def test_while_no_answer_comes_one_sink_at_a_time_finds_out_and_the_others_do_not_wait(
    place: Place, fake: FakeApiServer
) -> None:
    cluster = place.cluster(timeout=1.5)
    fake.troubles = [hanging] * 1000
    sinks = [place.sink(cluster) for _ in range(200)]
    async with asyncio.timeout(9):  # 16 at a time they would take twice as long
        ended = await asyncio.gather(*(sink.read() for sink in sinks), return_exceptions=True)
    assert {error.code for error in ended if isinstance(error, RotationError)} == {Code.KUBERNETES_UNAVAILABLE}
    sent = len(fake.requests)
    ended = await asyncio.gather(*(sink.read() for sink in sinks), return_exceptions=True)
    assert len(fake.requests) == sent + 1
    assert "another one tries" in str(ended[-1])
    fake.troubles.clear()
    assert await sinks[0].read() is None
    assert await asyncio.gather(*(sink.read() for sink in sinks)) == [None] * len(sinks)


async def test_one_slow_answer_among_others_is_nobody_elses_trouble(place: Place, fake: FakeApiServer) -> None:
    cluster = place.cluster(timeout=2)
    arrived = asyncio.Event()

    async def arrive_and_hang(request: web.Request) -> web.StreamResponse:
        arrived.set()
        return await hanging(request)

    fake.troubles = [arrive_and_hang]
    slow = asyncio.create_task(place.sink(cluster).read())
    await arrived.wait()
    await place.sink(cluster).read()
    await failure(slow, "not answered")
    assert await asyncio.gather(*(place.sink(cluster).read() for _ in range(9))) == [None] * 9


async def test_a_black_hole_keeps_nobody_longer_than_one_connection_takes(place: Place) -> None:
    with full_backlog() as url:
        cluster = place.cluster(api_server=url.removesuffix("/token"), timeout=1)
        async with asyncio.timeout(8):  # 16 at a time they would take twelve
            ended = await asyncio.gather(*(place.sink(cluster).read() for _ in range(200)), return_exceptions=True)
    assert {error.code for error in ended if isinstance(error, RotationError)} == {Code.KUBERNETES_UNAVAILABLE}


async def test_p10_whoever_is_throttled_keeps_all_sinks_of_the_cluster_quiet_for_as_long(
    place: Place, fake: FakeApiServer
) -> None:
    place.clock = clock = FakeClock()
    cluster = place.cluster()
    fake.troubles = [answering(429, "", Retry_After="7")]
    error = await failure(place.sink(cluster).read(), "it asks to wait 7 s")
    assert (error.code, error.retry_after) == (Code.KUBERNETES_THROTTLED, 7)
    asked = len(fake.requests)
    clock.advance(6)
    error = await failure(place.sink(cluster).write(record()), "is not sent yet", "1 s are left")
    assert (error.code, error.retry_after) == (Code.KUBERNETES_THROTTLED, 1)
    assert len(fake.requests) == asked
    clock.advance(1)
    await place.sink(cluster).write(record())


WAITS = {"7": 7, "0": 1, "": 1, "soon": 1, "-5": 1, "99999999999": 300, "Wed, 21 Oct 2026 07:28:00 GMT": 1, "\u0667": 1}


@pytest.mark.parametrize(("header", "seconds"), WAITS.items(), ids=[f"p12-{header!a}" for header in WAITS])
async def test_whatever_retry_after_says_the_pause_has_bounds(
    place: Place, fake: FakeApiServer, header: str, seconds: float
) -> None:
    fake.troubles = [answering(429, "", Retry_After=header)]
    assert (await failure(place.sink().read())).retry_after == seconds


async def test_a_connection_that_broke_is_replaced_by_a_fresh_one(place: Place, fake: FakeApiServer) -> None:
    fake.troubles = [breaking]
    await place.sink().write(record())
    assert await place.sink().read() == record()


async def test_a_server_that_breaks_every_connection_is_unavailable(place: Place, fake: FakeApiServer) -> None:
    fake.troubles = [breaking] * 9
    assert (await failure(place.sink().read(), "broke", "and the next one as well")).code is Code.KUBERNETES_UNAVAILABLE


async def test_v19_a_write_whose_answer_was_lost_is_found_and_not_written_again(
    place: Place, fake: FakeApiServer
) -> None:
    sink = place.sink()
    await sink.write(record())

    async def lose_the_answer(request: web.Request) -> web.StreamResponse:
        await fake._answer(request)
        return await breaking(request)

    fake.troubles = [lose_the_answer]
    assert await sink.write(record("two", life=700)) == record("two", life=700)
    version = (await place.secret())["metadata"]["resourceVersion"]
    assert await place.sink().write(record("two", life=700)) == record("two", life=700)
    assert (await place.secret())["metadata"]["resourceVersion"] == version


async def test_v19_after_a_write_whose_outcome_is_not_known_the_secret_is_looked_at(
    place: Place, fake: FakeApiServer
) -> None:
    sink = place.sink()
    await sink.write(record())

    async def write_and_fail(request: web.Request) -> web.StreamResponse:
        await fake._answer(request)
        return web.Response(status=504)

    fake.troubles = [write_and_fail]
    await failure(sink.write(record("two", life=700)), "did not finish in time")
    assert await sink.write(record()) == record("two", life=700)


async def test_whoever_is_overtaken_twice_says_so(place: Place, fake: FakeApiServer) -> None:
    sink = place.sink()
    await sink.write(record())
    lives = iter((601, 602))

    async def overtake(request: web.Request) -> None:
        if request.method == "PATCH" and (life := next(lives, 0)):
            fake.inspected, before = _nothing, fake.inspected
            await place.sink().write(record(str(life), life=life))
            fake.inspected = before

    async def _nothing(_: web.Request) -> None:
        pass

    fake.inspected = overtake
    error = await failure(sink.write(record("mine", life=900)), "twice")
    assert error.code is Code.SINK_CONFLICT
    assert await sink.write(record("mine", life=900)) == record("mine", life=900)


async def test_h01_a_rotator_that_was_quicker_in_making_the_secret_keeps_its_better_token(
    place: Place, fake: FakeApiServer
) -> None:
    slow, quick = place.sink(), place.sink()

    async def overtake(request: web.Request) -> None:
        if request.method == "PATCH":
            fake.inspected = _nothing
            await quick.write(record("theirs", life=900))

    async def _nothing(_: web.Request) -> None:
        pass

    fake.inspected = overtake
    assert await slow.write(record("mine", life=600)) == record("theirs", life=900)
    assert await place.sink().read() == record("theirs", life=900)


STRANGE = {
    "html": (200, "<html>Sign in</html>", "HTML"),
    "nothing": (200, "", "nothing"),
    "a list": (200, "[]", "a list"),
    "another kind": (200, {"kind": "ConfigMap"}, "another JSON object"),
    "deep": (200, "[" * 100_000, "a list"),
    "a plain 404": (404, "404 page not found", "something else than JSON"),
    "a 404 of something else": (404, {"kind": "Status", "details": {"kind": "pods"}}, "serves no Secrets"),
    "a 403 of a proxy": (403, "<html>", "HTML"),
    "an unknown status": (418, "", "nothing"),
    "a redirect": (302, "", "not followed"),
}


@pytest.mark.parametrize(("status", "body", "word"), STRANGE.values(), ids=STRANGE)
async def test_what_no_api_server_answers_is_malformed(
    place: Place, fake: FakeApiServer, status: int, body: object, word: str
) -> None:
    fake.troubles = [answering(status, body, Location="https://localhost:1/")]
    assert (await failure(place.sink().read(), word)).code is Code.KUBERNETES_MALFORMED


async def test_a_secret_without_a_version_is_malformed(place: Place, fake: FakeApiServer) -> None:
    await place.sink().write(record())
    secret = await place.secret()
    del secret["metadata"]["resourceVersion"]
    fake.troubles = [answering(200, secret)]
    assert (await failure(place.sink().read(), "resourceVersion")).code is Code.KUBERNETES_MALFORMED


async def test_a_webhook_that_changes_what_was_written_is_told(place: Place, fake: FakeApiServer) -> None:
    sink = place.sink()
    await sink.write(record())
    secret = await place.secret()
    secret["data"]["access_token"] = "Y2hhbmdlZA=="
    fake.troubles = [answering(200, secret)]
    assert (await failure(sink.write(record("two", life=700)), "webhook")).code is Code.KUBERNETES_MALFORMED


async def test_p38_an_answer_beyond_all_secrets_is_not_read_to_its_end(place: Place, fake: FakeApiServer) -> None:
    fake.troubles = [answering(200, " " * (LARGEST_ANSWER + 1))]
    assert (await failure(place.sink().read(), "more than 2097152 bytes")).code is Code.KUBERNETES_MALFORMED


REFUSALS = {
    "quota": (403, "secrets is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=0", "ResourceQuota"),
    "webhook": (403, 'admission webhook "policy.example.com" denied the request: no', "an admission webhook"),
    "webhook-400": (400, 'admission webhook "policy.example.com" denied the request: no', "an admission webhook"),
    "policy": (422, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", "ValidatingAdmissionPolicy"),
    "too old": (415, "the body of the request was in an unknown format", "server-side apply"),
    "too large": (413, "limit is 3145728", "too large"),
    "else": (422, "something else", "finds the request itself wrong"),
}


@pytest.mark.parametrize(("status", "message", "word"), REFUSALS.values(), ids=REFUSALS)
async def test_a_write_that_is_refused_says_why(
    place: Place, fake: FakeApiServer, status: int, message: str, word: str
) -> None:
    sink = place.sink()
    await sink.write(record())
    fake.troubles = [answering(status, {"kind": "Status", "message": message})]
    assert (await failure(sink.write(record("two", life=700)), word)).code is Code.KUBERNETES_REFUSED


HOSTILE = 'token-of-user-1 conflict with "a\\n\\u001b[31mtoken.one" '


async def test_nothing_of_a_refusal_but_plain_names_is_repeated(place: Place, fake: FakeApiServer) -> None:
    sink = place.sink()
    await sink.write(record())
    cause = {"reason": "FieldManagerConflict", "message": HOSTILE, "field": ".data[token.one]"}
    refusal = {"kind": "Status", "message": HOSTILE, "details": {"causes": [cause, "no object"]}}
    fake.troubles = [answering(409, refusal)]
    await failure(sink.write(record("two", life=700)), "a field was last set by another field manager")


async def test_a_token_that_is_renewed_is_used_from_then_on(place: Place, fake: FakeApiServer) -> None:
    cluster = place.cluster()
    await place.sink(cluster).write(record())
    del fake.tokens[place.token_file.read_text()]
    await place.as_user("get", "patch", "create")
    asked = len(fake.requests)
    await place.sink(cluster).read()
    assert len(fake.requests) == asked + 1


async def test_a_token_that_is_refused_is_read_once_more_before_that_is_told(place: Place, fake: FakeApiServer) -> None:
    cluster = place.cluster()
    await place.sink(cluster).read()
    refused = place.token_file.read_text()

    async def renew(_: web.Request) -> web.StreamResponse:
        place.token_file.write_text(token_of(user))
        return web.json_response({"kind": "Status"}, status=401)

    user = await place.admin.user(place.namespace, place.name, ("get",))
    del fake.tokens[refused]
    fake.troubles = [renew]
    assert await place.sink(cluster).read() is None


async def test_a_token_that_nobody_knows_is_told(place: Place, fake: FakeApiServer) -> None:
    fake.tokens.clear()
    assert (await failure(place.sink().read(), "bearer token")).code is Code.KUBERNETES_LOGIN_REFUSED


@pytest.mark.parametrize(
    ("content", "word"),
    [("", "nothing"), ("two\nlines", "no single word"), ("naïve", "no single word"), ("x" * 70_000, "no single word")],
    ids=["empty", "lines", "other scripts", "huge"],
)
async def test_a_file_that_holds_no_token_is_told_with_its_name(
    place: Place, fake: FakeApiServer, content: str, word: str
) -> None:
    asked = len(fake.requests)
    place.token_file.write_text(content)
    error = await failure(place.sink().read(), str(place.token_file), word)
    assert error.code is Code.KUBERNETES_LOGIN_REFUSED
    assert len(fake.requests) == asked


async def test_a_token_file_that_is_missing_is_told_and_found_once_it_is_there(place: Place) -> None:
    token = place.token_file.read_text()
    place.token_file.unlink()
    sink = place.sink()
    assert (await failure(sink.read(), "ENOENT")).code is Code.KUBERNETES_LOGIN_REFUSED
    place.token_file.write_text(f"{token}\n")
    assert await sink.read() is None


async def test_n05_a_certificate_that_nobody_vouches_for_is_refused(place: Place, tmp_path: Path) -> None:
    another = self_signed(tmp_path / "another.pem")
    for ca_file, word in ((another, "signed by itself"), (None, "signed by itself")):
        error = await failure(place.sink(place.cluster(ca_file=ca_file)).read(), "certificate is refused", word)
        assert error.code is Code.KUBERNETES_TLS


async def test_n05_a_certificate_for_another_host_is_refused(place: Place, fake: FakeApiServer) -> None:
    elsewhere = place.cluster(api_server=f"https://127.0.0.1:{fake.port}")
    assert (await failure(place.sink(elsewhere).read())).code is Code.KUBERNETES_TLS


async def test_a_ca_file_that_cannot_be_used_is_told(place: Place, tmp_path: Path) -> None:
    error = await failure(place.sink(place.cluster(ca_file=tmp_path / "none.pem")).read(), "none.pem", "ENOENT")
    assert error.code is Code.KUBERNETES_TLS


async def test_n02_an_api_server_at_the_address_of_cloud_metadata_is_not_talked_to(place: Place) -> None:
    import socket

    def metadata(_: str, port: int, __: socket.AddressFamily) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]

    settings = ClusterSettings("https://api.example.com:6443", place.token_file)
    cluster = Cluster(settings, SystemClock(), metadata)  # type: ignore[arg-type]  # the few fields that count
    error = await failure(SecretSink(cluster, Layout("apps", "billing", "billing")).read(), "169.254.169.254")
    assert error.code is Code.KUBERNETES_ADDRESS_REFUSED
    await cluster.close()


async def test_g09_proxies_of_the_environment_are_not_asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert await place.sink().read() is None


async def test_a_path_before_the_api_is_kept(place: Place, fake: FakeApiServer) -> None:
    sink = place.sink(place.cluster(api_server=f"{fake.url}/k8s/clusters/one/"))
    await failure(sink.read())
    assert fake.requests[-1][1] == f"/k8s/clusters/one/api/v1/namespaces/{place.namespace}/secrets/billing"


async def test_a_thousand_sinks_share_a_few_connections(fake: FakeApiServer, place: Place) -> None:
    clusters = Clusters(SystemClock())
    settings = ClusterSettings(place.admin.url, place.token_file, place.admin.ca_file, timeout=60)
    place.token_file.write_text(token_of("admin"))
    peers, together, most = set(), 0, 0

    async def count(request: web.Request) -> None:
        nonlocal together, most
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        together += 1
        most = max(most, together)
        await asyncio.sleep(0)
        together -= 1

    fake.inspected = count
    sinks = [
        SecretSink(clusters.cluster(settings), Layout(place.namespace, f"billing-{n}", "billing")) for n in range(1000)
    ]
    await asyncio.gather(*(sink.read() for sink in sinks))
    assert len(peers) <= CONNECTIONS
    assert most <= CONNECTIONS
    await clusters.close()


def test_only_equal_settings_share_them(place: Place) -> None:
    clusters = Clusters(SystemClock())
    settings = ClusterSettings(place.admin.url, place.token_file)
    assert clusters.cluster(settings) is clusters.cluster(ClusterSettings(place.admin.url, place.token_file))
    assert clusters.cluster(settings) is not clusters.cluster(
        ClusterSettings(place.admin.url, place.token_file, timeout=1.0)
    )


async def test_no_secret_shows_in_what_its_parts_say_of_themselves(place: Place) -> None:
    sink = place.sink()
    await sink.write(record())
    parts = (sink, vars(sink), vars(sink._cluster), vars(sink._cluster._token), sink._layout)
    shown = " ".join(map(repr, parts))
    assert Secret("token.one").reveal() not in shown
    assert place.token_file.read_text() not in shown


def test_sinks_elsewhere_have_names_of_their_own(place: Place) -> None:
    cluster, layout = place.cluster(), Layout("apps", "billing", "billing")
    assert SecretSink(cluster, layout).name == "kubernetes:apps/billing"
    assert SecretSink(cluster, layout, "k8s.example.com/apps/billing").name == "kubernetes:k8s.example.com/apps/billing"
