"""`rotator simulate` as its users run it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.process import rotator

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
[vault]
address = "https://vault.example.com:8200"
[vault.auth]
method = "token"
token_file = "token"
[providers.thx]
token_url = "https://auth.example.com/token"
[providers.slow]
token_url = "https://slow.example.com/token"
assumed_lifetime = "1h"
"""


def credential(name: str, provider: str, interval: str) -> str:
    sink = f'{{ type = "vault", path = "secret/tokens/{name}", consumer_interval = "{interval}" }}'
    source = f'{{ type = "vault", path = "secret/apps/{name}" }}'
    return f'[credentials.{name}]\nprovider = "{provider}"\nsource = {source}\nsinks = [{sink}]\n'


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("no server is ever asked")
    file = tmp_path / "config.toml"
    file.write_text(HEAD + credential("billing", "thx", "4m") + credential("reports", "slow", "5m"))
    return file


async def simulated(configuration: Path, *asked: str) -> tuple[int, dict[str, Any]]:
    code, out, err = await rotator("simulate", "-c", configuration, "-o", "json", *asked)
    assert err == ""
    return code, json.loads(out)


def found(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return next(line for line in answer["credentials"] if line["credential"] == name)


async def test_a_short_outage_is_noticed_by_nobody(configuration: Path) -> None:
    code, answer = await simulated(configuration, "--outage", "30s")
    assert code == 0
    assert [line["expired_s"] for line in answer["credentials"]] == [0.0, 0.0]
    assert answer["broken_promises"] == []


async def test_a_long_one_is_by_those_whose_tokens_are_short_and_the_worst_comes_first(configuration: Path) -> None:
    code, answer = await simulated(configuration, "--outage", "10m")
    assert code == 1
    assert [line["credential"] for line in answer["credentials"]] == ["billing", "reports"]
    assert found(answer, "reports")["expired_s"] == 0.0
    [sink] = found(answer, "billing")["sinks"]
    [(start, end)] = sink["expired"]
    assert 0.0 < start < 600.0 < end < 606.0
    [(held_from, held_to)] = sink["held_expired"]
    assert held_from == start
    assert held_to == pytest.approx(end + 240.0)


async def test_only_the_named_provider_is_away(configuration: Path) -> None:
    _, answer = await simulated(configuration, "--outage", "10m", "--provider", "slow")
    assert {line["name"]: line["in_trouble"] for line in answer["providers"]}["thx"] == 0
    assert found(answer, "billing")["expired_s"] == 0.0


async def test_a_restart_in_the_middle_changes_the_requests_and_not_the_safety(configuration: Path) -> None:
    code, answer = await simulated(configuration, "--outage", "2m", "--restart")
    assert code == 0
    assert answer["broken_promises"] == []


async def test_the_same_question_has_the_same_answer(configuration: Path) -> None:
    asked = ("--outage", "10m", "--errors", "0.8", "--seed", "3")
    assert await simulated(configuration, *asked) == await simulated(configuration, *asked)


async def test_people_get_a_table_a_picture_and_a_verdict(configuration: Path) -> None:
    code, out, _ = await rotator("simulate", "-c", configuration, "--outage", "10m", "--step=-1h")
    assert code == 1
    assert "Simulated: every provider away for 10m; the wall clock set by -1h." in out
    assert "Consumers of 1 of 2 credentials would hold an expired token" in out
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert "░" in lines["billing"]
    assert "░" not in lines["reports"]
    assert "█" in lines["reports"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--outage", "soon"), "a duration with its unit"),
        (("--step", "400000h"), "a duration from"),
        (("--lifetime", "1s"), "a duration from 10s"),
        (("--provider", "thy"), "one of slow, thx"),
        (("--errors", "2"), "less than or equal to 1"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_with_what_was_wanted(
    configuration: Path, asked: tuple[str, ...], said: str
) -> None:
    code, out, err = await rotator("simulate", "-c", configuration, *asked)
    assert (code, out) == (2, "")
    assert said in " ".join(err.replace("│", " ").split())
