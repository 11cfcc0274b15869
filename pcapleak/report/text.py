"""Strings from packets made harmless, and the small words every page shares.

A name, a SOFTWARE string or a file name is a stranger's text. It may hold escape sequences,
bidirectional overrides that turn a line around, or invisible characters that make two names
look alike. Every page writes it through `safe`; markup is never parsed from it (pages pass
`rich.text.Text`, templates autoescape).
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pcapleak.report.document import FlowEntry

MAX_TEXT = 300
"""Characters of one stranger's string on a page. A DNS name in text is at most 253, and eight
combining marks a character still leave a line readable."""

# Control, format (bidirectional marks, zero width), surrogate, private use, unassigned, and
# the two Unicode line breaks: nothing a reader could see as what it is.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe(text: object, limit: int = MAX_TEXT) -> str:
    """`text` on one line, with everything invisible or active written as an escape.

    At most `limit` characters are kept; what is cut shows as an ellipsis.
    """
    value = str(text)
    cut = value[:limit]
    if not cut.isascii() or not cut.isprintable():
        cut = "".join(_escape(character) for character in cut)
    return cut + "…" if len(value) > limit else cut


def _escape(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def iso_time(ts_ns: int) -> str:
    """`ts_ns` (any 64-bit count since the epoch) as ISO 8601 UTC with nanoseconds."""
    seconds, fraction = divmod(ts_ns, 1_000_000_000)
    return f"{_second(seconds)}.{fraction:09d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


# A signed 64-bit count of nanoseconds spans the years 1677 to 2262, well inside `datetime`.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local_time(ts_ns: int | None, *, date: bool = False) -> str:
    """The reader's time of day with its offset from UTC, for screens; `?` where there is none."""
    if ts_ns is None:
        return "?"
    local, offset = _local(ts_ns)
    return f"{local if date else local[11:]}{offset}"


def local_span(first_ns: int, last_ns: int | None) -> str:
    """From when to when, in the reader's time: the date once where it is one, and the offset."""
    first, offset = _local(first_ns)
    if last_ns is None or last_ns == first_ns:
        return f"{first}{offset}"
    last, last_offset = _local(last_ns)
    if offset != last_offset:
        return f"{first}{offset} to {last}{last_offset}"
    return f"{first} to {last[11:] if last[:10] == first[:10] else last}{offset}"


def utc_span(first_ns: int, last_ns: int | None) -> str:
    """From when to when in UTC, for pages that are read anywhere."""
    first = iso_time(first_ns)
    text = f"{first[:10]} {first[11:23]}"
    if last_ns is not None and last_ns != first_ns:
        last = iso_time(last_ns)
        text += f" to {last[11:23] if last[:10] == first[:10] else f'{last[:10]} {last[11:23]}'}"
    return f"{text} UTC"


def _local(ts_ns: int) -> tuple[str, str]:
    """Date and time with milliseconds, and the offset."""
    seconds, fraction = divmod(ts_ns, 1_000_000_000)
    utc = _EPOCH + timedelta(seconds=seconds)
    try:
        local = utc.astimezone()
    except (OverflowError, OSError, ValueError):  # a time that the system's clock cannot have
        local = utc
    offset = f"{local:%z}"
    text = f"{local:%Y-%m-%d %H:%M:%S}.{fraction // 1_000_000:03d}"
    return text, f"{offset[:3]}:{offset[3:]}"


def clock_time(ts_ns: int | None) -> str:
    """The time of day in UTC with milliseconds, or `?`."""
    return "?" if ts_ns is None else iso_time(ts_ns)[11:23]


def frames_text(frames: list[int], total: int, limit: int = 8) -> str:
    """The first frame numbers, and how many more there are."""
    if not frames:
        return ""
    shown = ", ".join(str(frame) for frame in frames[:limit])
    more = max(total, len(frames)) - len(frames[:limit])
    noun = "frame" if len(frames) == 1 and not more else "frames"
    return f"{noun} {shown}" + (f" and {more:,} more" if more else "")


def endpoint(address: str, port: int) -> str:
    """A transport address in text, IPv6 in brackets."""
    host = safe(address)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def flow_ends(flow: FlowEntry) -> str:
    """The two ends of a flow; with ports where its protocol has them."""
    if flow.protocol in ("tcp", "udp", "sctp"):
        return (
            f"{endpoint(flow.orig.address, flow.orig.port)}"
            f" → {endpoint(flow.resp.address, flow.resp.port)}"
        )
    return f"{safe(flow.orig.address)} → {safe(flow.resp.address)}"
