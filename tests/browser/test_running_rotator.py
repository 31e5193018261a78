"""The page of a running rotator whose provider is cut off: it says what the API says, and what the log says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio

from rotator.core.errors import Code
from rotator.operate import page as status_page
from tests.browser.running import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.browser.chromium import Chromium
    from tests.support.process import Rotator, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

Running = tuple["Rotator", "Site", str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(browser: Chromium, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:  # noqa: ARG001  it skips where there is none
    """A rotator with a token that is renewed every few seconds; started only where there is a browser."""
    async with running(tmp_path_factory.mktemp("site"), {"billing": 14}) as found:
        yield found


async def test_the_page_is_sent_with_its_policy_and_leads_to_json_and_metrics(browser: Chromium, site: Running) -> None:
    _, _, url = site
    async with aiohttp.ClientSession() as session, browser.page() as page:
        async with session.get(url) as found:
            assert {name: found.headers.get(name) for name in status_page.HEADERS} == status_page.HEADERS
        await page.go(url)
        links = await page.value("[...document.querySelectorAll('footer a')].map(e => e.href)")
        assert links == [f"{url}api/v1/status", f"{url}metrics"]
        for link in links:
            async with session.get(link) as found:
                assert found.status == 200


async def test_a_provider_that_is_cut_off_is_named_with_cause_and_cure(browser: Chromium, site: Running) -> None:
    daemon, parts, url = site
    parts.oidc.stop()
    logged = await daemon.says("token.mint_failed", credential="billing")
    async with browser.page() as page:
        await page.go(f"{url}?name=billing")
        assert logged["error"] == Code.PROVIDER_UNREACHABLE.text
        headline = await page.value("document.querySelector('h1').textContent")
        assert f"billing gets no token: {logged['error']}, for " in headline
        shown = await page.value("document.querySelector('main').textContent")
        assert logged["detail"] in shown
        assert Code.PROVIDER_UNREACHABLE.cure in shown
        dates = await page.value("[...document.querySelectorAll('time')].map(e => e.getAttribute('datetime'))")
        assert (await answer(f"{url}api/v1/status/billing"))["served_until"] in dates
        assert page.complaints == []


async def answer(url: str) -> dict[str, object]:
    async with aiohttp.ClientSession() as session, session.get(url) as found:
        document: dict[str, object] = await found.json()
        return document
