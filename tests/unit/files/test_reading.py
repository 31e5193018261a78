"""F18: who keeps what he has read, and looks again as docs/files.md says, never uses a token that has expired."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.files.formats import FORMATS, Layout

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIFE = timedelta(seconds=600)
EVERY = timedelta(seconds=60)
GUIDE = Path(__file__).parents[3] / "docs" / "files.md"


def document(number: int, issued: datetime) -> dict[str, str]:
    token = Secret(f"token.{number}")
    record = TokenRecord(token, issued, issued + LIFE, 600, "", fingerprint(token), "inputs")
    read: dict[str, str] = json.loads(FORMATS["json"].render(record, Layout("billing")))
    return read


def looks_until(successor: datetime, held: dict[str, str], at: datetime) -> list[datetime]:
    """When a reader that holds a document since `at` looks, the last time when it finds the successor."""
    looks = [max(at, datetime.fromisoformat(held["refresh_after"]))]
    while looks[-1] < successor:
        looks.append(looks[-1] + EVERY)
    return looks


@pytest.mark.parametrize("renewed", range(240, 541, 20), ids="f18 a token is replaced after {} s".format)
@pytest.mark.parametrize("first_read", [0, 239, 500])
def test_a_reader_that_keeps_a_token_finds_the_next_one_in_time_and_looks_seldom(renewed: int, first_read: int) -> None:
    held, successor = document(1, NOW), NOW + timedelta(seconds=renewed)
    read = NOW + timedelta(seconds=first_read)
    looks = looks_until(successor, held, read)
    assert looks[-1] < datetime.fromisoformat(held["expires_at"])
    assert len(looks) <= 1 + (max(successor, read) - NOW) / EVERY / 2


def test_f18_the_guide_says_how_often_and_names_every_field() -> None:
    guide = GUIDE.read_text()
    assert "**every 60 seconds** at the latest" in guide
    assert [name for name in document(1, NOW) if f"`{name}`" not in guide] == []
    assert [kind for kind in FORMATS if f"| `{kind}` |" not in guide] == []
