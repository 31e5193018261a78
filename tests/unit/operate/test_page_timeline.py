"""The drawing of a credential's tokens: where each life lies, what overlaps, when nobody was served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.errors import Code
from rotator.core.observation import Stage
from rotator.operate.page.timeline import WIDTH, Timeline, timeline
from tests.support.fleets import NOW, Case, failure

if TYPE_CHECKING:
    from rotator.core.observation import Failure

AWAY = failure(Code.PROVIDER_TIMEOUT, Stage.GRANT, 900.0, 40)
FULL = failure(Code.FILE_NO_SPACE, Stage.DELIVER, 95.0, 6)
STARTED = NOW.elapsed - 1000.0


def drawn(case: Case, *, remembered: bool = True) -> Timeline:
    lives = [(one.issued.elapsed, one.expires) for one in reversed(case.tokens())] if remembered else []
    return timeline(case.status(), lives, STARTED, NOW)


def gaps(found: Timeline) -> list[tuple[float, float]]:
    """Where they begin and end, in seconds from now; the axis of a 600-s token has five times 300 s."""
    return [(per(gap.x), per(gap.x + gap.width)) for gap in found.gaps]


def per(x: float) -> float:
    return round(x / WIDTH * 1500.0 - 900.0)


def test_now_stands_at_three_fifths_and_the_axis_has_a_mark_every_half_life() -> None:
    found = drawn(Case("a", ages=(100.0,)))
    assert found.now == WIDTH * 0.6
    assert [tick.label for tick in found.ticks] == ["−15 min", "−10 min", "−5 min", "now", "+5 min", "+10 min"]  # noqa: RUF001
    assert [tick.clock for tick in found.ticks][3] == "03:12:05"


@pytest.mark.parametrize("lifetime", [5.0, 30.0, 300.0, 600.0, 3600.0, 86400.0, 2592000.0, 31536000.0])
def test_a_token_that_was_just_minted_ends_within_the_axis(lifetime: float) -> None:
    found = drawn(Case("a", ages=(0.0,), lifetime=lifetime))
    (bar,) = found.bars
    assert bar.x == found.now
    assert WIDTH * 0.15 < bar.width <= WIDTH * 0.4


def test_lives_that_overlap_lie_in_different_lanes() -> None:
    found = drawn(Case("a", ages=(20.0, 265.0, 510.0, 760.0)))
    for one in found.bars:
        for other in found.bars:
            if one is not other and one.lane == other.lane:
                assert one.x + one.width <= other.x or other.x + other.width <= one.x
    assert {bar.lane for bar in found.bars} == {0, 1, 2}


def test_what_is_over_is_told_from_what_lives() -> None:
    assert [bar.live for bar in drawn(Case("a", ages=(100.0, 400.0, 700.0))).bars] == [False, True, True]


def test_without_a_gap_there_is_none_and_the_words_say_so() -> None:
    found = drawn(Case("a", ages=(150.0, 425.0)))
    assert found.gaps == ()
    assert found.words == (
        "Validity of a: 2 tokens known. The last one ends 03:19:35 UTC, in 7 min 30 s. "
        "Tokens overlap by 5 min 25 s at least. No gap."
    )


def test_a_time_between_two_tokens_is_a_gap() -> None:
    found = drawn(Case("a", ages=(50.0, 800.0)))
    assert gaps(found) == [(-200, -50)]
    assert found.words.endswith("Gap of 2 min 30 s, begun 3 min 20 s ago.")


def test_an_expired_token_leaves_a_gap_up_to_now() -> None:
    found = drawn(Case("a", ages=(700.0,), mint=AWAY))
    assert gaps(found) == [(-100, 0)]
    assert "The last one ended 03:10:25 UTC, 1 min 40 s ago." in found.words


def test_a_token_in_hand_fills_no_gap_while_a_sink_holds_an_expired_one() -> None:
    case = Case("a", ages=(50.0, 700.0), sinks={"file:/a": FULL})
    assert gaps(drawn(case)) == [(-100, 0)]


def test_consumers_that_never_had_a_token_have_gone_without_since_the_start() -> None:
    found = drawn(Case("a", ages=(), mint=AWAY))
    assert gaps(found) == [(-900, 0)]
    assert found.words == "Validity of a: 0 tokens known. Gap of 16 min 40 s, begun 16 min 40 s ago."


def test_one_that_was_not_begun_has_neither_life_nor_gap() -> None:
    found = drawn(Case("a", ages=(), looked=False))
    assert (found.bars, found.gaps) == ((), ())


def test_a_token_of_which_only_the_sink_tells_is_drawn_once() -> None:
    assert len(drawn(Case("a", ages=(100.0,)), remembered=False).bars) == 1
    assert len(drawn(Case("a", ages=(100.0,), sinks={"vault:a": None, "file:/a": None})).bars) == 1


def test_the_next_mint_is_marked_where_it_is_planned() -> None:
    case = Case("a", ages=(100.0,))
    following = drawn(case).following
    assert following is not None
    assert per(following) == pytest.approx(case.status().next_mint.at - NOW.elapsed, abs=3)


@given(
    st.lists(st.floats(0.0, 5000.0), max_size=6, unique=True).map(sorted),
    st.sampled_from([7.0, 600.0, 86400.0]),
    st.sampled_from([AWAY, None]),
)
def test_nothing_is_drawn_outside_and_no_gap_lies_over_a_life(
    ages: list[float], lifetime: float, mint: Failure | None
) -> None:
    found = drawn(Case("a", ages=ages, lifetime=lifetime, mint=mint))
    for bar in (*found.bars, *found.gaps):
        assert 0.0 <= bar.x <= bar.x + bar.width <= WIDTH + 1.0
    for gap in found.gaps:
        assert gap.x + gap.width <= found.now + 1.0
        covered = [bar for bar in found.bars if bar.x < gap.x + gap.width - 1.0 and bar.x + bar.width > gap.x + 1.0]
        assert covered == []
