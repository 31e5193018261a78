"""The status page as people meet it: in a browser, on a phone, in the dark, by keyboard, read aloud, on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.errors import Code
from rotator.core.observation import Stage
from tests.browser.serving import served
from tests.support import fleets

if TYPE_CHECKING:
    from tests.browser.chromium import Chromium, Message, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "a-very-long-name-without-any-place-to-break-it-" + "x" * 80
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><style>*{color:red}</style>"
)

TAB, ENTER = ("Tab", 9), ("Enter", 13, "\r")

ACTIVE = """(() => {
  const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
  return {tag: e.tagName.toLowerCase(), text: (e.textContent || '').trim().replace(/\\s+/g, ' '), id: e.id,
          name: e.name || '', outline: style.outlineStyle, thick: parseFloat(style.outlineWidth),
          seen: box.left >= 0 && box.width > 0};
})()"""


def awkward() -> list[fleets.Case]:
    """A night with names and paths that no layout likes."""
    failed = fleets.failure(Code.FILE_IO, Stage.DELIVER, 61.0, 3, f"/{LONG}/{LONG}: input/output error")
    return [*fleets.night(), fleets.Case(LONG, sinks={f"file:/{LONG}/{LONG}": failed, f"vault:secret/{LONG}": None})]


async def test_the_page_breaks_no_policy_and_says_nothing_on_the_console(browser: Chromium) -> None:
    cases = fleets.night()
    async with served(fleets.night_status(), fleets.history(cases)) as url, browser.page() as page:
        for address in (url, f"{url}?name=billing", f"{url}?state=nonsense&page=0"):
            await page.go(address)
            applied = await page.value("getComputedStyle(document.querySelector('.verdict')).borderLeftWidth")
            assert applied == "6px", "the stylesheet is not allowed by the policy"
        assert page.complaints == []


async def test_a_style_that_is_none_of_ours_is_refused_and_seen_by_these_tests(browser: Chromium) -> None:
    def meddle(body: bytes) -> bytes:
        return body.replace(b"<main>", b'<main style="color: red"><script>document.title = "owned"</script>')

    cases = fleets.night()
    async with served(fleets.night_status(), fleets.history(cases), meddle) as url, browser.page() as page:
        await page.go(url)
        assert await page.value("document.title") != "owned"
        assert "Content Security Policy" in " ".join(page.complaints)


async def test_foreign_words_are_words_and_no_markup(browser: Chromium) -> None:
    hostile = fleets.failure(Code.PROVIDER_REFUSED, Stage.GRANT, 60.0, 2, HOSTILE)
    cases = [fleets.Case("billing", mint=hostile)]
    async with served(fleets.status(cases), fleets.history(cases)) as url, browser.page() as page:
        for address in (url, f"{url}?name=billing", f"{url}?q=%22%3E%3Cscript%3E"):
            await page.go(address)
            assert await page.value("document.querySelectorAll('script, img, main style').length") == 0
        await page.go(url)
        assert await page.value("document.querySelector('.found').textContent") == HOSTILE
        assert page.complaints == []


@pytest.mark.parametrize("query", ["", "?name=billing", f"?name={LONG}", f"?q={LONG}"])
async def test_nobody_scrolls_sideways(browser: Chromium, query: str) -> None:
    cases = awkward()
    async with served(fleets.status(cases), fleets.history(cases)) as url, browser.page(320, 800) as page:
        await page.go(url + query)
        beyond = {width: await beyond_the_edge(page, width) for width in (320, 360, 390, 768, 1024, 1400)}
        assert {width: found for width, found in beyond.items() if found} == {}


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(251, 250, 247)"), ("dark", "rgb(20, 21, 25)")])
async def test_the_page_is_dark_for_those_who_prefer_it(browser: Chromium, scheme: str, paper: str) -> None:
    cases = fleets.night()
    async with served(fleets.night_status(), fleets.history(cases)) as url, browser.page() as page:
        await page.prefer(color_scheme=scheme)
        await page.go(url)
        assert await page.value("getComputedStyle(document.body).backgroundColor") == paper


async def test_tab_goes_through_the_page_in_reading_order_and_shows_where_it_is(browser: Chromium) -> None:
    cases = fleets.night()
    async with served(fleets.night_status(), fleets.history(cases)) as url, browser.page() as page:
        await page.go(url)
        stops = await tabbed(page, 30)
        assert [stop for stop in stops if stop["outline"] == "none" or stop["thick"] < 2 or not stop["seen"]] == []
        order = [f"{stop['tag']} {stop['name'] or stop['text'][:28]}".strip() for stop in stops]
        assert order[:4] == ["a Skip to the credentials", "a rotator", "a Reload", "a asset-pool"]
        wanted = ["a 10 allof 3 providers", "input q", "select state", "select provider", "button Show", "a asset-pool"]
        assert [stop for stop in order[4:] if stop in wanted] == wanted


async def test_the_skip_link_leads_to_the_credentials(browser: Chromium) -> None:
    cases = fleets.night()
    async with served(fleets.night_status(), fleets.history(cases)) as url, browser.page() as page:
        await page.go(url)
        await page.press(*TAB)
        await page.press(*ENTER)
        assert (await page.value(ACTIVE))["id"] == "main"
        await page.press(*TAB)
        assert (await page.value(ACTIVE))["name"] == "q"


async def test_a_search_by_keyboard_shows_what_matches(browser: Chromium) -> None:
    cases = fleets.night()
    async with served(fleets.night_status(), fleets.history(cases)) as url, browser.page() as page:
        await page.go(url)
        await page.value("document.querySelector('input[name=q]').focus()")
        await page.ask("Input.insertText", text="ledger file")
        async with page.loads():
            await page.press(*ENTER)
        assert await page.value("location.search") == "?q=ledger+file&state=&provider="
        assert await page.value("[...document.querySelectorAll('tbody th a')].map(e => e.textContent)") == ["ledger"]
        assert page.complaints == []


@pytest.mark.parametrize("width", [360, 1400])
async def test_a_screen_reader_finds_landmarks_tables_and_the_drawings_in_words(browser: Chromium, width: int) -> None:
    cases = fleets.night()
    async with served(fleets.night_status(), fleets.history(cases)) as url, browser.page(width) as page:
        await page.go(url)
        nodes = (await page.ask("Accessibility.getFullAXTree"))["nodes"]
        heard = [(role(node), name(node)) for node in nodes if not node["ignored"]]
        roles = {one for one, _ in heard}
        assert {"banner", "main", "navigation", "search", "contentinfo", "table", "heading"} <= roles
        headers = ["Credential", "State", "Valid for", "Tokens over time", "Next mint", "Outage budget", "Last result"]
        assert [text for one, text in heard if one == "columnheader"][:7] == headers
        assert "asset-pool" in " ".join(text for one, text in heard if one == "rowheader")
        drawings = [text for one, text in heard if one in {"image", "img"}]
        assert len(drawings) == len(cases)
        assert all(text.startswith("Validity of ") for text in drawings)
        assert ("textbox", "Search") in heard or ("searchbox", "Search") in heard


async def test_nothing_moves(browser: Chromium) -> None:
    cases = fleets.night()
    async with served(fleets.night_status(), fleets.history(cases)) as url, browser.page() as page:
        await page.prefer(reduced_motion="reduce")
        await page.go(url)
        assert await page.value("document.getAnimations().length") == 0
        assert await page.value("document.querySelectorAll('meta[http-equiv]').length") == 0


async def test_on_paper_there_is_the_state_and_nothing_to_press(browser: Chromium) -> None:
    cases = fleets.night()
    async with served(fleets.night_status(), fleets.history(cases)) as url, browser.page() as page:
        await page.go(url)
        await page.ask("Emulation.setEmulatedMedia", media="print")
        shown = "[...document.querySelectorAll('form, .reload, .credentials, .verdict')].filter(e => e.offsetParent)"
        assert await page.value(f"{shown}.map(e => e.className)") == ["verdict", "credentials"]


async def beyond_the_edge(page: Page, width: int) -> list[str]:
    """What makes the page wider than the window."""
    await page.resize(width, 800)
    if await page.value("document.documentElement.scrollWidth") <= width:
        return []
    beyond = f"[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > {width})"
    found: list[str] = await page.value(f"{beyond}.map(e => e.outerHTML.slice(0, 90)).slice(0, 4)")
    return found or ["something"]


async def tabbed(page: Page, count: int) -> list[dict[str, Any]]:
    """What has the focus after each of so many presses of the tabulator."""
    stops = []
    for _ in range(count):
        await page.press(*TAB)
        stops.append(await page.value(ACTIVE))
    return stops


def role(node: Message) -> str:
    return str(node.get("role", {}).get("value", ""))


def name(node: Message) -> str:
    return str(node.get("name", {}).get("value", ""))
