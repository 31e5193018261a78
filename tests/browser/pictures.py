"""The pictures of the status page in docs/images, made anew: `python -m tests.browser.pictures [NAME…]`.

All but `real` show made-up rotators at a made-up time, so they change only when the page does. `real` is a running one
whose provider was cut off.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.chromium import Chromium, found
from tests.browser.running import running
from tests.browser.serving import served
from tests.support import fleets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LARGEST = 300_000
"""Bytes of a picture."""


async def keep(
    browser: Chromium, name: str, url: str, *, width: int = 1400, height: int = 0, dark: bool = False, scale: float = 1
) -> None:
    """Take a picture of a page; of so much of it from the top, or of all."""
    async with browser.page(width, 900, scale=scale) as page:
        await page.prefer(color_scheme="dark" if dark else "light")
        await page.go(url)
        body = await page.picture(height=height or None)
    if len(body) > LARGEST:
        raise SystemExit(f"{name} has {len(body):,} bytes; wanted at most {LARGEST:,}")
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / f"{name}.png").write_bytes(body)
    sys.stdout.write(f"{name}: {len(body):,} bytes\n")


async def small(browser: Chromium) -> None:
    """A night with troubles: wide, on a phone, in the dark, and one credential in detail."""
    async with served(fleets.night_status(), fleets.history(fleets.night())) as url:
        await keep(browser, "status-page", url, height=1220)
        await keep(browser, "status-page-dark", url, height=1220, dark=True)
        await keep(browser, "status-page-phone", url, width=390, height=2750)
        await keep(browser, "status-page-detail", f"{url}?name=ledger")
        await keep(browser, "status-page-detail-phone", f"{url}?name=asset-pool", width=390, height=1300, dark=True)


async def large(browser: Chromium) -> None:
    """Ten thousand credentials."""
    cases = fleets.large()
    async with served(fleets.status(cases), fleets.history(cases)) as url:
        await keep(browser, "status-page-10000", url, height=1120)


async def real(browser: Chromium) -> None:
    """A running rotator whose provider was cut off until three tokens had expired."""
    home = Path(tempfile.mkdtemp(prefix="rotator-"))
    lifetimes = {"billing": 45, "crm-export": 70, "ledger": 100, "mailer": 600, "wallet": 300}
    try:
        async with running(home, lifetimes) as (daemon, site, url):
            await daemon.says("token.minted", credential="billing", count=4, within=120)
            site.oidc.stop()
            await daemon.says("token.expired", credential="ledger", within=120)
            await keep(browser, "status-page-real", url, height=1150)
    finally:
        shutil.rmtree(home)


PICTURES: dict[str, Callable[[Chromium], Awaitable[None]]] = {"small": small, "large": large, "real": real}


async def main(names: list[str]) -> None:
    """Take those that were named, or all."""
    program = found()
    if program is None:
        raise SystemExit("there is no Chromium on this machine")
    async with Chromium(program) as browser:
        for name in names or PICTURES:
            await PICTURES[name](browser)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
