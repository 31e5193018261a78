"""The admin server of the installed rotator: who may ask, what is answered, and that asking disturbs nobody."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rotator.operate.http import SAFE
from rotator.wire.unix_socket import near
from tests.support.alone import configured, running
from tests.support.canary import Searcher, canary
from tests.support.http import ask
from tests.support.process import PASSED_ON, ROTATOR, Rotator, rotator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.process import Site

PATHS = ("/", "/-/healthy", "/-/ready", "/metrics", "/api/v1/status", "/api/v1/status/billing")
TOKEN = "a-bearer-of-my-own-making"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def kept(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def http(listen: str, **more: str) -> str:
    lines = [f"{key} = {value}" for key, value in more.items()]
    return "\n".join(["[http]", f'listen = "{listen}"', *lines, ""])


async def post(port: int, path: str, bearer: str | None = TOKEN) -> tuple[int, str]:
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session,
        session.post(f"http://127.0.0.1:{port}{path}", headers=headers) as answer,
    ):
        assert SAFE.items() <= dict(answer.headers).items()
        return answer.status, await answer.text()


async def scraped(place: Path, name: str) -> float:
    _, body, _ = await ask(place, "/metrics")
    (family,) = [one for one in text_string_to_metric_families(body) if one.name == name]
    (sample,) = family.samples
    return sample.value


async def test_where_nobody_chose_a_place_it_is_a_socket_that_only_the_user_may_enter_and_it_goes_with_it(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as alone:
        assert (mode_of(alone.socket), mode_of(alone.socket.parent)) == (0o600, 0o700)
        alone.process.terminate()
        assert await alone.process.wait() == 0
    assert not alone.socket.exists()


async def test_a_socket_that_a_killed_daemon_left_is_replaced_and_one_that_answers_is_not(tmp_path: Path) -> None:
    async with running(tmp_path) as first:
        first.process.kill()
        await first.process.wait()
    assert first.socket.exists()
    async with running(tmp_path) as second, Rotator(tmp_path / "config.toml") as third:
        told = await third.says("http.unavailable")
        assert "another rotator listens at" in told["detail"]
        assert told["cure"].startswith("choose another http.listen")
        assert await second.health() == "200"
        third.signal(signal.SIGTERM)
        assert await third.ended() == 0
        assert await second.health() == "200", "the socket of the other one has not been taken away"


@pytest.mark.parametrize("taken", ["port", "file"])
async def test_a_place_that_was_chosen_and_cannot_be_had_ends_the_start_with_2_and_says_why(
    tmp_path: Path, taken: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        file = kept(tmp_path / "in the way", "mine")
        place = f"127.0.0.1:{listening.getsockname()[1]}" if taken == "port" else f"unix:{file}"
        code, _, err = await rotator("run", "-c", configured(tmp_path, http(place)))
    assert code == 2
    assert "http.listen" in err
    assert ("Address already in use" if taken == "port" else "is no socket") in err
    assert "choose another http.listen" in err
    assert "Traceback" not in err
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('[http]\nlisten = "0.0.0.0:9464"\n', "public = true"),
        ('[http]\nlisten = "127.0.0.1:9464"\nactions = ["reload"]\n', "token_file"),
        ('[http]\nlisten = "unix:relative.sock"\n', "unix:/run/rotator/rotator.sock"),
        ('[http]\nsocket_mode = "0666"\n', '"0600"'),
    ],
    ids=["an address that others reach", "actions without a bearer", "a relative socket", "a socket for everybody"],
)
async def test_what_is_not_safe_is_refused(tmp_path: Path, section: str, words: str) -> None:
    code, _, err = await rotator("check", "-c", configured(tmp_path, section))
    assert code == 2
    assert words in err


async def test_a_path_longer_than_107_bytes_is_listened_at_and_found(tmp_path: Path) -> None:
    place = tmp_path / ("long" * 30) / "rotator.sock"
    configuration = configured(tmp_path, http(f"unix:{place}", socket_mode='"0660"'))
    async with Rotator(configuration) as daemon:
        await daemon.says("http.listening", listen=f"unix:{place}")
        assert mode_of(place) == 0o660
        code, out, _ = await rotator("healthcheck", "-c", configuration)
        assert (code, out) == (0, "healthy\n")


async def test_every_answer_has_the_safe_headers_and_only_what_is_there_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as alone:
        for path in PATHS:
            code, _, headers = await ask(alone.socket, path)
            assert code in {200, 503}
            wanted = SAFE if path != "/" else {key: value for key, value in SAFE.items() if "Policy" not in key}
            assert wanted.items() <= headers.items()
            assert "default-src 'none'" in headers["Content-Security-Policy"]
        refused = {("HEAD", "/"): 405, ("PUT", "/-/healthy"): 405, ("DELETE", "/api/v1/status"): 405}
        refused |= {("GET", "/-/reload"): 405, ("GET", "/nothing"): 404, ("GET", "/api/v1/status/nobody"): 404}
        refused |= {("POST", "/-/reload"): 403, ("POST", "/-/rotate/billing"): 403, ("GET", "/../etc/passwd"): 404}
        for (method, path), wanted_code in refused.items():
            code, body, headers = await ask(alone.socket, path, method)
            assert code == wanted_code, (method, path)
            assert SAFE.items() <= headers.items()
            assert "nobody" not in body
        assert await alone.health() == "200"


async def test_a_name_that_is_not_known_is_not_repeated_whatever_it_is_g06(tmp_path: Path) -> None:
    async with running(tmp_path, '[http]\nactions = ["rotate"]\n') as alone:
        for method, path in (("GET", "/api/v1/status/"), ("POST", "/-/rotate/")):
            code, body, _ = await ask(alone.socket, f"{path}swordfish%0a%3Cscript%3E", method)
            assert code == 404
            assert "swordfish" not in body


async def test_on_a_socket_its_mode_is_guard_enough_and_only_what_is_named_may_be_asked_for(tmp_path: Path) -> None:
    async with running(tmp_path, '[http]\nactions = ["reload"]\n') as alone:
        assert (await ask(alone.socket, "/-/reload", "POST"))[0] == 202
        code, body, _ = await ask(alone.socket, "/-/rotate/billing", "POST")
        assert (code, body) == (403, 'not allowed here; http.actions = ["rotate"] would allow it\n')


async def test_on_an_address_a_bearer_is_wanted_as_the_file_has_it_now(tmp_path: Path) -> None:
    port, file = free_port(), kept(tmp_path / "bearer", f"{TOKEN}\n")
    section = http(f"127.0.0.1:{port}", actions='["reload", "rotate"]', token_file='"bearer"')
    async with Rotator(configured(tmp_path, section)) as daemon:
        await daemon.says("http.listening", actions=["reload", "rotate"])
        for wrong in (None, "", "wrong", TOKEN[:-1], f"{TOKEN}x", "é" * 8):
            code, body = await post(port, "/-/reload", wrong)
            assert (code, body) == (401, "wanted: Authorization: Bearer, with what is in http.token_file\n")
        assert (await post(port, "/-/rotate/billing"))[0] == 202
        assert (await post(port, "/-/reload"))[0] == 202
        await daemon.says("config.reloaded")
        kept(file, "another-bearer-of-mine")
        assert (await post(port, "/-/reload"))[0] == 401
        assert (await post(port, "/-/reload", "another-bearer-of-mine"))[0] == 202
        file.unlink()
        code, body = await post(port, "/-/reload", "another-bearer-of-mine")
        assert (code, body) == (503, "the file of http.token_file cannot be read\n")
        file.touch(mode=0o600)
        assert (await post(port, "/-/reload", ""))[0] == 503
        assert TOKEN not in json.dumps(daemon.events)


async def test_bytes_that_are_no_text_are_a_wrong_bearer_and_nothing_worse(tmp_path: Path) -> None:
    port = free_port()
    kept(tmp_path / "bearer", TOKEN)
    section = http(f"127.0.0.1:{port}", actions='["reload"]', token_file='"bearer"')
    async with Rotator(configured(tmp_path, section)) as daemon:
        await daemon.says("http.listening")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /-/reload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\nContent-Length: 0\r\n\r\n"
        )
        assert b" 401 " in await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        assert daemon.named("process.error") == []


async def test_a_reload_that_is_asked_for_is_told_by_the_metric_whether_it_worked_r05(tmp_path: Path) -> None:
    async with running(tmp_path, '[http]\nactions = ["reload"]\n') as alone:
        name, file = "rotator_config_last_reload_successful", tmp_path / "config.toml"
        assert await scraped(alone.socket, name) == 1
        good = file.read_text()
        file.write_text(good.replace("[providers.thx]", "[providers.thx]\nrate_limt = 5"))
        await ask(alone.socket, "/-/reload", "POST")
        await _until(alone.socket, name, 0)
        file.write_text(good)
        await ask(alone.socket, "/-/reload", "POST")
        await _until(alone.socket, name, 1)


async def _until(place: Path, name: str, wanted: float) -> None:
    async with asyncio.timeout(20):
        while await scraped(place, name) != wanted:  # noqa: ASYNC110  it is another process
            await asyncio.sleep(0.05)


async def test_a_reload_moves_the_server_and_keeps_it_where_the_new_place_cannot_be_had_r05(tmp_path: Path) -> None:
    first, second, port = tmp_path / "first.sock", tmp_path / "second.sock", free_port()
    configuration = configured(tmp_path, http(f"unix:{first}"))
    async with Rotator(configuration) as daemon:
        await daemon.says("http.listening", listen=f"unix:{first}")
        kept(second, "in the way")
        configured(tmp_path, http(f"unix:{second}"))
        daemon.signal(signal.SIGHUP)
        await daemon.says("http.unavailable", listen=f"unix:{second}")
        await daemon.says("config.reloaded")
        assert (await ask(first, "/-/healthy"))[0] == 200
        second.unlink()
        daemon.signal(signal.SIGHUP)
        await daemon.says("http.listening", listen=f"unix:{second}")
        await daemon.says("config.reloaded", count=2)
        assert (await ask(second, "/-/healthy"))[0] == 200
        assert not first.exists()
        configured(tmp_path, http(f"unix:{second}", socket_mode='"0660"'))
        daemon.signal(signal.SIGHUP)
        await daemon.says("config.reloaded", count=3)
        assert mode_of(second) == 0o660
        configured(tmp_path, http(f"127.0.0.1:{port}"))
        daemon.signal(signal.SIGHUP)
        await daemon.says("config.reloaded", count=4)
        assert not second.exists()
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/-/healthy") as answer:
            assert answer.status == 200


@asynccontextmanager
async def silent(place: Path, count: int) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """Connections that say nothing, or something now and then."""
    async with AsyncExitStack() as stack:
        writers = []
        with near(place) as reached:
            for _ in range(count):
                _, writer = await asyncio.open_unix_connection(reached)
                stack.callback(writer.close)
                writers.append(writer)
        yield writers


async def test_rotate_mints_for_that_credential_only_and_those_who_say_nothing_hold_up_nobody(site: Site) -> None:
    site.extra = '[http]\nactions = ["rotate"]\n'
    configuration = await site.prepare(["billing", "search"])
    place = site.home / "state" / "rotator.sock"
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        async with silent(place, 100) as writers:
            for writer in writers[:50]:
                writer.write(b"GET /api/v1/status HT")
            began = asyncio.get_running_loop().time()
            assert (await ask(place, "/-/healthy"))[0] == 200
            assert (await ask(place, "/-/ready"))[:2] == (200, "ready\n")
            await asyncio.sleep(max(0.0, 5.5 - (began - daemon.arrived[0])))  # two tokens are 5 s apart
            assert (await ask(place, "/-/rotate/billing", "POST"))[0] == 202
            await daemon.says("token.minted", credential="billing", reason="forced")
            await daemon.says("token.delivered", credential="billing", count=4)
            assert asyncio.get_running_loop().time() - began < 10
        assert [event["credential"] for event in daemon.named("token.minted")].count("search") == 1
        assert site.requests() == 3


async def test_no_answer_holds_a_secret_also_with_a_foreign_error_in_play_p44(site: Site) -> None:
    site.extra = '[http]\nactions = ["reload"]\n'
    configuration = await site.prepare(["billing", "search"])
    secrets = {"a wrong secret": canary("wrong"), "a secret": site.clients["billing"].secret.reveal()}
    await site.store("search", secrets["a wrong secret"])
    place = site.home / "state" / "rotator.sock"
    async with Rotator(configuration, level="debug") as daemon:
        await daemon.says("credential.rejected", credential="search")
        await daemon.says("token.delivered", credential="billing", count=2)
        searcher = Searcher({name: secret for name, secret in secrets.items() if len(secret) >= 24})
        searcher.add("a token", site.file("billing").read_text())
        searcher.add("the secret id", (site.home / "secret-id").read_text())
        found = []
        for path in (*PATHS, "/api/v1/status/search"):
            _, body, headers = await ask(place, path)
            found += searcher.look(body, path) + searcher.look(json.dumps(headers), path)
        assert found == []
        _, body, _ = await ask(place, "/api/v1/status/search")
        assert json.loads(body)["failure"]["error"] == "invalid_client"
        assert searcher.look(site.file("billing").read_text(), "where it belongs"), "the search finds what is there"


async def test_what_a_scrape_gets_is_prometheus_text(tmp_path: Path) -> None:
    async with running(tmp_path) as alone:
        code, body, headers = await ask(alone.socket, "/metrics")
        assert code == 200
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {family.name for family in text_string_to_metric_families(body)}
        assert {"rotator_build_info", "rotator_credential_state", "process_open_fds"} <= families


async def test_as_another_user_nobody_gets_in_and_is_told_why(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    tmp_path.chmod(0o755)  # noqa: ASYNC240  an instant
    async with running(tmp_path) as alone:
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
            *(ROTATOR, "healthcheck", "--at", f"unix:{alone.socket}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=PASSED_ON,
        )
        out, err = await process.communicate()
    if b"Permission denied" in err:
        pytest.skip("another user may not even run the installed rotator here")
    assert process.returncode == 1
    assert b"permission denied. Ask as rotator's user or as root, or see http.socket_mode" in out
