"""What `check` prints: for people what is wrong and how to mend it, for programs the same as fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rotator.cli.checking import check

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """\
[vault]
address = "http://127.0.0.1:9"

[vault.auth]
method = "token"
token_file = "token"

[providers.thx]
token_url = "https://auth.example.com/token"

[credentials.billing]
provider = "thx"
renew_at = {renew_at}
source = {{ type = "vault", path = "secret/apps/billing" }}
sinks = [{{ type = "vault", path = "secret/tokens/billing", consumer_interval = "5m" }}]
"""


def configuration(home: Path, renew_at: float = 0.5) -> Path:
    """A configuration of one credential, whose Vault is not there."""
    secret = home / "token"
    secret.write_text("hvs.CANARY")
    secret.chmod(0o600)
    file = home / "config.toml"
    file.write_text(CONFIGURATION.format(renew_at=renew_at))
    return file


def test_a_good_configuration_is_told_in_one_line_however_long_its_path_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    file = configuration(deep)
    assert check(file, "text", live=False) == 0
    assert capsys.readouterr().out == f"ok    {file}: 1 credential\n"


def test_people_are_warned_of_what_works_badly_and_programs_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = configuration(tmp_path, renew_at=0.9)
    assert check(file, "text", live=False) == 0
    told = capsys.readouterr().out
    assert "warn  " in told
    assert "consumer_interval" in told
    assert check(file, "json", live=False) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["problems"], document["checks"]) == (True, [], [])
    assert [warning["key"] for warning in document["warnings"]] == ["credentials.billing.sinks[0].consumer_interval"]


@pytest.mark.parametrize(
    ("quota", "line"),
    [
        ("3000/24h", "ok    thx: at most 360 tokens a day, and 360 within 24h: 12% of its quota (3000/24h)"),
        ("400/24h", "warn  {file}:11: providers.thx.quota"),
    ],
)
def test_a_quota_is_told_also_when_it_is_kept_and_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], quota: str, line: str
) -> None:
    file = configuration(tmp_path)
    file.write_text(file.read_text().replace("[credentials", f'quota = "{quota}"\n[credentials', 1))
    assert check(file, "text", live=False) == 0
    told = capsys.readouterr().out.splitlines()
    assert line.format(file=file) in told
    assert ("warn" in line) is not any("of its quota" in row for row in told)
    assert check(file, "json", live=False) == 0
    (forecast,) = json.loads(capsys.readouterr().out)["quotas"]
    limit = int(quota.partition("/")[0])
    assert forecast == {
        "provider": "thx",
        "limit": limit,
        "span_s": 86400.0,
        "tokens_per_span": 360,
        "tokens_per_day": 360,
        "used": round(360 / limit, 3),
    }


def test_a_vault_that_is_not_there_is_told_with_its_cure_and_nothing_else_is_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(configuration(tmp_path), "text", live=True) == 1
    told = capsys.readouterr().out
    assert "fail  log in to Vault at http://127.0.0.1:9" in told
    assert "vault_unavailable: " in told
    assert "cure: " in told
    assert "billing: " not in told
    assert "CANARY" not in told
