from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.oauth.retry_after import retry_after

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        (" 12 ", 12),
        ("301", 300),
        ("99999999999", 300),
        ("Tue, 24 Nov 2026 12:01:00 GMT", 60),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0),
        ("Wed, 24 Nov 2094 12:00:00 GMT", 300),
        ("Tuesday, 24-Nov-26 12:01:00 GMT", 60),
        ("Tue Nov 24 12:01:00 2026", 60),
        ("Tue, 24 Nov 2026 13:01:00 +0100", 60),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("٣", None),
    ],
)
def test_a_wait_is_read_within_bounds_or_not_at_all_p09_p11_p12(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


HEADERS = st.one_of(
    st.text(),
    st.integers().map(str),
    st.datetimes().map(lambda date: f"{date:%a, %d %b %Y %H:%M:%S} GMT"),
    # Pieces of dates in any order: what a parser of dates trips over.
    st.lists(
        st.sampled_from(
            ["Tue,", "24", "Nov", "2026", "0", "99", "12:00:00", "25:61:61", "GMT", "+9999", "-0000", "-", ":"]
        )
    ).map(" ".join),
)


@given(HEADERS)
def test_no_text_raises_or_waits_for_ever_p12(header: str) -> None:
    seconds = retry_after(header, NOW)
    assert seconds is None or 0 <= seconds <= 300
