"""What a command has said is shown without the token, wherever that was torn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.hooks.output import SHOWN, shown

TOKEN = "abcdefgh.0123456789.ijklmnopqrstuvwxyz"


def test_plain_words_are_shown_as_they_are() -> None:
    assert shown(b"no such unit\n", torn=False, token=TOKEN) == "no such unit"


def test_nothing_is_nothing() -> None:
    assert shown(b"", torn=False, token=TOKEN) == ""


def test_every_token_is_cut_out() -> None:
    said = f"<{TOKEN}> and {TOKEN}{TOKEN}".encode()
    assert shown(said, torn=False, token=TOKEN) == "<[redacted]> and [redacted][redacted]"


def test_several_lines_become_one_and_what_is_not_printable_a_space() -> None:
    assert shown(b"a\r\n\tb\x1b[2J\x00c", torn=False, token=TOKEN) == "a b [2J c"


def test_bytes_that_are_no_text_are_marked() -> None:
    assert shown(b"\xff!", torn=False, token=TOKEN) == "\ufffd!"


def test_the_end_is_what_is_shown() -> None:
    said = b"x" * SHOWN + b"the end"
    assert shown(said, torn=False, token=TOKEN).endswith("the end")
    assert len(shown(said, torn=False, token=TOKEN)) == SHOWN


@pytest.mark.parametrize("length", range(1, len(TOKEN) + 1))
def test_the_rest_of_a_token_that_was_torn_is_not_shown(length: int) -> None:
    said = TOKEN[-length:].encode() + b" " * len(TOKEN) + b"the end"
    assert shown(said, torn=True, token=TOKEN) == "the end"


@pytest.mark.parametrize("length", range(8, len(TOKEN)))
def test_the_beginning_of_a_token_that_was_not_said_to_its_end_is_not_shown(length: int) -> None:
    assert shown(b"before " + TOKEN[:length].encode(), torn=False, token=TOKEN) == "before"


def test_two_halves_of_tokens_side_by_side_are_both_not_shown() -> None:
    assert shown((TOKEN[2:] + TOKEN[:-1]).encode(), torn=True, token=TOKEN) == ""


@given(
    st.lists(st.sampled_from([TOKEN, TOKEN[:8], TOKEN[8:], "a", "abcdefgh", " and ", "z", "words "]), max_size=12),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_no_piece_of_a_whole_token_is_left_however_the_output_was_torn(
    pieces: list[str], lost: int, unsaid: int
) -> None:
    """A piece counts where it can come from nowhere but a token: eight characters from its second on."""
    whole = "".join(pieces)
    innocent = whole.replace(TOKEN, "\0")
    said = whole[lost : len(whole) - unsaid]
    left = shown(said.encode(), torn=lost > 0, token=TOKEN)
    windows = {TOKEN[start : start + 8] for start in range(len(TOKEN) - 7)}
    assert [window for window in windows if window in left and window not in innocent] == []
