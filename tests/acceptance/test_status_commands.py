"""`status`, `explain`, `wait` and `healthcheck` against running rotators, as people, scripts and probes use them."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
from typing import TYPE_CHECKING

import pytest

from rotator.cli import explaining
from rotator.core.errors import Code
from tests.acceptance.test_terminal import Screen
from tests.support.alone import configured, running
from tests.support.process import DEADLINE, PASSED_ON, ROTATOR, Rotator, rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.process import Site


async def test_what_is_fresh_is_shown_explained_waited_for_and_healthy(site: Site) -> None:
    configuration = await site.prepare(["billing", "search"])
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        await daemon.says("token.delivered", count=4)
        code, out, err = await rotator("status", "--check", "-c", configuration)
        assert (code, err) == (0, "")
        assert "healthy, ready" in out
        assert "Vault: logged in" in out
        rows = [line.split() for line in out.splitlines()]
        assert [row[:2] for row in rows if row[:1] in (["billing"], ["search"])] == [
            ["billing", "fresh"],
            ["search", "fresh"],
        ]
        assert all("2/2" in row for row in rows if row[:1] in (["billing"], ["search"]))
        code, out, _ = await rotator("status", "billing", "-c", configuration)
        fingerprint = (await site.document("billing"))["fingerprint"]
        assert code == 0
        assert f"holds {fingerprint}, valid for" in out
        assert "token.minted" in out
        code, out, _ = await rotator("status", "-o", "json", "-c", configuration)
        whole = json.loads(out)
        assert (code, whole["healthy"], whole["summary"]["fresh"]) == (0, True, 2)
        code, out, _ = await rotator("explain", "billing", "-c", configuration)
        assert code == 0
        assert "billing is fresh" in out
        assert "renewal due" in out
        code, out, _ = await rotator("explain", "billing", "-o", "json", "-c", configuration)
        explained = json.loads(out)
        assert explained["next_mint_reason"] == "nearing_expiry"
        assert [step["what"] for step in explained["arithmetic"]][:3] == ["issued", "lifetime", "expires"]
        code, out, err = await rotator("wait", "billing", "search", "-c", configuration)
        assert (code, out, err) == (0, "", "")
        assert await rotator("healthcheck", "--ready", "-c", configuration) == (0, "ready\n", "")


async def test_a_provider_that_is_cut_is_shown_with_its_cause_and_its_cure(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as daemon:
        await daemon.says("token.delivered", count=2)
        site.oidc.stop()
        # A new secret wants a new token; the one that consumers hold was made from the old one, and is still good.
        await site.store("billing", site.clients["billing"].secret.reveal())
        failed = await daemon.says("token.mint_failed", error="provider_unreachable")
        code, out, _ = await rotator("status", "--check", "-c", configuration)
        assert code == 1
        assert "failing" in out
        assert f"  found   {failed['detail']}" in out
        assert f"  cure    {Code.PROVIDER_UNREACHABLE.cure}" in out
        assert "consumers are served for 9 min" in out
        assert (await rotator("status", "-c", configuration))[0] == 0, "only --check asks for more than an answer"
        assert await rotator("healthcheck", "-c", configuration) == (0, "healthy\n", "")
        assert (await rotator("healthcheck", "--ready", "-c", configuration))[0] == 0, "consumers are still served"
        assert (await rotator("wait", "billing", "--timeout", "2s", "-c", configuration))[0] == 0
        code, out, _ = await rotator("explain", "billing", "-c", configuration)
        assert code == 0
        assert "backoff" in out
        assert f"cure: {Code.PROVIDER_UNREACHABLE.cure}" in out


async def test_what_is_refused_is_parked_and_waited_for_in_vain_with_the_reason(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    await site.store("billing", "wrong")
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        code, _, err = await rotator("wait", "billing", "--timeout", "1s", "-c", configuration)
        assert code == 1
        assert err.startswith("not within 1 s: no good token yet for billing (invalid_client: ")
        code, out, _ = await rotator("explain", "billing", "-c", configuration)
        assert code == 0
        assert "slow lane" in out
        code, out, _ = await rotator("healthcheck", "--ready", "-c", configuration)
        assert (code, out) == (1, "consumers hold no good token of billing\n")


async def test_a_sealed_vault_is_shown_and_makes_nobody_unready_who_is_served(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as daemon:
        await daemon.says("token.delivered", count=2)
        await site.bao.request("PUT", "sys/seal")
        await daemon.says("vault.unavailable")
        code, out, _ = await rotator("status", "-c", configuration)
        assert code == 0
        assert "Vault: vault_unavailable" in out
        assert "healthy, ready" in out


async def test_wait_begins_before_the_daemon_does(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    waiting = asyncio.create_task(rotator("wait", "billing", "--timeout", "30s", "-c", configuration))
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 1.5)
        async with Rotator(configuration):
            assert await waiting == (0, "", "")
            assert site.file("billing").exists()
    finally:
        waiting.cancel()


async def test_without_a_daemon_every_question_says_where_was_asked_and_what_to_look_at(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    said = f"no rotator answers at unix:{tmp_path}/state/rotator.sock: nobody listens there."
    for command in (("status",), ("status", "billing"), ("explain", "billing")):
        code, out, err = await rotator(*command, "-c", configuration)
        assert (code, out) == (1, "")
        assert err.startswith(said)
    code, out, _ = await rotator("healthcheck", "-c", configuration)
    assert code == 1
    assert out.startswith(said)
    code, _, err = await rotator("wait", "--timeout", "1s", "-c", configuration)
    assert code == 1
    assert err.startswith(f"not within 1 s: {said}")


async def test_what_answers_and_is_no_rotator_is_told_apart() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        code, _, err = await rotator("status", "--at", f"127.0.0.1:{port}")
    assert (code, err) == (1, f"what answers at 127.0.0.1:{port} is no rotator: status 200, and no JSON object\n")


async def test_a_name_that_is_not_known_is_a_usage_error_and_not_repeated_g06(tmp_path: Path) -> None:
    async with running(tmp_path):
        for command in ("status", "explain", "wait"):
            code, out, err = await rotator(command, "swordfish", "-c", tmp_path / "config.toml")
            assert (code, out) == (2, "")
            assert err == "the running rotator has no credential of that name; `rotator status` lists those it has\n"


@pytest.mark.parametrize("code", Code, ids=lambda code: code.text)
def test_every_error_code_is_explained_without_a_daemon(code: Code, capsys: pytest.CaptureFixture[str]) -> None:
    assert explaining.code(code.text, "json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "error": code.text, "retried": code.retryable, "meaning": code.meaning, "cure": code.cure,
    }  # fmt: skip
    assert explaining.code(code.text, "text") == 0
    words = " ".join(capsys.readouterr().out.split())
    assert " ".join(code.cure.split()) in words


async def test_an_error_code_is_explained_on_a_machine_without_a_configuration(tmp_path: Path) -> None:
    code, out, err = await rotator("explain", "invalid_client", env={"ROTATOR_CONFIG": str(tmp_path / "none.toml")})
    assert (code, err) == (0, "")
    assert "tried again" in out
    assert "basic_encoding" in out


async def test_the_watch_is_live_survives_the_daemon_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    async with running(tmp_path) as alone:
        master, slave = pty.openpty()
        screen = Screen(master)
        process = await asyncio.create_subprocess_exec(
            # Who was started in the background, as CI may be, passes on that it ignores SIGINT.
            *("env", "--default-signal=INT"),
            *(ROTATOR, "status", "--watch", "-c", tmp_path / "config.toml"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**PASSED_ON, "TERM": "xterm-256color", "COLUMNS": "160", "LINES": "40"},
        )
        os.close(slave)
        try:
            await screen.shows("billing", "expired", "vault_unavailable")
            alone.process.kill()
            await screen.shows("nobody listens there.")
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), DEADLINE) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(master)


async def test_a_wait_that_is_interrupted_ends_with_130_and_claims_no_lapse_of_time(tmp_path: Path) -> None:
    async with running(tmp_path):
        master, slave = pty.openpty()
        screen = Screen(master)
        process = await asyncio.create_subprocess_exec(
            *("env", "--default-signal=INT"),
            *(ROTATOR, "wait", "billing", "--timeout", "300s", "-c", tmp_path / "config.toml"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=PASSED_ON,
        )
        os.close(slave)
        try:
            await screen.shows("waiting: no good token yet for billing")
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), DEADLINE) == 130
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(master)
    assert "not within" not in screen.text


async def test_programs_that_watch_get_a_document_a_line(tmp_path: Path) -> None:
    async with running(tmp_path):
        process = await asyncio.create_subprocess_exec(
            *(ROTATOR, "status", "--watch", "-o", "json", "-c", tmp_path / "config.toml"),
            stdout=asyncio.subprocess.PIPE,
            env=PASSED_ON,
            limit=1 << 20,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(DEADLINE):
                documents = [json.loads(await process.stdout.readline()) for _ in range(2)]
        finally:
            process.kill()
            await process.wait()
    assert [one["credentials"][0]["credential"] for one in documents] == ["billing", "billing"]
    assert documents[0]["now"] < documents[1]["now"]


async def test_who_asks_needs_no_secret_file(tmp_path: Path) -> None:
    async with running(tmp_path):
        (tmp_path / "secret-id").unlink()
        assert await rotator("healthcheck", "-c", tmp_path / "config.toml") == (0, "healthy\n", "")
