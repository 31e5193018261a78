"""What is built from a checkout says of which commit it is, and brings its man page."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ["pyproject.toml", "README.md", "LICENSE", "rotator", "docs/man"]


def copy(to: Path) -> Path:
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, to / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            to.mkdir(exist_ok=True)
            shutil.copy(ROOT / part, to / part)
    return to


def git(where: Path, *words: str) -> str:
    settings = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", where, *settings, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def wheel(source: Path) -> zipfile.ZipFile:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=source, check=True, capture_output=True
    )
    (built,) = (source / "dist").glob("*.whl")
    return zipfile.ZipFile(built)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    source = copy(tmp_path / "source")
    git(source, "init", "--quiet")
    (source / ".gitignore").write_text("dist/\n")
    git(source, "add", ".")
    git(source, "commit", "--quiet", "--message", "all of it")
    return source


def test_a_wheel_that_is_built_in_a_checkout_names_its_commit_and_carries_the_man_page(checkout: Path) -> None:
    with wheel(checkout) as built:
        assert json.loads(built.read("rotator/build.json")) == {"commit": git(checkout, "rev-parse", "HEAD")}
        (man,) = (name for name in built.namelist() if name.endswith("share/man/man1/rotator.1"))
        assert built.read(man) == (ROOT / "docs/man/rotator.1").read_bytes()
        assert "rotator/build_hook.py" not in built.namelist()


def test_a_wheel_of_files_that_differ_from_their_commit_says_so(checkout: Path) -> None:
    (checkout / "LICENSE").write_text("something else\n")
    with wheel(checkout) as built:
        assert json.loads(built.read("rotator/build.json")) == {"commit": git(checkout, "rev-parse", "HEAD") + "+"}


def test_a_wheel_that_is_built_outside_of_a_checkout_names_none(tmp_path: Path) -> None:
    with wheel(copy(tmp_path / "source")) as built:
        assert "rotator/build.json" not in built.namelist()
        assert "rotator/cli/version.py" in built.namelist()
