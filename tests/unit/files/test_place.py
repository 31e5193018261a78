"""Where a token stands in a content that does not tell: found when it is written, and found again by numbers alone."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import Secret
from rotator.files.place import Place, locate, place_of, taken
from tests.unit.files.test_formats import tokens

TOKEN = Secret("token.one")


@given(st.binary(max_size=40), tokens, st.binary(max_size=40))
def test_a_token_is_taken_from_where_it_was_found(before: bytes, token: str, after: bytes) -> None:
    content = before + token.encode() + after
    place = locate(content, Secret(token))
    assert place is not None
    assert taken(content, place) == Secret(token)
    assert place_of(place.numbers()) == place


@given(st.binary(max_size=40), st.binary(max_size=12), tokens, st.binary(max_size=12))
def test_so_is_one_that_was_encoded_together_with_other_things(
    before: bytes, inside: bytes, token: str, behind: bytes
) -> None:
    content = before + b" " + b64encode(inside + token.encode() + behind) + b"\n"
    place = locate(content, Secret(token))
    assert place is not None
    assert taken(content, place) == Secret(token)
    assert place_of(place.numbers()) == place


@pytest.mark.parametrize("content", [b"", b"token.on", b"dG9rZW4ub24=", b64encode(b64encode(b"token.one")), b"="])
def test_what_is_not_there_is_not_found(content: bytes) -> None:
    assert locate(content, TOKEN) is None


def test_numbers_tell_where_and_nothing_else() -> None:
    place = locate(b"a token.one", TOKEN)
    assert place == Place(2, 11)
    encoded = locate(b"a " + b64encode(b"me:token.one"), TOKEN)
    assert encoded == Place(2, 18, (3, 12))
    assert encoded.numbers() == [2, 18, 3, 12]


@pytest.mark.parametrize("numbers", [None, {}, "12", [], [1], [1, 2, 3], [1, 2, 3, 4, 5], [1, "2"], [True, 2], [-1, 2]])
def test_what_is_no_place_is_none(numbers: object) -> None:
    assert place_of(numbers) is None


@pytest.mark.parametrize(
    "place", [Place(0, 2), Place(5, 100), Place(100, 200), Place(0, 4, (0, 9)), Place(0, 3, (7, 2)), Place(9, 2)]
)
def test_a_place_that_leads_nowhere_gives_no_error(place: Place) -> None:
    found = taken(b"\xffbc token", place)
    assert found is None or len(found.reveal()) < 9
