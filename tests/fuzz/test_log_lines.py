"""The quick part of `make reliability ARGS=canaries`: from an error, or a library's record, to its line in the log."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest

from tests.fuzz import checks
from tests.reliability import canaries

if TYPE_CHECKING:
    from rotator.operate.logs import Log


def test_no_line_holds_a_secret_that_an_answer_or_a_library_holds_p44() -> None:
    cases, lines, leaked = canaries.fuzzed(2000, 1, print)
    assert (cases, leaked) == (2000, 0)
    assert lines > 1000


@pytest.mark.parametrize("look", ["json", "console"])
def test_a_secret_that_nothing_betrays_would_be_found_in_a_line(look: str) -> None:
    """Redaction cannot know it: a secret without a name beside it. So the search does look at what is written."""
    stream = io.StringIO()
    with canaries.logging_to(stream, look) as log:
        _blurt(log)
    assert {found.canary for found in checks.SEARCHER.look(stream.getvalue(), "the log")} == {"the secret"}


def _blurt(log: Log) -> None:
    del log
    logging.getLogger("somebody").warning("it is %s", checks.SECRET)
