"""What the measurement of 100,000 credentials stands on: a stub that answers as OpenBao does, and counts right."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from rotator.core.model import BearerToken, Moment, Secret, TokenRecord, fingerprint
from rotator.demo.stage import ROTATOR_POLICY
from rotator.testing import FakeClock
from tests.bench.http11 import Request
from tests.bench.processes import stub
from tests.bench.stub import SLOW_PATH, TOKEN_PATH, Stub
from tests.bench.stub_provider import due
from tests.bench.stub_session import TOKEN

if TYPE_CHECKING:
    from rotator.demo.bao import BaoServer
    from tests.conftest import Admission

LISTING = """
path "secret/metadata/tokens/"   { capabilities = ["list"] }
path "secret/metadata/nothing/"  { capabilities = ["list"] }
"""
KEY = "tokens/stub-1"
MARK = {"custom_metadata": {"managed-by": "rotator", "credential": "stub-1"}, "metadata_cas": 0}
EXCHANGE: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "auth/token/lookup-self", None),
    ("POST", "auth/token/renew-self", {}),
    ("GET", f"sys/internal/ui/mounts/secret/{KEY}", None),
    ("GET", f"secret/data/{KEY}", None),
    ("GET", f"secret/metadata/{KEY}", None),
    ("LIST", "secret/metadata/nothing/", None),
    ("POST", f"secret/metadata/{KEY}", MARK),
    ("GET", f"secret/metadata/{KEY}", None),
    ("POST", f"secret/metadata/{KEY}", MARK),
    ("GET", f"secret/data/{KEY}", None),
    ("POST", f"secret/data/{KEY}", {"options": {"cas": 0}, "data": {"some": "text"}}),
    ("POST", f"secret/data/{KEY}", {"options": {"cas": 0}, "data": {"some": "text"}}),
    ("PUT", f"secret/data/{KEY}", {"options": {"cas": 1}, "data": {"some": "text"}}),
    ("GET", f"secret/data/{KEY}", None),
    ("LIST", "secret/metadata/tokens/", None),
]
"""What rotator asks of Vault, with its refusals."""


def shape(value: object) -> object:
    """An answer without what differs from server to server: the kinds of its values, and the texts of its errors."""
    if isinstance(value, dict):
        return {key: inner if key == "errors" else shape(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


async def converse(address: str, role_id: str, secret_id: str) -> list[object]:
    """The whole exchange; each answer's status and shape."""
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, path: str, body: dict[str, Any] | None, token: str) -> tuple[int, Any]:
            url, headers = f"{address}/v1/{path}", {"X-Vault-Token": token}
            async with session.request(method, url, json=body, headers=headers) as answer:
                raw = await answer.read()
            return answer.status, json.loads(raw) if raw else None

        login = await ask("POST", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id}, "")
        token = login[1]["auth"]["client_token"]
        answers = [login, *[await ask(*asked, token) for asked in EXCHANGE]]
        answers.append(await ask("GET", f"secret/data/{KEY}", None, "s.nobody-knows-this-one"))
        answers.append(await ask("POST", "auth/token/revoke-self", None, token))
    return [(status, shape(document)) for status, document in answers]


# hvac and rotator's transport read no further: versions that the stub does not keep differ in the metadata alone.
async def test_the_stub_answers_as_openbao_does(bao: BaoServer, admission: Admission) -> None:
    role_id, secret_id = await admission.approle(ROTATOR_POLICY + LISTING, token_ttl="1h")
    async with stub(latency=0.0, lifetime=600) as servers:
        told = await converse(servers.address, "role", "secret")
    assert told == await converse(bao.address, role_id, secret_id.reveal())


class Talk:
    """A stub under a clock that is turned by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.stub = Stub(latency=0.02, slow=5.0, lifetime=600, clock=self.clock)

    def ask(self, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
        message = self.stub.answer(Request(method, path, TOKEN, body)).message
        raw = message.partition(b"\r\n\r\n")[2]
        return json.loads(raw) if raw else {}

    def mint(self, name: str) -> str:
        body = f"grant_type=client_credentials&client_id={name}&client_secret=s".encode()
        return str(self.ask("POST", TOKEN_PATH, body)["access_token"])

    def write(self, name: str, token: str, version: int) -> None:
        bearer = BearerToken(Secret(token), self.clock.now(), 600, "", "inputs", fingerprint(Secret(token)))
        body = {"options": {"cas": version}, "data": TokenRecord.of(bearer).fields()}
        assert self.ask("POST", f"/v1/secret/data/tokens/{name}", json.dumps(body).encode())["data"]

    def group(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", "/-/report")["groups"][name]
        return found


@pytest.mark.parametrize("late", [0.0, 0.4, -1.0])
def test_a_renewal_is_as_late_as_it_comes_after_it_was_due(late: float) -> None:
    talk = Talk()
    issued = talk.clock.now()
    token = talk.mint("steady-1")
    talk.clock.advance(due("steady-1", token, issued, 600) - issued.elapsed + late)
    talk.mint("steady-1")
    talk.mint("other-1")
    assert talk.group("steady")["renewals"] == 1
    assert talk.group("steady")["lateness"]["max"] == pytest.approx(late)


def test_a_renewal_is_due_when_about_half_of_the_life_is_over() -> None:
    issued = Moment(datetime(2026, 1, 1, tzinfo=UTC), 1000.0)
    assert 1000 + 0.4 * 600 <= due("steady-1", "token", issued, 600) <= 1000 + 0.5 * 600


def test_one_of_a_hundred_renewals_makes_the_99th_percentile() -> None:
    talk = Talk()
    issued = talk.clock.now()
    tokens = {name: talk.mint(name) for name in (f"steady-{number}" for number in range(100))}
    dues = sorted((due(name, token, issued, 600), name) for name, token in tokens.items())
    for at, name in dues[:-1]:
        talk.clock.advance(at - talk.clock.now().elapsed)
        talk.mint(name)
    talk.clock.advance(dues[-1][0] + 30 - talk.clock.now().elapsed)
    talk.mint(dues[-1][1])
    lateness = talk.group("steady")["lateness"]
    assert [lateness[share] for share in ("p50", "p99", "max")] == pytest.approx([0, 30, 30], abs=1e-6)


def test_a_record_that_ran_out_before_the_next_one_counts_as_expired() -> None:
    talk = Talk()
    for name, after in (("steady-1", 599.0), ("steady-2", 602.5)):
        talk.write(name, talk.mint(name), 0)
        talk.clock.advance(after)
        talk.write(name, talk.mint(name), 1)
    seen = talk.group("steady")
    assert (seen["expired"], seen["longest_gap"], seen["records"]) == (1, 2.5, 2)
    assert seen["expired_now"] == 1  # the first one's second record, while the other's were written
    talk.ask("POST", "/-/begin")
    talk.clock.advance(700)
    seen = talk.group("steady")
    assert (seen["expired"], seen["expired_now"]) == (0, 2)


def test_redated_records_are_fresh_and_otherwise_as_they_were() -> None:
    talk = Talk()
    names = [f"steady-{number}" for number in range(4)]
    for name in names:
        talk.write(name, talk.mint(name), 0)
    before = [talk.ask("GET", f"/v1/secret/data/tokens/{name}")["data"]["data"] for name in names]
    talk.clock.advance(1000)
    talk.ask("POST", "/-/redate", json.dumps({"lifetime": 3600, "oldest": 400}).encode())
    after = [talk.ask("GET", f"/v1/secret/data/tokens/{name}")["data"]["data"] for name in names]
    records = [TokenRecord.parse(fields) for fields in after]
    now = talk.clock.now()
    assert [now.wall - record.issued_at for record in records if record] == [
        timedelta(seconds=age) for age in (0, 100, 200, 300)
    ]
    assert all(record and record.expires_at - record.issued_at == timedelta(hours=1) for record in records)
    assert [record and record.expires_in for record in records] == [3600] * 4
    dates = {"issued_at", "expires_at", "expires_in"}
    assert [{name: old[name] for name in old.keys() - dates} for old in before] == [
        {name: new[name] for name in new.keys() - dates} for new in after
    ]


def test_what_was_asked_is_counted_by_kind_and_second() -> None:
    talk = Talk()
    for count in (3, 1):
        for _ in range(count):
            talk.mint("steady-1")
        talk.ask("GET", "/v1/secret/data/apps/steady-1")
        talk.clock.advance(1)
    requests = talk.ask("GET", "/-/report")["requests"]
    assert requests["token"] == {"count": 4, "peak_per_second": 3}
    assert requests["source"] == {"count": 2, "peak_per_second": 1}


def test_the_slow_provider_answers_late_and_nobody_else_does() -> None:
    talk = Talk()
    body = b"client_id=slow-1&client_secret=s"
    latencies = [talk.stub.answer(Request("POST", path, "", body)).after for path in (TOKEN_PATH, SLOW_PATH)]
    assert latencies == [0.02, 5.0]
