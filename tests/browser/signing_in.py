"""Somebody who signs in and consents on the pages of an authorization server, in a real browser.

tests/support/person.py does the same by the forms alone.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from yarl import URL

from tests.browser.chromium import DEADLINE
from tests.support.person import REFUSAL

if TYPE_CHECKING:
    from tests.browser.chromium import Chromium, Page

SEEN = """(() => document.readyState !== 'complete' || window.left ? null : JSON.stringify({
  place: location.href,
  text: document.body.innerText,
  form: document.forms.length > 0,
  fields: [...document.querySelectorAll('input:not([type=hidden]):not([type=submit])')]
    .filter((e) => !e.value).map((e) => e.name),
  buttons: [...document.querySelectorAll('button, input[type=submit]')].map((e) => e.textContent || e.value),
}))()"""
"""What there is to see on a page that has arrived; null on one that is on its way, or that was left."""

PRESS = """(() => {
  window.left = true;
  document.querySelectorAll('button, input[type=submit]')[%d].click();
})()"""

FOCUS = "document.querySelector('input[name=' + %s + ']').focus()"


async def sign_in(
    browser: Chromium, authorization_url: str, user: str = "ada", password: str = "", *, consents: bool = True
) -> str:
    """Sign in, consent or refuse, and follow to the client's loopback address; what its page says there.

    Raises:
        AssertionError: The pages ended elsewhere; what the last one says is in the message.
    """
    fields = {"login": user, "username": user, "password": password}
    found = await _walk(browser, authorization_url, fields, consents=consents)
    assert URL(found["place"]).origin() != URL(authorization_url).origin(), found
    text: str = found["text"]
    return text


async def approve(
    browser: Chromium, verification_url: str, user: str = "ada", password: str = "", *, consents: bool = True
) -> str:
    """Sign in and confirm the code of a device, or abort; what the last page says.

    Args:
        browser: A running one; what it keeps of this visit is forgotten afterwards.
        verification_url: `verification_uri_complete` of the device authorization response (RFC 8628 section 3.2).
        user: Who signs in.
        password: For servers that want one.
        consents: Otherwise they abort.
    """
    fields = {"login": user, "username": user, "password": password}
    found = await _walk(browser, verification_url, fields, consents=consents)
    text: str = found["text"]
    return text


async def _walk(browser: Chromium, url: str, fills_in: dict[str, str], *, consents: bool) -> dict[str, Any]:
    """Go from form to form until there is none, or until another server's page is there."""
    async with browser.page(private=True) as page, asyncio.timeout(DEADLINE):
        await page.ask("Page.navigate", url=url)
        while True:
            found = await _arrived(page)
            if not found["form"] or URL(found["place"]).origin() != URL(url).origin():
                return found
            for name in found["fields"]:
                await page.value(FOCUS % json.dumps(name))
                await page.ask("Input.insertText", text=fills_in[name])
            refusals = [number for number, label in enumerate(found["buttons"]) if REFUSAL.search(label)]
            others = [number for number in range(len(found["buttons"])) if number not in refusals]
            await page.value(PRESS % (others if consents or not refusals else refusals)[0])
            if refusals and not consents:
                return await _arrived(page)


async def _arrived(page: Page) -> dict[str, Any]:
    """What is to be seen, once there is something to press, or nothing more to come."""
    while True:
        try:
            seen = await page.value(SEEN)
        except AssertionError:  # the page was left while it was looked at
            seen = None
        if seen is not None:
            found: dict[str, Any] = json.loads(seen)
            # A form without a button is one that a script of the page submits.
            if not found["form"] or found["buttons"]:
                return found
        await asyncio.sleep(0.05)
