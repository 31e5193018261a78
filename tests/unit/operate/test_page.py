"""The status page as a text: well-formed, harmless, readable, the same whoever asks; and what it tells."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections import Counter
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from rotator.core.errors import Code
from rotator.core.observation import NEVER, Stage
from rotator.operate import page
from rotator.operate.history import Event, History
from rotator.operate.page import STYLE
from rotator.operate.page.query import Query
from rotator.operate.status import ProviderStatus, State, VaultStatus
from rotator.testing import FakeClock, RecordingJournal
from tests.support import fleets
from tests.support.canary import canary

if TYPE_CHECKING:
    from rotator.operate.status import Status

QUERIES = {
    "the list": {},
    "a search": {"q": "ledger"},
    "nothing found": {"q": 'no "such" <thing>'},
    "one that fails": {"name": "billing"},
    "one whose sink fails": {"name": "ledger"},
    "one that is refused": {"name": "warehouse-sync"},
    "one without a token": {"name": "reports"},
    "one that is fresh": {"name": "mailer"},
    "nonsense": {"state": "sad", "page": "-1", "provider": "nobody", "name": "nobody"},
}
VOID = {"meta", "link", "input"}


def rendered(status: Status, query: dict[str, str] | None = None, history: History | None = None) -> str:
    return page.render(status, history or forgetful(), Query.parse(query or {})).decode()


def test_the_end_of_a_client_secret_is_told_in_detail_and_ahead_of_everything_when_it_is_near() -> None:
    far, near, ended = (
        text_of(rendered(fleets.status([fleets.Case("billing", secret_ends_in=days)]), {"name": "billing"}))
        for days in (200.0, 6.5, -0.5)
    )
    assert "Nothing is wrong with billing." in far
    assert "ends 2027-06-12 03:12:05 UTC (in 200 d), as its source says" in far
    assert "The client secret of billing ends in 6 d 12 h." in near
    assert "ended 2026-11-23 15:12:05 UTC (12 h ago), as its source says" in ended


def forgetful() -> History:
    return History(RecordingJournal(), FakeClock())


def text_of(html: str) -> str:
    return " ".join("".join(tree(html).itertext()).split())


def tree(html: str) -> ET.Element:
    """The page, read as XML: stricter than any browser. Comments and the doctype apart, it is made to be both."""
    return ET.fromstring(html.replace("<!DOCTYPE html>", "").strip())  # noqa: S314  our own text


@pytest.fixture(scope="module")
def night_history() -> History:
    return fleets.history(fleets.night())


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_the_page_is_well_formed_whatever_is_asked(query: dict[str, str], night_history: History) -> None:
    html = rendered(fleets.night_status(), query, night_history)
    elements = list(tree(html).iter())
    ids = Counter(one.attrib["id"] for one in elements if "id" in one.attrib)
    assert [name for name, count in ids.items() if count > 1] == []
    referred = {one.attrib[key] for one in elements for key in ("aria-labelledby", "for") if key in one.attrib}
    assert referred <= set(ids)
    # A browser reads <p/> as <p>: only what has no content in HTML may be closed at once, and what is drawn.
    closed = set(re.findall(r"<(\w+)[^<>]*/>", html)) - VOID
    assert closed <= {"rect", "path"}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_the_page_carries_nothing_that_its_policy_forbids(query: dict[str, str], night_history: History) -> None:
    elements = list(tree(rendered(fleets.night_status(), query, night_history)).iter())
    assert {one.tag for one in elements} & {"script", "img", "iframe", "object", "embed", "base"} == set()
    assert [
        one.attrib for one in elements if "style" in one.attrib or any(key.startswith("on") for key in one.attrib)
    ] == []
    links = [one.attrib["href"] for one in elements if "href" in one.attrib]
    assert [
        link for link in links if not link.startswith(("?", "#", "api/v1/status", "metrics", "data:image/svg"))
    ] == []


def test_the_stylesheet_is_allowed_by_its_digest_and_no_other() -> None:
    style = re.search(r"<style>(.*?)</style>", rendered(fleets.night_status()), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = page.HEADERS["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    assert "script" not in policy  # default-src 'none' stands for it


def test_three_in_the_morning_finds_cause_time_and_cure_in_the_first_words(night_history: History) -> None:
    text = text_of(rendered(fleets.night_status(), {}, night_history))
    head = text[text.index("4 credentials of thx") :][:560]
    for wanted in (
        "4 credentials of thx get no token: provider_unreachable, for 9 min 12 s.",
        "Consumers of asset-pool hold no good token; the others are safe for 59 s more.",
        "connection refused",
        "03:02:53 UTC",
        "03:11:53 UTC",
        Code.PROVIDER_UNREACHABLE.cure,
    ):
        assert wanted in head


def test_a_calm_fleet_says_that_nothing_is_wrong() -> None:
    text = text_of(rendered(fleets.status([fleets.Case("mailer"), fleets.Case("wallet")])))
    assert "Nothing is wrong: every consumer holds a good token of all 2 credentials." in text


def test_a_rotator_without_credentials_has_a_page() -> None:
    assert "there is no credential to keep fresh" in text_of(rendered(fleets.status([])))


def test_what_is_told_of_one_credential_is_everything_that_is_known(night_history: History) -> None:
    status = fleets.night_status()
    one = next(one for one in status.credentials if one.name == "ledger")
    text = text_of(rendered(status, {"name": "ledger"}, night_history))
    assert one.token is not None
    wanted = [one.token.fingerprint, "openid admin", "rotator explain ledger", "6 times in a row", "stage “deliver”"]
    wanted += [sink.name for sink in one.sinks] + [Code.FILE_NO_SPACE.meaning, Code.FILE_NO_SPACE.cure]
    assert [words for words in wanted if words not in text] == []


def test_the_newest_event_is_told_first(night_history: History) -> None:
    text = text_of(rendered(fleets.night_status(), {}, night_history))
    lately = text[text.index("What happened lately") :]
    assert lately.index("03:10:37 UTC (1 min 28 s ago)token.delivered") < lately.index("token.delivery_failed")


def secretive() -> tuple[Status, History, set[str]]:
    """A rotator with a secret in every text that comes from elsewhere, in a shape that redaction knows."""
    secrets = {name: canary(name) for name in ("detail", "sink", "vault", "scope", "event", "address")}
    mint = fleets.failure(Code.PROVIDER_REFUSED, Stage.GRANT, 60.0, 3, f"client_secret={secrets['detail']} was refused")
    sink = fleets.failure(Code.FILE_IO, Stage.DELIVER, 60.0, 3, f"Bearer {secrets['sink']} cannot be written")
    case = fleets.Case(
        "billing", mint=mint, sinks={"file:/run/billing": sink}, scope=f"openid password={secrets['scope']}"
    )
    vault = VaultStatus(
        f"https://me:{secrets['address']}@vault.example.com",
        entered=True,
        authenticated=False,
        token_expires=None,
        trouble=Code.VAULT_LOGIN_REFUSED,
        detail=f"secret_id={secrets['vault']} was refused",
    )
    history = forgetful()
    told = {"credential": "billing", "detail": f"access_token={secrets['event']}", "client_secret": secrets["event"]}
    history.events.append(Event(fleets.NOW.wall - timedelta(seconds=9), "process.error", told))
    return fleets.status([case], vault=vault), history, set(secrets.values()) | {case.tokens()[0].access_token.reveal()}


@pytest.mark.parametrize("query", [{}, {"name": "billing"}], ids=["list", "detail"])
def test_no_secret_is_on_the_page_though_one_be_in_every_text(query: dict[str, str]) -> None:
    status, history, secrets = secretive()
    html = rendered(status, query, history)
    assert html.count("[redacted]") >= 3
    assert [secret for secret in secrets if secret in html] == []


HOSTILE = """</title></style><script>alert(1)</script><img src=x onerror=alert(1)>" onmouseover="alert(1)' x='&lt;"""


def hostile() -> tuple[Status, History]:
    """A rotator with markup in every string."""
    trouble = fleets.failure(Code.PROVIDER_REFUSED, Stage.GRANT, 60.0, 3, HOSTILE)
    case = fleets.Case(HOSTILE, HOSTILE, mint=trouble, sinks={f"{HOSTILE}:{HOSTILE}": trouble}, scope=HOSTILE)
    vault = VaultStatus(HOSTILE, True, False, None, Code.VAULT_TLS, HOSTILE)
    history = forgetful()
    history.events.append(Event(fleets.NOW.wall, HOSTILE, {"credential": HOSTILE, HOSTILE: HOSTILE}))
    providers = [ProviderStatus(HOSTILE, True, 1, 1, fleets.NOW.elapsed + 9)]
    words = [HOSTILE, HOSTILE]
    return (
        fleets.status([case], vault=vault, providers=providers, faults=words, unready=words, config=HOSTILE),
        history,
    )


@pytest.mark.parametrize("query", [{}, {"name": HOSTILE}, {"q": HOSTILE, "provider": HOSTILE}], ids=str)
def test_markup_in_any_string_stays_a_string(query: dict[str, str]) -> None:
    status, history = hostile()
    elements = list(tree(rendered(status, query, history)).iter())
    assert {one.tag for one in elements} & {"script", "img"} == set()
    assert [key for one in elements for key in one.attrib if key.startswith("on") or key == "style"] == []
    assert any("<script>alert(1)</script>" in (one.text or "") + (one.tail or "") for one in elements)


def test_control_characters_in_a_search_are_left_out() -> None:
    html = rendered(fleets.status([fleets.Case("billing")]), {"q": "bil\x00li\x1b[31mng\n"})
    assert 'value="billi[31mng"' in html


def test_a_lone_surrogate_breaks_nothing() -> None:
    status = fleets.status([fleets.Case("billing")], config="/etc/caf\udce9.toml")
    assert "/etc/caf?.toml" in rendered(status)
    assert "No credential matches." in rendered(status, {"q": "caf\udce9"})


def test_pages_are_made_in_many_threads_at_once(night_history: History) -> None:
    status = fleets.night_status()
    wanted = page.render(status, night_history, Query())
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(page.render(status, night_history, Query()))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 8


def test_states_are_told_by_shape_and_word_and_not_by_colour_alone() -> None:
    assert len(set(page.MARKS.values())) == len(State)
    html = rendered(fleets.night_status())
    for state in State:
        mark = f'<span class="mark" aria-hidden="true">{page.MARKS[state]}</span> {state}'
        assert f"{mark}<span" in html  # the count
        assert f'<td role="cell" data-label="State"><span class="badge {state}">{mark}</span></td>' in html


@pytest.mark.parametrize("file", [*Path(page.__file__).parent.glob("templates/*.j2")], ids=lambda file: file.name)
def test_no_template_marks_foreign_text_as_safe(file: Path) -> None:
    assert re.findall(r"\{\{[^}]*\|\s*safe", file.read_text()) == (
        ["{{ style | safe"] if file.name == "base.html.j2" else []
    )


TEXTS = ("ink", "muted", "link", "expired", "parked", "failing", "pending", "fresh")
GROUNDS = ("paper", "panel", "sunk")
DRAWN = ("live", "life", "gap", "now", "next")


def colours(scheme: str) -> dict[str, str]:
    """The variables of the stylesheet, as they apply."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2]
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    return found if scheme == "light" else {**found, **dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark))}


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_every_ground_by_4_5_to_1(scheme: str) -> None:
    found = colours(scheme)
    ratios = {(text, ground): contrast(found[text], found[ground]) for text, ground in product(TEXTS, GROUNDS)}
    assert {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_drawn_part_stands_out_from_its_ground_by_3_to_1(scheme: str) -> None:
    found = colours(scheme)
    pairs = [*((part, "sunk") for part in DRAWN if part != "gap"), ("gap", "gap-ground")]
    ratios = {pair: contrast(found[pair[0]], found[pair[1]]) for pair in pairs}
    assert {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < 3.0} == {}


def test_dark_sets_every_colour_anew() -> None:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2]
    names = [set(re.findall(r"--([\w-]+): #", block)) for block in (light, dark)]
    assert names[0] == names[1]


def test_every_colour_comes_from_a_variable_and_nothing_moves() -> None:
    rules = re.sub(r":root \{.*?\}", "", STYLE, flags=re.DOTALL)
    assert re.findall(r"#[0-9a-f]{3,8}\b(?! *\{)(?!main|hatch)", rules) == []
    assert re.findall(r"animation|transition|@import|@keyframes|url\((?!#hatch)", STYLE) == []


def test_three_thousand_credentials_make_a_page_hardly_larger_than_fifty() -> None:
    cases = fleets.large(3_000)
    few = len(rendered(fleets.status(cases[:50])))
    many = len(rendered(fleets.status(cases)))
    assert many < few * 1.5 < 300_000


def test_only_what_is_shown_is_drawn() -> None:
    status = fleets.status(fleets.large(400))

    class Counting(History):
        asked = 0

        def lives(self, credential: str) -> list[tuple[float, float]]:
            self.asked += 1
            return super().lives(credential)

    history = Counting(RecordingJournal(), FakeClock())
    html = rendered(status, {}, history)
    assert history.asked == html.count('class="timeline"') == 50


def test_providers_in_trouble_are_named_and_the_others_counted() -> None:
    names = [f"idp-{number:02d}" for number in range(30)]
    troubled = [
        ProviderStatus("idp-29", False, 2, 1, fleets.NOW.elapsed + 47.0),
        ProviderStatus("idp-28", True, 0, 0, NEVER),
    ]
    status = fleets.status([fleets.Case(f"c{name}", name) for name in names], providers=troubled)
    text = text_of(rendered(status))
    assert "idp-29 asked for a pause until 03:12:52 UTC (in 47 s) (Retry-After), 2 waiting, 1 under way" in text
    assert "idp-28 in an outage" in text
    assert "and 18 more" in text
