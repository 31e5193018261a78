"""What is left around a secret that was cut out: quotes, addresses, nesting, and what stands for foreign objects."""

from __future__ import annotations

from typing import Any

import pytest

from rotator.core.errors import Code, RotationError
from rotator.operate.redaction import CUT, DEEPEST, redact, redact_fields, redact_text

QUOTES = {
    "no quotes": ("password=CANARY after", f"password={CUT} after"),
    "double quotes": ('password="CANARY CANARY" after', f'password="{CUT}" after'),
    "single quotes": ("password='CANARY CANARY' after", f"password='{CUT}' after"),
    "JSON": ('{"password": "CANARY", "a": 1}', f'{{"password": "{CUT}", "a": 1}}'),
    "JSON in JSON": (r'"{\"password\": \"CANARY\", \"a\": 1}"', rf'"{{\"password\": \"{CUT}\", \"a\": 1}}"'),
    "a quote within": ("password=C'ANARY\" after", f"password={CUT} after"),
    "an X for a beginning": ("password=XCANARY after", f"password={CUT} after"),
}


@pytest.mark.parametrize("how", QUOTES)
def test_a_value_is_cut_and_its_quotes_stay(how: str) -> None:
    text, left = QUOTES[how]
    assert redact_text(text) == left


ADDRESSES = {
    "user and password": ("https://me:CANARY@host/path", f"https://{CUT}@host/path"),
    "a user alone, who may be a token": ("https://CANARY@host/path", f"https://{CUT}@host/path"),
    "a password with an at": ("https://me:C@NARY@host/path", f"https://{CUT}@host/path"),
    "a password with a slash": ("https://me:CAN/ARY@host/path", f"https://{CUT}@host/path"),
    "nobody": ("https://host:8200/v1/auth", "https://host:8200/v1/auth"),
    "nobody, and an at in the path": ("https://host/@scope/name", "https://host/@scope/name"),
}


@pytest.mark.parametrize("who", ADDRESSES)
def test_an_address_is_left_without(who: str) -> None:
    address, left = ADDRESSES[who]
    assert redact_text(f"got {address} there") == f"got {left} there"


def _lists(levels: int, inside: object) -> object:
    return inside if levels == 0 else [_lists(levels - 1, inside)]


def _mappings(levels: int, inside: object) -> object:
    return inside if levels == 0 else {"a": _mappings(levels - 1, inside)}


@pytest.mark.parametrize("nested", [_lists, _mappings], ids=["lists", "mappings"])
def test_so_many_levels_are_kept_and_what_lies_deeper_is_cut(nested: Any) -> None:
    assert redact(nested(DEEPEST, "seen")) == nested(DEEPEST, "seen")
    assert redact(nested(DEEPEST + 1, "unseen")) == nested(DEEPEST, CUT)
    assert redact_fields({"field": nested(DEEPEST, "seen")}) == {"field": nested(DEEPEST, "seen")}
    assert redact_fields({"field": nested(DEEPEST + 1, "unseen")}) == {"field": nested(DEEPEST, CUT)}


def test_a_circle_comes_to_an_end() -> None:
    circle: list[object] = []
    circle.append(circle)
    assert redact(circle) == _lists(DEEPEST, CUT)


class _Unwritable:
    def __str__(self) -> str:
        raise ZeroDivisionError("CANARY")


def test_a_value_that_cannot_be_written_is_told_by_its_kind_and_by_what_went_wrong() -> None:
    told = str(redact(_Unwritable()))
    assert told.startswith(f"a _Unwritable that cannot be written: ZeroDivisionError at {__file__}:")
    assert "CANARY" not in told


def test_of_a_foreign_exception_kind_and_place_are_kept_and_of_ours_the_sentence() -> None:
    with pytest.raises(KeyError) as caught:
        raise KeyError("CANARY")
    assert str(redact(caught.value)).startswith(f"KeyError at {__file__}:")
    assert redact(RotationError(Code.FILE_IO, "the disk is broken")) == "file_io: the disk is broken"
