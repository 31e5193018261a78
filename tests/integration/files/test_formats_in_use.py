"""The formats, read by the programs that they are for."""

from __future__ import annotations

import http.server
import json
import shutil
import string
import subprocess
import threading
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.files.formats import FORMATS, Layout
from tests.integration.files.harness import NOW, record, run, sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Asked = list[tuple[str, dict[str, str], bytes]]

FIRST = string.ascii_letters + string.digits + "-._+/"
TOKENS = ["token.one", "a==", "-n", "+x", "/etc", "_._", "a~b", "a=", "eyJhbGciOi.J9-_.x"]
TILDES = ["~", "~/x", "~root", "~+", "~-=="]
SHELLS = [name for name in ("sh", "bash", "dash", "zsh", "busybox") if shutil.which(name)]


def write(place: Path, token: str, kind: str) -> Path:
    secret = Secret(token)
    content = TokenRecord(secret, NOW, NOW, 600, "", fingerprint(secret), "")
    path = place / "file"
    path.write_bytes(FORMATS[kind].render(content, Layout("3-billing")))
    return path


def sourced(shell: str, path: Path) -> str:
    script = f'. {path}; printf %s "$_3_BILLING_ACCESS_TOKEN"'
    command = [shell, *(["sh"] if shell == "busybox" else []), "-c", script]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("token", [*TOKENS, *TILDES])
def test_a_shell_that_sources_an_env_file_has_the_token(tmp_path: Path, shell: str, token: str) -> None:
    assert sourced(shell, write(tmp_path, token, "env")) == token


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.text(FIRST + "~", min_size=1), padding=st.integers(min_value=0, max_value=2))
def test_f17_a_shell_has_whichever_token_was_written(tmp_path: Path, token: str, padding: int) -> None:
    whole = token + "=" * padding
    assert sourced("sh", write(tmp_path, whole, "env")) == whole


@contextmanager
def serving(server: http.server.HTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Recorder(http.server.BaseHTTPRequestHandler):
    """Answers every request, and keeps what it was asked."""

    asked: Asked

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.path, dict(self.headers), body))
        created = self.path.split("?")[0].endswith("/create")
        self.send_response(HTTPStatus.CREATED if created else HTTPStatus.OK)
        self.send_header("Api-Version", "1.44")
        self.send_header("Content-Type", "application/json")
        answer = b'{"Id": "0123456789ab", "Warnings": []}' if created else b"{}"
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_POST = do_HEAD = do_GET  # noqa: N815  likewise

    def log_message(self, *_: object) -> None:
        """Nothing on stderr: it would show the token."""


@pytest.fixture
def recorder() -> Iterator[tuple[str, Asked]]:
    handler = cast("type[Recorder]", type("Own", (Recorder,), {"asked": []}))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with serving(server):
        yield f"127.0.0.1:{server.server_port}", handler.asked


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
async def test_curl_sends_a_header_file_as_its_header(tmp_path: Path, recorder: tuple[str, Asked]) -> None:
    address, asked = recorder
    await sink(tmp_path, "header").write(record())
    (path,) = (tmp_path / "out").iterdir()
    command = [
        "curl",
        "--silent",
        "--fail",
        "--noproxy",
        "*",
        "--max-time",
        "10",
        "-H",
        f"@{path}",
        f"http://{address}/",
    ]
    run(*command)
    assert [headers["Authorization"] for _, headers, _ in asked] == ["Bearer token.one"]


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker client")
@pytest.mark.parametrize("token", TOKENS)
def test_docker_takes_an_env_file_as_it_is(tmp_path: Path, recorder: tuple[str, Asked], token: str) -> None:
    """The client reads the file and sends the variables to its engine, whose place the recorder takes."""
    address, asked = recorder
    path = write(tmp_path, token, "env")
    command = ["docker", "-H", f"tcp://{address}", "create", "--pull", "never", "--env-file", str(path), "image"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run(command, check=True, capture_output=True, timeout=20, env=environment)
    (created,) = [json.loads(body) for where, _, body in asked if "/containers/create" in where]
    assert created["Env"] == [f"_3_BILLING_ACCESS_TOKEN={token}"]
