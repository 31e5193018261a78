"""What needs more than a clean checkout has, or more time: `make deploy-test` runs it."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

ASKED_FOR = "ROTATOR_DEPLOY_TEST"

deploy = pytest.mark.skipif(ASKED_FOR not in os.environ, reason="`make deploy-test` runs it")
"""For what takes long, or needs the packages of requirements-deploy.lock."""


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where these programs are not installed, as they cannot be from the locks."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(
        ASKED_FOR not in os.environ or bool(missing),
        reason=f"needs {', '.join(missing)}; on Debian: apt-get install buildah podman crun mmdebstrap prometheus"
        if missing
        else "`make deploy-test` runs it",
    )


def package(name: str) -> Any:
    """A module of requirements-deploy.lock; the test is skipped where only the other locks are installed."""
    return pytest.importorskip(name, reason="`.ci/setup deploy` installs it, and `make deploy-test` runs it")
