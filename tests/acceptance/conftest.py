"""A site of its own for each test: real OpenBao, real oidc-provider, the installed rotator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.process import Site

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.demo.bao import BaoServer
    from tests.support.oidc import OidcProvider


@pytest.fixture
def site(tmp_path: Path, own_bao: BaoServer, own_oidc_provider: OidcProvider) -> Site:
    return Site(tmp_path, own_bao, own_oidc_provider)
