"""Formats for programs that log in somewhere: the real programs read the file, and show its token to a server."""

from __future__ import annotations

import http.server
import json
import shutil
import ssl
import subprocess
from base64 import b64decode, urlsafe_b64decode
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import pytest

from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.files.formats import FORMATS, Layout
from tests.integration.files.harness import NOW
from tests.integration.files.test_formats_in_use import FIRST, Recorder, serving
from tests.support.certificates import self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.files.test_formats_in_use import Asked

TOKENS = ["token.one", "a==", "-n", "+x", "/etc", "~root", "a~b", FIRST]
LONGEST_OF_CURL = 4000
"""Characters: curl before 8.11.1, and git with it, take no line of a netrc file that is longer than 4,095 bytes."""


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"there is no {program}")


class Guarded(Recorder):
    """Wants a password, as registries and git servers do."""

    def do_GET(self) -> None:  # noqa: N802  as http.server names it
        if self.headers.get("Authorization"):
            super().do_GET()
            return
        self.send_response(HTTPStatus.UNAUTHORIZED)
        self.send_header("WWW-Authenticate", 'Basic realm="a test"')
        self.send_header("Content-Length", "0")
        self.end_headers()


def _served(kind: type[Recorder], context: ssl.SSLContext | None = None) -> Iterator[tuple[int, Asked]]:
    handler = cast("type[Recorder]", type("Own", (kind,), {"asked": []}))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        yield server.server_port, handler.asked


@pytest.fixture
def guarded() -> Iterator[tuple[int, Asked]]:
    yield from _served(Guarded)


@pytest.fixture
def engine() -> Iterator[tuple[int, Asked]]:
    yield from _served(Recorder)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "certificate.pem")


@pytest.fixture
def api_server(certificate: Path) -> Iterator[tuple[int, Asked]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    yield from _served(Recorder, context)


def write(path: Path, token: str, kind: str, **keys: Any) -> Path:
    secret = Secret(token)
    content = TokenRecord(secret, NOW, NOW, 600, "", fingerprint(secret), "")
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(FORMATS[kind].render(content, Layout("billing", **keys)))
    return path


def ran(home: Path, *command: object) -> subprocess.CompletedProcess[bytes]:
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "no_proxy": "*",
        "GIT_TERMINAL_PROMPT": "0",
    }
    return subprocess.run(
        [str(part) for part in command], check=False, capture_output=True, timeout=60, env=environment
    )


def shown(asked: Asked) -> list[str]:
    """The pairs of user and password that were shown."""
    given = [headers["Authorization"].split() for _, headers, _ in asked if "Authorization" in headers]
    return [b64decode(value).decode() for scheme, value in given if scheme == "Basic"]


@needs("curl")
@pytest.mark.parametrize("token", [*TOKENS, "x" * LONGEST_OF_CURL], ids=lambda token: token[:8])
def test_curl_shows_the_token_of_a_netrc_file(tmp_path: Path, guarded: tuple[int, Asked], token: str) -> None:
    port, asked = guarded
    file = write(tmp_path / "netrc", token, "netrc", machine="127.0.0.1", login="x-access-token")
    ran(tmp_path, "curl", "--silent", "--max-time", "20", "--netrc-file", file, f"http://127.0.0.1:{port}/")
    assert shown(asked) == [f"x-access-token:{token}"]


@needs("git")
@pytest.mark.parametrize("token", [*TOKENS, "x" * LONGEST_OF_CURL], ids=lambda token: token[:8])
def test_git_shows_the_token_of_a_netrc_file_in_its_home(
    tmp_path: Path, guarded: tuple[int, Asked], token: str
) -> None:
    port, asked = guarded
    write(tmp_path / ".netrc", token, "netrc", machine="127.0.0.1", login="x-access-token")
    ran(tmp_path, "git", "ls-remote", f"http://127.0.0.1:{port}/repository.git")
    assert set(shown(asked)) == {f"x-access-token:{token}"}


@needs("kubectl")
@pytest.mark.parametrize("token", TOKENS)
def test_kubectl_shows_the_token_that_cat_gives_it(
    tmp_path: Path, api_server: tuple[int, Asked], certificate: Path, token: str
) -> None:
    port, asked = api_server
    file = write(tmp_path / "cluster.json", token, "kubectl-exec")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [
            {
                "name": "here",
                "cluster": {"server": f"https://localhost:{port}", "certificate-authority": str(certificate)},
            }
        ],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "rotator"}}],
        "users": [
            {
                "name": "rotator",
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1",
                        "command": "cat",
                        "args": [str(file)],
                        "interactiveMode": "Never",
                    }
                },
            }
        ],
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    done = ran(tmp_path, "kubectl", "--kubeconfig", kubeconfig, "get", "--raw", "/version")
    assert done.returncode == 0, done.stderr
    assert {headers.get("Authorization") for _, headers, _ in asked} == {f"Bearer {token}"}


@needs("docker")
@pytest.mark.parametrize("token", TOKENS)
def test_docker_shows_the_token_for_its_registry(tmp_path: Path, engine: tuple[int, Asked], token: str) -> None:
    """The client reads the file and hands the pair to its engine, whose place the recorder takes."""
    port, asked = engine
    file = write(
        tmp_path / "docker" / "config.json",
        token,
        "dockerconfigjson",
        registry="registry.example.com:5000",
        login="$oauthtoken",
    )
    command = ["docker", "--config", file.parent, "-H", f"tcp://127.0.0.1:{port}", "pull"]
    ran(tmp_path, *command, "registry.example.com:5000/image")
    (handed,) = [headers["X-Registry-Auth"] for where, headers, _ in asked if "/images/create" in where]
    pair = json.loads(urlsafe_b64decode(handed))
    assert (pair["username"], pair["password"]) == ("$oauthtoken", token)


@needs("podman")
@pytest.mark.parametrize("token", TOKENS)
def test_podman_shows_the_token_to_its_registry(tmp_path: Path, guarded: tuple[int, Asked], token: str) -> None:
    port, asked = guarded
    place = f"127.0.0.1:{port}"
    file = write(tmp_path / "auth.json", token, "dockerconfigjson", registry=place, login="oauth2accesstoken")
    done = ran(tmp_path, "podman", "login", "--tls-verify=false", "--authfile", file, place)
    assert b"Existing credentials are valid" in done.stdout, done.stderr
    assert shown(asked) == [f"oauth2accesstoken:{token}"]
