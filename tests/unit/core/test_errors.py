"""What an error carries, and what is told of one that nobody foresaw."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotator.core.errors import Code, RotationError, whence


def test_an_error_says_its_code_and_its_sentence() -> None:
    assert str(RotationError(Code.FILE_NO_SPACE, "/run/x is full")) == "file_no_space: /run/x is full"


def test_an_error_carries_what_the_other_side_asked_for_and_what_is_left_open() -> None:
    error = RotationError(Code.PROVIDER_TIMEOUT, "slow", retry_after=7.5, ambiguous=True)
    assert (error.code, error.detail, error.retry_after, error.ambiguous) == (
        Code.PROVIDER_TIMEOUT,
        "slow",
        7.5,
        True,
    )
    plain = RotationError(Code.PROVIDER_TIMEOUT, "slow")
    assert (plain.retry_after, plain.ambiguous) == (None, False)


def _fails_deep_down() -> None:
    raise ZeroDivisionError("CANARY")


def test_an_unforeseen_error_is_told_by_its_kind_and_the_line_it_arose_on_without_its_text() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        _fails_deep_down()
    line = Path(__file__).read_text().splitlines().index('    raise ZeroDivisionError("CANARY")') + 1
    assert whence(caught.value) == f"ZeroDivisionError at {__file__}:{line}"


def test_an_error_that_was_never_raised_has_a_kind_and_no_place() -> None:
    assert whence(KeyError("CANARY")) == "KeyError"
