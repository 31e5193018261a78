"""`rotator login` as a person meets it: a real browser, a real authorization server, a real OpenBao."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.demo.bao import BaoServer
from tests.acceptance.test_login import STARTED, kept, prepared
from tests.browser.signing_in import sign_in
from tests.support.oidc import OidcProvider
from tests.support.process import Site
from tests.support.signing_in import RotatorLogin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.chromium import Chromium

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_person_signs_in_with_a_real_browser(browser: Chromium, tmp_path: Path) -> None:
    with OidcProvider() as oidc:
        async with BaoServer("raft") as bao:
            await bao.enable_approle()
            site = Site(tmp_path, bao, oidc)
            configuration = await prepared(site, STARTED)
            async with RotatorLogin(configuration, "wallet") as login:
                assert "You can close this window" in await sign_in(browser, await login.page())
                code, said = await login.ended()
            assert code == 0, said
            assert (await kept(bao))["claimed_by"] == ""
