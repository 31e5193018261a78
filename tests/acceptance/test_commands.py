"""The commands as people and programs use them: exit codes, JSON, and what is said."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.certificates import self_signed
from tests.support.process import PASSED_ON, ROTATOR, rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.process import Site

COMMANDS = [
    *("run", "rotate", "plan", "check", "simulate", "status", "explain", "wait", "healthcheck", "schema", "demo"),
]


@pytest.mark.parametrize("command", COMMANDS)
async def test_every_command_explains_itself_with_an_example(command: str) -> None:
    code, out, _ = await rotator(command, "--help")
    assert code == 0
    assert f"Example: rotator {command}" in out


async def test_the_help_names_every_command_and_the_exit_codes() -> None:
    code, out, _ = await rotator("--help")
    assert code == 0
    assert all(f"│ {command} " in out for command in COMMANDS)
    assert "Exit codes: 0 done" in out


async def test_rotate_mints_once_and_has_nothing_to_do_then(site: Site) -> None:
    configuration = await site.prepare(["billing", "search"])
    code, out, _ = await rotator("rotate", "-c", configuration, "-o", "json")
    assert code == 0
    assert [line["action"] for line in json.loads(out)] == ["minted", "minted"]
    code, out, _ = await rotator("rotate", "-c", configuration, "-o", "json")
    assert code == 0
    assert [line["action"] for line in json.loads(out)] == ["kept", "kept"]
    assert site.requests() == 2


async def second_of(document: dict[str, str]) -> None:
    """Wait out the second of a token's issue: one that is issued within it counts as equal and is left (ADR 14)."""
    over = datetime.fromisoformat(document["issued_at"]) + timedelta(seconds=2)
    await asyncio.sleep(max(0.0, (over - datetime.now(UTC)).total_seconds()))  # noqa: TID251  the servers' clock


async def test_rotate_force_mints_the_named_one_only(site: Site) -> None:
    configuration = await site.prepare(["billing", "search"])
    await rotator("rotate", "-c", configuration)
    before = await site.document("billing")
    await second_of(before)
    code, out, err = await rotator("rotate", "billing", "--force", "-c", configuration)
    assert code == 0, out + err
    assert (await site.document("billing"))["fingerprint"] != before["fingerprint"]
    assert site.requests() == 3


async def test_rotate_fails_with_1_where_a_credential_is_refused_and_serves_the_others(site: Site) -> None:
    configuration = await site.prepare(["billing", "search"])
    await site.store("billing", "wrong")
    code, out, err = await rotator("rotate", "-c", configuration, "-o", "json")
    assert code == 1
    billing, search = json.loads(out)
    assert (billing["error"], search["action"]) == ("invalid_client", "minted")
    assert site.clients["search"].secret.reveal() not in out + err


LINES = re.compile(r"^[0-9T:.-]+Z \[(warning|error) +\] [a-z_.]+ .*$")


async def test_cron_is_told_what_went_wrong_in_words_and_nothing_else_on_standard_error(site: Site) -> None:
    configuration = await site.prepare(["billing", "search"])
    code, _, err = await rotator("rotate", "-c", configuration)
    assert (code, err) == (0, "")
    code, _, err = await rotator("plan", "-c", configuration)
    assert (code, err) == (0, "")
    await site.store("billing", "wrong")
    code, out, err = await rotator("rotate", "--force", "-c", configuration)
    assert code == 1
    assert [line for line in err.splitlines() if not LINES.match(line)] == []
    assert "credential.rejected" in err
    assert "billing: invalid_client: " in out
    assert "    cure: Write the right secret" in out


async def test_programs_get_json_on_both_ways_out(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    await site.store("billing", "wrong")
    code, out, err = await rotator("rotate", "-o", "json", "-c", configuration)
    assert code == 1
    (line,) = json.loads(out)
    assert line["cure"].startswith("Write the right secret")
    assert {json.loads(event)["level"] for event in err.splitlines()} == {"error"}


async def test_what_the_configuration_says_of_logs_outweighs_that(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    env = {"ROTATOR_LOG__LEVEL": "debug", "ROTATOR_LOG__FORMAT": "json"}
    _, _, err = await rotator("rotate", "-c", configuration, env=env)
    assert "token.delivered" in [json.loads(event)["event"] for event in err.splitlines()]


@pytest.mark.parametrize("columns", [80, 120])
async def test_a_table_fits_the_terminal_and_folds_nothing_but_names(site: Site, columns: int) -> None:
    configuration = await site.prepare(["search-and-recommendations-in-production"])
    _, out, _ = await rotator("plan", "-c", configuration, env={"COLUMNS": str(columns)})
    assert max(map(len, out.splitlines())) <= columns
    assert re.search(r"mint +absent +20[0-9-]{8}T[0-9:]{8}Z +0 s", out)
    names = "".join(line.split(" ", 1)[0] for line in out.splitlines()[1:])
    assert names == "search-and-recommendations-in-production"


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}], ids=["coloured", "plain"])
async def test_a_terminal_gets_colours_unless_it_wants_none(tmp_path: Path, env: dict[str, str]) -> None:
    configuration = configured(tmp_path, "http://127.0.0.1:1")
    terminal, ours = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(ROTATOR, "rotate", "-c", configuration),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=ours,
        env={**PASSED_ON, "TERM": "xterm-256color", **env},
    )
    os.close(ours)
    assert await process.wait() == 1
    said = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert "vault.unavailable" in said
    assert ("\x1b[3" in said) is not bool(env)


async def test_plan_says_what_would_be_done_and_does_nothing(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    code, out, _ = await rotator("plan", "-c", configuration, "-o", "json")
    assert code == 0
    assert [(line["action"], line["reason"]) for line in json.loads(out)] == [("mint", "absent")]
    assert site.requests() == 0


async def test_plan_tells_when_the_next_mint_is_due(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    await rotator("rotate", "-c", configuration)
    code, out, _ = await rotator("plan", "-c", configuration, "-o", "json")
    (line,) = json.loads(out)
    ahead = datetime.fromisoformat(line["at"]) - datetime.fromisoformat((await site.document("billing"))["issued_at"])
    assert code == 0
    assert (line["action"], line["reason"]) == ("wait", "not_due")
    assert 239 <= ahead.total_seconds() <= 300


GOOD = """\
[vault]
address = "{address}"
[vault.auth]
method = "approle"
role_id_file = "role-id"
secret_id_file = "secret-id"
[providers.thx]
token_url = "https://auth.thx.network/token"
[credentials.billing]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/billing" }}
sinks = [{{ type = "vault", path = "secret/tokens/billing" }}]
"""


def kept(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def configured(home: Path, address: str = "https://vault.example.com:8200") -> Path:
    for name in ("role-id", "secret-id"):
        kept(home, name, "x")
    return kept(home, "config.toml", GOOD.format(address=address))


async def test_a_name_that_is_misspelled_is_a_usage_error_with_the_right_one(tmp_path: Path) -> None:
    code, _, err = await rotator("rotate", "biling", "-c", configured(tmp_path))
    assert code == 2
    assert 'no credential "biling"' in err
    assert "one of billing" in err
    assert "did you mean billing?" in err


@pytest.mark.parametrize("arguments", [("rotate",), ("simulate", "--outage", "1m", "--provider")], ids=" ".join)
async def test_a_secret_in_the_place_of_a_name_is_not_repeated_g06(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = await rotator(*arguments, "swordfish-and-more", "-c", configured(tmp_path))
    assert code == 2
    assert "of the name that was given (not shown)" in err
    assert "swordfish" not in out + err


async def test_relative_secret_files_are_those_that_systemd_hands_over(tmp_path: Path) -> None:
    handed, home = tmp_path / "credentials", tmp_path / "etc"
    configuration = configured(home)
    (home / "secret-id").unlink()
    kept(handed, "role-id", "x")
    code, _, err = await rotator("check", "-c", configuration, env={"CREDENTIALS_DIRECTORY": str(handed)})
    assert (code, "vault.auth.secret_id_file" in err, "role_id_file" in err) == (2, True, False)
    kept(handed, "secret-id", "x").chmod(0o400)
    code, out, err = await rotator("check", "-c", configuration, env={"CREDENTIALS_DIRECTORY": str(handed)})
    assert (code, err) == (0, "")
    assert "1 credential" in out


async def test_a_vault_that_nobody_vouches_for_is_refused_whatever_the_environment_asks_for_g05(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(self_signed(tmp_path / "server.pem"))
    heard = []

    async def hear(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append("a request")
        writer.close()

    skip = {"VAULT_SKIP_VERIFY": "true", "BAO_SKIP_VERIFY": "1", "PYTHONHTTPSVERIFY": "0"}
    async with await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context) as server:
        address = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        code, out, _ = await rotator("check", "--live", "-o", "json", "-c", configured(tmp_path, address), env=skip)
    (login,) = json.loads(out)["checks"]
    assert (code, login["error"], heard) == (1, "vault_tls", [])


async def test_check_live_tries_everything_around_the_configuration(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    code, out, _ = await rotator("check", "--live", "-c", configuration, "-o", "json")
    document = json.loads(out)
    assert code == 0
    assert document["ok"]
    assert len(document["checks"]) == 6
    assert site.requests() == 1


async def test_check_live_prints_the_policy_that_is_missing(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    await site.bao.write_policy("rotator", 'path "secret/data/apps/*" { capabilities = ["read"] }')
    code, out, _ = await rotator("check", "--live", "-c", configuration)
    assert code == 1
    assert 'path "secret/data/tokens/billing" { capabilities = [' in out


async def test_a_configuration_that_cannot_be_used_ends_with_2_and_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[vault]\naddress = "http://vault.example.com"\nsecret = "CANARY"\n')
    for command in ("run", "rotate", "plan", "check"):
        code, out, err = await rotator(command, "-c", file)
        assert code == 2
        assert f"{file}:2: vault.address" in err
        assert "Traceback" not in err
        assert "CANARY" not in out + err


async def test_check_tells_programs_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[vault]\n")
    code, out, _ = await rotator("check", "-c", file, "-o", "json")
    assert code == 2
    assert {"vault.auth", "providers", "credentials"} <= {problem["key"] for problem in json.loads(out)["problems"]}


async def test_the_schema_is_json() -> None:
    code, out, _ = await rotator("schema")
    assert code == 0
    assert json.loads(out)["properties"]["credentials"]


async def test_the_demo_delivers_and_removes_itself(tmp_path: Path) -> None:
    code, out, _ = await rotator("demo", "--once", "--lifetime", "30s", env={"TMPDIR": str(tmp_path)})
    assert code == 0
    assert out.count("token.delivered") == 6
    assert os.listdir(tmp_path) == []  # noqa: PTH208  nobody waits for this directory


async def test_the_demo_refuses_a_lifetime_that_is_none() -> None:
    code, _, err = await rotator("demo", "--lifetime", "soon")
    assert code == 2
    assert "--lifetime" in err
