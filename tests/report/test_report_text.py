"""Strings from strangers, and the small words of the pages."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapleak.report.text import clock_time, frames_text, iso_time, safe
from pcapleak.values.words import count, duration, size


@given(st.text(max_size=400), st.integers(1, 500))
def test_nothing_hidden_or_active_survives(text: str, limit: int) -> None:
    """Whatever the string, the result is visible, on one line, and bounded."""
    result = safe(text, limit)
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not any(unicodedata.category(character) in hidden for character in result)
    assert len(result) <= 10 * limit + 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain.local", "plain.local"),
        ("Küche-ไทย", "Küche-ไทย"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\nb\tc\x00", "a\\x0ab\\x09c\\x00"),
        ("\x9b0m", "\\x9b0m"),
        ("moc.\u202elive", "moc.\\u202elive"),
        ("a\u200bb", "a\\u200bb"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
    ],
)
def test_escapes(text: str, expected: str) -> None:
    """Active and invisible characters show as escapes, the rest stays."""
    assert safe(text) == expected


def test_long_text_is_cut_visibly() -> None:
    """A string over the limit ends in an ellipsis."""
    assert safe("abcdef", 3) == "abc…"
    assert safe("abc", 3) == "abc"


@pytest.mark.parametrize(
    ("ts_ns", "expected"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_795_362_557_000_000_001, "2026-11-22T15:49:17.000000001Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
    ],
)
def test_iso_time(ts_ns: int, expected: str) -> None:
    """Times keep nanoseconds over the whole 64-bit range."""
    assert iso_time(ts_ns) == expected


def test_words() -> None:
    """Numbers are written as a person reads them."""
    assert clock_time(None) == "?"
    assert clock_time(1_500_000_000) == "00:00:01.500"
    assert [duration(n) for n in (5_000_000, 3_200_000_000, 600 * 10**9, 3 * 3600 * 10**9)] == [
        "5 ms",
        "3.2 s",
        "10.0 min",
        "3.0 h",
    ]
    assert [size(n) for n in (999, 999_600, 1500, 23_400_000, 5 * 10**12, 2**63)] == [
        "999 B",
        "1 MB",
        "1.5 kB",
        "23.4 MB",
        "5 TB",
        "9,223,372 TB",
    ]
    assert count(1, "frame") == "1 frame"
    assert count(2000, "reply", "replies") == "2,000 replies"
    assert frames_text([], 0) == ""
    assert frames_text([4], 1) == "frame 4"
    assert frames_text([1, 2, 3], 12, limit=2) == "frames 1, 2 and 10 more"
