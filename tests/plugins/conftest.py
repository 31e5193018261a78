"""Packages that add kinds: one that is built and installed as its author would, and others made by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plugins.packages import Packages
from tests.support.process import Site

if TYPE_CHECKING:
    from rotator.demo.bao import BaoServer
    from tests.support.oidc import OidcProvider

EXAMPLE = Path(__file__).parent / "example"

# Its tests are those of another package: they run with that installed.
collect_ignore = ["example"]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example is installed; nothing is fetched for it."""
    place = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", place, EXAMPLE], check=True)
    return place


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    """An empty place to install packages at."""
    return Packages(tmp_path / "packages")


@pytest.fixture
def site(tmp_path: Path, own_bao: BaoServer, own_oidc_provider: OidcProvider) -> Site:
    return Site(tmp_path, own_bao, own_oidc_provider)
