"""The image, built as docs/howto/container.md says, and pods run by podman as the kubelet would run them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.deploy.chart import Document

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build/deploy"
LOCKS = (ROOT / "deploy/container/runtime.lock", ROOT / "deploy/container/build.lock")
BASE = "localhost/rotator-base:bookworm"
CONTAINERFILE = ROOT / "deploy/container/Containerfile"
PROGRAMS = ("buildah", "podman", "crun", "mmdebstrap")
PYTHON_OF_BASE = "3.11"
MIRROR_SECRET = "CANARY-of-the-mirror"


class Engine:
    """buildah and podman, with a storage of their own.

    Args:
        home: Where it is.
    """

    def __init__(self, home: Path) -> None:
        self._storage = ["--root", str(home / "root"), "--runroot", str(home / "run"), "--storage-driver", "vfs"]

    def buildah(self, *arguments: str | Path, timeout: float = 400) -> str:
        """What it says."""
        return said(["buildah", *self._storage, *arguments], timeout)

    def podman(self, *arguments: str | Path, timeout: float = 60) -> str:
        """What it says."""
        return said(self.command(*arguments), timeout)

    def fails(self, *arguments: str | Path) -> bool:
        """Whether podman ends with another code than 0."""
        return subprocess.run(self.command(*arguments), capture_output=True, timeout=60, check=False).returncode != 0

    def command(self, *arguments: str | Path) -> list[str | Path]:
        """podman where /sys/fs/cgroup is one tree, as crun wants it: older machines, and containers, have several."""
        one_tree = 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", one_tree, "sh", "podman", *self._storage, *arguments]


def said(command: Sequence[str | Path], timeout: float) -> str:
    """Standard output of a command that ends well."""
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
    )
    assert ran.returncode == 0, f"{command}: {ran.stdout[-3000:]}{ran.stderr[-3000:]}"
    return ran.stdout


def base() -> Path:
    """A small Debian with Python as a tarball: registries of images may be out of reach."""
    tarball = KEPT / "base-bookworm.tar"
    if not tarball.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        unfinished = tarball.with_suffix(".unfinished.tar")
        packages = "--include=python3,python3-venv,ca-certificates"
        said(["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", unfinished], 600)
        unfinished.replace(tarball)
    return tarball


def wheels() -> Path:
    """What the locks name, for the Python of the base."""
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS)).hexdigest()[:12]
    directory = KEPT / f"wheels-{digest}"
    if not directory.exists():
        unfinished = KEPT / "wheels.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for lock in LOCKS:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            fit = ["--only-binary", ":all:", "--python-version", PYTHON_OF_BASE]
            said([*pip, *fit, "--require-hashes", "--dest", str(unfinished), "-r", lock], 400)
        unfinished.rename(directory)
    return directory


def context(home: Path) -> Path:
    """The sources as they are now: nobody changes them between two builds."""
    copied = home / "context"
    passed_over = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "rotator", copied / "rotator", ignore=passed_over)
    (copied / "deploy/container").mkdir(parents=True)
    for file in (*LOCKS, ROOT / "pyproject.toml", ROOT / "README.md", ROOT / "LICENSE"):
        shutil.copy(file, copied / file.relative_to(ROOT))
    return copied


def build(engine: Engine, sources: Path, name: str) -> str:
    """Build the image; the digests of its layers.

    Its id has a part in it that buildah draws anew each time where the format is Docker's: the build container's name.
    """
    arguments = {
        "BUILDER": BASE,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "/wheels",
        "PIP_INDEX_URL": f"https://user:{MIRROR_SECRET}@mirror.example/simple",
    }
    given = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    options = ["--isolation", "chroot", "--format", "docker", "--timestamp", "0", "--no-cache", "--pull-never"]
    wheelhouse = ["--volume", f"{wheels()}:/wheels:ro"]
    engine.buildah("bud", *options, *given, *wheelhouse, "-t", name, "-f", CONTAINERFILE, sources)
    return engine.podman("image", "inspect", "--format", "{{json .RootFS.Layers}}", name).strip()


@dataclass(frozen=True)
class Volumes:
    """What the kubelet makes of a pod's volumes: owners and modes are those that it gives them.

    Attributes:
        home: Where they are.
        group: fsGroup.
    """

    home: Path
    group: int

    def files(self, name: str, contents: dict[str, str], mode: int) -> Path:
        """ConfigMap, Secret or projected volume: links to files of root's, which fsGroup may read."""
        directory = self.home / name
        hidden = directory / "..2026_11_24"
        hidden.mkdir(parents=True)
        for key, content in contents.items():
            (hidden / key).write_text(content)
            os.chown(hidden / key, 0, self.group)
            (hidden / key).chmod(mode)
            (directory / key).symlink_to(f"..data/{key}")
        (directory / "..data").symlink_to(hidden.name)
        for made in (directory, hidden):
            made.chmod(0o755)
        return directory

    def empty(self, name: str) -> Path:
        """An emptyDir: everybody may write to it, and what is made there belongs to fsGroup."""
        directory = self.home / name
        directory.mkdir(parents=True)
        os.chown(directory, 0, self.group)
        directory.chmod(0o2777)
        return directory

    def in_memory(self, name: str) -> Path:
        """The same, with `medium: Memory`; `unmount` it."""
        directory = self.empty(name)
        options = f"size=1m,mode=2777,gid={self.group}"
        said(["mount", "-t", "tmpfs", "-o", options, "tokens", directory], 10)
        return directory


def unmount(directory: Path) -> None:
    """Take a tmpfs away."""
    said(["umount", directory], 10)


def flags(pod: Document, container: Document, volumes: dict[str, Path]) -> list[str]:
    """What podman is told so that the container runs as this pod says."""
    inside, own = pod["securityContext"], container["securityContext"]
    found = [*here(), "--user", f"{inside['runAsUser']}:{inside['runAsGroup']}"]
    found += ["--group-add", str(inside["fsGroup"])]
    found += ["--read-only", "--read-only-tmpfs=false"] if own["readOnlyRootFilesystem"] else []
    found += [] if own["allowPrivilegeEscalation"] else ["--security-opt", "no-new-privileges"]
    found += [word for dropped in own["capabilities"]["drop"] for word in ("--cap-drop", dropped)]
    found += [word for entry in container.get("env", []) for word in ("--env", f"{entry['name']}={entry['value']}")]
    for mount in container["volumeMounts"]:
        source = volumes[mount["name"]] / mount.get("subPath", ".")
        found += ["--volume", f"{source.resolve()}:{mount['mountPath']}{':ro' if mount.get('readOnly') else ''}"]
    # Neither is there in an image without a shell.
    for shell in ("/bin/sh", "/bin/bash", "/bin/dash"):
        found += ["--volume", f"/dev/null:{shell}:ro"]
    return found


def here() -> list[str]:
    """What every container needs on machines that are containers themselves.

    Limits that may be set without CAP_SYS_RESOURCE, which podman's own are above; and no timer for the health command,
    which would be systemd's.
    """
    limits = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=1000:1000"]
    return ["--network", "host", "--cgroups", "disabled", "--health-interval", "disable", *limits]


def eventually(reached: Any, within: float, what: str) -> None:
    """Ask until it is so."""
    end = time.monotonic() + within  # noqa: TID251  a deadline of this test's
    while not reached():
        assert time.monotonic() < end, f"{what} did not come within {within} s"  # noqa: TID251  likewise
        time.sleep(0.5)  # noqa: TID251  it is another process
