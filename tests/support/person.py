"""Somebody who signs in and consents on the pages of an authorization server, by their forms and without a browser.

tests/browser/signing_in.py does the same in a real one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

MOST_STEPS = 20

REFUSAL = re.compile("abort|cancel|deny", re.IGNORECASE)
"""What a button says that refuses; tests/browser/signing_in.py knows it as well."""


@dataclass
class _Button:
    name: str
    value: str
    label: str


@dataclass
class _Form(HTMLParser):
    """The one form of a page: where it goes, what it carries, what can be filled in and what can be pressed."""

    found: bool = False
    action: str = ""
    carried: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[_Button] = field(default_factory=list)
    labelling: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        name, value, kind = found.get("name", ""), found.get("value", ""), found.get("type", "text")
        if tag == "form":
            self.found, self.action = True, found.get("action", "")
        elif tag == "button" or (tag == "input" and kind == "submit"):
            self.buttons.append(_Button(name, value, value if tag == "input" else ""))
            self.labelling = tag == "button"
        elif tag == "input" and kind == "hidden":
            self.carried[name] = value
        elif tag == "input":
            self.fields[name] = value

    def handle_data(self, data: str) -> None:
        if self.labelling:
            self.buttons[-1].label += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button":
            self.labelling = False

    def pressed(self, *, consents: bool) -> dict[str, str]:
        """What the button adds that consents, or refuses where the page has one for that."""
        wanted = [button for button in self.buttons if bool(REFUSAL.search(button.label)) is not consents]
        return {button.name: button.value for button in (wanted or self.buttons)[:1] if button.name}

    @property
    def decides(self) -> bool:
        """Whether one may refuse here."""
        return any(REFUSAL.search(button.label) for button in self.buttons)


class Person:
    """Somebody, with the cookies of one browser; `async with` opens and closes it.

    Args:
        name: Who they say they are.
        password: For servers that want one.
    """

    def __init__(self, name: str = "ada", password: str = "") -> None:
        self.name = name
        self._fills_in = {"login": name, "username": name, "password": password}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def answer(self, authorization_url: str, *, consents: bool = True) -> URL:
        """Sign in and consent, or refuse to; the address at which the client waits, with what it is told there."""
        url, page = await self._walk(authorization_url, consents=consents)
        assert page is None, f"the pages end at {url.path}, which says: {page}"
        return url

    async def sign_in(self, authorization_url: str, *, consents: bool = True) -> str:
        """The same, and go there; the page that the client shows."""
        async with self._session.get(await self.answer(authorization_url, consents=consents)) as answer:
            return await answer.text()

    async def approve(self, verification_url: str, *, consents: bool = True) -> str:
        """Sign in and confirm the code of a device, or abort (RFC 8628 section 3.3); the last page.

        Args:
            verification_url: `verification_uri_complete` of the device authorization response.
            consents: Otherwise they abort.
        """
        _, page = await self._walk(verification_url, consents=consents)
        assert page is not None, "a device's pages lead nowhere else"
        return page

    async def _walk(self, url: str, *, consents: bool) -> tuple[URL, str | None]:
        """Go from form to form; where it ends, with the last page, or with none where another server is next."""
        place, page = await self._go(URL(url, encoded=True))
        for _ in range(MOST_STEPS):
            if page is None or not (form := _read(page)).found:
                return place, page
            place, page = await self._submit(place, form, consents=consents)
            if form.decides and not consents:
                return place, page
        raise AssertionError(f"after {MOST_STEPS} forms the browser is still at {place.path}")

    async def _submit(self, place: URL, form: _Form, *, consents: bool) -> tuple[URL, str | None]:
        filled = {name: value or self._fills_in[name] for name, value in form.fields.items()}
        data = {**form.carried, **filled, **form.pressed(consents=consents)}
        target = URL(urljoin(str(place), form.action), encoded=True)
        async with self._session.post(target, data=data, allow_redirects=False) as answer:
            return await self._arrive(answer)

    async def _go(self, url: URL) -> tuple[URL, str | None]:
        async with self._session.get(url, allow_redirects=False) as answer:
            return await self._arrive(answer)

    async def _arrive(self, answer: aiohttp.ClientResponse) -> tuple[URL, str | None]:
        """Where an answer leads: a page of this server, or an address elsewhere, which is not visited."""
        if "Location" not in answer.headers:
            return answer.url, await answer.text()
        target = URL(urljoin(str(answer.url), answer.headers["Location"]), encoded=True)
        return await self._go(target) if target.origin() == answer.url.origin() else (target, None)


def _read(page: str) -> _Form:
    form = _Form()
    form.feed(page)
    return form
