"""The root directory of a Debian that boots, and what is installed in it; kept in build/ from one run to the next."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build/systemd"
LOCK = ROOT / "requirements.lock"
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nsenter": "util-linux",
}
"""What is needed, and the Debian package that it is in."""


@dataclass(frozen=True)
class Release:
    """A Debian release.

    Attributes:
        name: Its code name.
        python: Its Python.
        labels: Of the commands in the how-to that are for it only.
    """

    name: str
    python: str
    labels: tuple[str, ...] = ()


RELEASES = (Release("trixie", "3.13"), Release("bookworm", "3.11", ("before-253",)))
"""systemd 257, and 252."""

BOOTSTRAP = (
    "mmdebstrap",
    "--quiet",
    "--variant=minbase",
    "--include=systemd,systemd-sysv,dbus,python3,python3-venv",
    '--aptopt=Acquire::Retries "3"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)


def missing() -> list[str]:
    """What this machine lacks for it, each with the cure."""
    found = [] if os.geteuid() == 0 else ["it must run as root: sudo make systemd-test"]
    return found + [
        f"{program} is missing: apt-get install {package}"
        for program, package in PROGRAMS.items()
        if shutil.which(program) is None
    ]


def bare(release: Release) -> Path:
    """A bare root directory; 40 s when it is not there yet."""
    return _kept(f"{release.name}-root", release.name, lambda to: _run(*BOOTSTRAP, release.name, str(to)))


def packages(release: Release) -> Path:
    """The locked packages for this release's Python; 20 s when they are not there yet."""
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes")
    wanted = ("--only-binary=:all:", f"--python-version={release.python}", "-r", str(LOCK))
    return _kept(f"{release.name}-packages", LOCK.read_text(), lambda to: _run(*pip, *wanted, "-d", str(to)))


def carry(to: Path) -> None:
    """What the how-to has people take to the machine: the wheel of rotator as it is now, the units, and the lock."""
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-build-isolation")
    _run(*pip, "--no-deps", "-w", str(to / "dist"), str(ROOT))
    shutil.copytree(ROOT / "deploy", to / "deploy")
    shutil.copy(LOCK, to)


def copy(root: Path, to: Path) -> None:
    """A copy that may be spoilt."""
    _run("cp", "--archive", "--reflink=auto", str(root), str(to))


def _kept(name: str, made_from: str, make: Callable[[Path], None]) -> Path:
    """What was made before from the same, or is made now; what was made halfway is made again."""
    digest = hashlib.sha256(repr((BOOTSTRAP, made_from)).encode()).hexdigest()[:12]
    place = KEPT / f"{name}-{digest}"
    if not place.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        for old in KEPT.glob(f"{name}-*"):
            shutil.rmtree(old)
        half = place.with_suffix(".half")
        make(half)
        half.rename(place)
    return place


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-3000:]}")
