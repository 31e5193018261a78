"""What `rotate` and `plan` print of each credential: columns for people, the same fields for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rotator.cli.foreground import Line, show

if TYPE_CHECKING:
    import pytest

FRESH = Line("billing", "kept", "", "2026-01-01T00:00:00Z", 299.6)
FAILED = Line(
    "search",
    "failed",
    "grant",
    "2026-01-01T00:00:00Z",
    0.0,
    "invalid_client",
    "the secret is wrong",
    "write the right one",
)


def test_programs_get_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    show([FRESH, FAILED], "json")
    assert json.loads(capsys.readouterr().out) == [
        {
            "credential": "billing",
            "action": "kept",
            "reason": "",
            "at": "2026-01-01T00:00:00Z",
            "valid_for_s": 299.6,
            "error": None,
            "detail": None,
            "cure": None,
        },
        {
            "credential": "search",
            "action": "failed",
            "reason": "grant",
            "at": "2026-01-01T00:00:00Z",
            "valid_for_s": 0.0,
            "error": "invalid_client",
            "detail": "the secret is wrong",
            "cure": "write the right one",
        },
    ]


def test_people_get_a_table_with_what_is_wrong_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    show([FRESH, FAILED], "text")
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["CREDENTIAL", "ACTION", "REASON", "AT", "VALID", "FOR"],
        ["billing", "kept", "2026-01-01T00:00:00Z", "300", "s"],
        ["search", "failed", "grant", "2026-01-01T00:00:00Z", "0", "s"],
        [],
        ["search:", "invalid_client:", "the", "secret", "is", "wrong"],
        ["cure:", "write", "the", "right", "one"],
    ]
