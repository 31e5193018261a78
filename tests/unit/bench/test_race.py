"""What could be wrong in the benchmark's driver: its arithmetic, its page, and its belief in what contenders say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench import contenders, race
from tests.bench.ceiling import CeilingError, Rates, rate, script
from tests.bench.contender import Contender, ContenderError, Lap, Program
from tests.bench.ledger import Held, Ledger
from tests.reliability import figures

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = Program("x", "X", ())


def laps(*walls: float, cpu: float = 0.1) -> list[Lap]:
    return [Lap(100, wall, cpu) for wall in walls]


def test_everybody_is_first_in_turn() -> None:
    orders = [race.rotated("abc", number) for number in range(4)]
    assert orders == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


def test_a_ratio_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians() -> None:
    assert race.ratio([1.0, 30.0, 4.0], [1.0, 10.0, 5.0]) == 1.0
    with pytest.raises(ValueError, match="shorter"):
        race.ratio([1.0, 2.0], [1.0])


def test_a_lap_tells_refreshes_per_second_and_milliseconds_of_cpu_for_each() -> None:
    lap = Lap(refreshes=500, wall=2.0, cpu=0.5)
    assert (lap.rate, lap.cost) == (250.0, 1.0)


@pytest.mark.parametrize(("wall", "cpu", "held"), [(1.1, 0.14, [True] * 4), (1.3, 0.16, [False] * 4)])
def test_the_bars_are_met_or_missed(wall: float, cpu: float, held: list[bool]) -> None:
    found = {
        contenders.FLOOR: laps(1.0, 1.0, 1.0, cpu=0.1),
        contenders.WHOLE: laps(wall, wall, wall, cpu=cpu),
        contenders.THREADS: laps(2.0, 2.0, 2.0, cpu=0.3),
        contenders.DOCUMENTED: laps(9.0, 9.0, 9.0, cpu=3.0),
    }
    assert [figure.holds for figure in contenders.bars(found)] == held


def test_the_ceiling_of_refreshes_is_what_is_left_when_all_three_share_the_processors() -> None:
    assert Rates(tokens=100.0, reads=100.0, writes=50.0).refreshes == pytest.approx(25.0)


def test_without_wrk_the_page_says_how_to_get_it() -> None:
    (figure,) = contenders.limits([], laps(1.0))
    assert "apt-get install wrk" in figure.found


def test_what_wrk_says_is_believed_only_where_all_answers_were_good() -> None:
    assert rate("  300 requests in 1.00s\nRequests/sec:    299.10\nTransfer/sec: 1MB\n") == 299.1
    for said in ("", "  Non-2xx or 3xx responses: 12\nRequests/sec:    299.10\n"):
        with pytest.raises(CeilingError):
            rate(said)


def test_wrk_is_given_every_request_quoted() -> None:
    text = script([("POST", "/token", {"Authorization": "Basic a=="}, '{"a": "b"}')])
    assert r'{"POST", "/token", {["Authorization"] = "Basic a=="}, "{\"a\": \"b\"}"}' in text


def held(version: int, *tokens: str) -> dict[str, Held]:
    return {f"app-{number}": Held(version, token) for number, token in enumerate(tokens)}


def test_a_contender_that_refreshes_everything_is_believed() -> None:
    ledger = Ledger()
    ledger.check(PROGRAM, Lap(2, 1.0, 1.0), 2, {}, held(1, "a", "b"))
    ledger.check(PROGRAM, Lap(2, 1.0, 1.0), 2, held(1, "a", "b"), held(2, "c", "d"))


@pytest.mark.parametrize(
    ("says", "before", "after"),
    [
        pytest.param(2, held(2, "a", "b"), held(2, "a", "b"), id="does nothing"),
        pytest.param(2, held(2, "a", "b"), {**held(3, "c"), "app-1": Held(2, "b")}, id="leaves one out"),
        pytest.param(2, held(2, "a", "b"), held(3, "a", "b"), id="writes the same tokens again"),
        pytest.param(2, held(2, "a", "b"), held(3, "c", "c"), id="mints one for all"),
        pytest.param(2, {}, held(1, "a"), id="writes one of two"),
        pytest.param(1, held(2, "a", "b"), held(3, "c", "d"), id="says that it did less"),
        pytest.param(2, held(3, "c", "d"), held(3, "c", "d"), id="refreshed before its turn"),
    ],
)
def test_a_contender_that_cheats_is_found(says: int, before: dict[str, Held], after: dict[str, Held]) -> None:
    with pytest.raises(ContenderError, match=f"refreshed {says} of 2"):
        Ledger().check(PROGRAM, Lap(says, 1.0, 1.0), 2, before, after)


def test_a_token_of_an_earlier_round_or_of_another_contender_is_no_new_one() -> None:
    ledger = Ledger()
    assert ledger.stale({}, held(1, "a", "b")) == []
    assert ledger.stale({}, held(1, "c", "a")) == ["app-1"]


ECHO = """
import sys
sys.stdin.readline()
print('{"ready": true}', flush=True)
sys.stdin.readline()
print('{"refreshes": 3, "wall_s": 0.5, "cpu_s": 0.25}', flush=True)
sys.exit("had enough")
"""


async def test_a_contender_is_asked_for_its_rounds_and_its_last_words_are_told() -> None:
    async with Contender(Program("x", "X", (sys.executable, "-c", ECHO)), {"names": []}) as contender:
        assert await contender.lap(1) == Lap(3, 0.5, 0.25)
        with pytest.raises(ContenderError, match="X ended; it said:\nhad enough"):
            await contender.lap(2)


def test_the_page_shows_what_was_kept(tmp_path: Path) -> None:
    file = tmp_path / "performance.json"
    found = [figures.Figure("speed", "≥ 1", "0.9", holds=False), figures.Figure("told", "", "7")]
    figures.keep(file, "contenders", figures.taken(contenders, "make bench", found, 61.0))
    page = figures.page(figures.read(file).values())
    assert page.startswith(f"## {contenders.TITLE}\n\nA refresh is a read")
    assert "| speed | ≥ 1 | 0.9 | ✗ |\n| told | none | 7 | ✓ |\n\n`make bench`, 1 min 1 s\n" in page
