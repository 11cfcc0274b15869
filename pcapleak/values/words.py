"""Numbers and lists in words, and sentences of them, wherever the program says them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_OPTION_LAST = re.compile(r"(?:^|\s)--[a-z][a-z-]*(?:\s+[^\s]+)?$")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 frame`, `2 frames`, `3,000 frames`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(number: int) -> str:
    """A number of bytes a person reads at a glance."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:  # what three digits hold
            return f"{number} B" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.0f} TB" if value >= 999.5 else f"{value:.3g} TB"


def duration(nanoseconds: int) -> str:
    """A span of time a person reads at a glance."""
    seconds = nanoseconds / 1e9
    if seconds < 1:
        return f"{nanoseconds / 1e6:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:,.0f} days"


def listed(items: Iterable[object], limit: int) -> str:
    """The first items, and how many more there are: `1, 2, 3 and 4 more`."""
    texts = list(map(str, items))
    more = f" and {len(texts) - limit:,} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def series(items: Iterable[object]) -> str:
    """All items as a sentence has them: `1`, `1 and 2`, `1, 2 and 3`."""
    *texts, last = map(str, items)
    return f"{', '.join(texts)} and {last}" if texts else last


def capital(text: str) -> str:
    """A clause as a sentence begins with it."""
    return text[:1].upper() + text[1:]


def sentences(*parts: str) -> str:
    """Parts as sentences; empty ones are left out. An option at a part's end stays as it is to be
    copied, without a full stop."""
    kept = [capital(part) for part in parts if part]
    return " ".join(
        part if part.endswith(".") or _OPTION_LAST.search(part) else f"{part}." for part in kept
    )
