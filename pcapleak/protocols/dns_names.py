"""Domain names in messages (RFC 1035 sections 3.1 and 4.1.4)."""

from __future__ import annotations

import re

from pcapleak.errors import DecodeError

_PLAIN_LABEL = re.compile(rb"[ -\-/-\[\]-~]*")
"""Printable ASCII but for the dot and the backslash, which stand for themselves in a name."""
_PLAIN_NAME = re.compile(rb"[ -\[\]-~]*")

_Name = tuple[tuple[bytes, ...], int, str]

Names = dict[int, _Name]
"""Names by where they begin: labels, their length on the wire, text."""

_plain: dict[bytes, _Name] = {}
"""Names by their bytes, where they have no pointer: the same few are said again and again, and
bytes that are equal to a whole name are that name wherever they stand. Only speed depends on
what is remembered."""

_MAX_PLAIN, _MAX_LABELS = 4096, 16
"""At most 255 bytes three times over and 16 labels' 36 each: 6 MB, 1 MB of usual names."""


def read_name(
    data: bytes,
    offset: int,
    end: int,
    names: Names,
    protocol: str,
    place: str,
) -> tuple[str, int]:
    """The name at `offset` and where it ends (RFC 1035 section 4.1.4).

    `end` bounds the part that stands at `offset`; what a pointer leads to is bounded by the
    message. Each pointer must lead further back than the last, so there are no loops, and
    `names` remembers the labels behind each pointer, so a message costs linear time.
    """
    start = lowest = offset
    if offset + 1 < end and data[offset] >= 192:
        known = names.get((data[offset] & 0x3F) << 8 | data[offset + 1])
        if known is not None:
            return known[2], offset + 2
    else:
        stop = data.find(b"\0", offset, min(end, offset + 255)) + 1
        known = _plain.get(data[offset:stop])
        if known is not None:
            names[offset] = known
            return known[2], stop
    labels: list[bytes] = []
    length = 0
    after = -1
    targets: list[tuple[int, int, int]] = []
    while True:
        if offset >= end:
            raise DecodeError(protocol, f"{place} name", offset, "no end")
        size = data[offset]
        if size == 0:
            offset += 1
            break
        if size < 64:
            stop = offset + 1 + size
            if stop > end:
                raise DecodeError(protocol, f"{place} name", offset, "label past the end")
            labels.append(data[offset + 1 : stop])
            length += size + 1
            if length > 254:
                raise DecodeError(protocol, f"{place} name", offset, "longer than 255 bytes")
            offset = stop
            continue
        if size < 192:
            raise DecodeError(protocol, f"{place} name", offset, f"label type {size >> 6}")
        if offset + 2 > end:
            raise DecodeError(protocol, f"{place} name", offset, "ends in a pointer")
        target = (size & 0x3F) << 8 | data[offset + 1]
        if after < 0:
            after = offset + 2
            end = len(data)
        if target >= lowest:
            raise DecodeError(protocol, f"{place} name", offset, f"pointer to {target}, not back")
        if target < 12:
            raise DecodeError(protocol, f"{place} name", offset, "pointer into the header")
        lowest = target
        known = names.get(target)
        if known is not None:
            labels.extend(known[0])
            length += known[1]
            if length > 254:
                raise DecodeError(protocol, f"{place} name", offset, "longer than 255 bytes")
            break
        targets.append((target, len(labels), length))
        offset = target
    text = _text(labels)
    names[start] = whole = tuple(labels), length, text
    if after < 0 and len(labels) <= _MAX_LABELS and len(_plain) < _MAX_PLAIN:
        _plain[data[start:offset]] = whole
    for target, index, before in targets:
        rest = labels[index:]
        names[target] = tuple(rest), length - before, _text(rest) if index else text
    return text, offset if after < 0 else after


def _text(labels: list[bytes]) -> str:
    joined = b".".join(labels)
    if _PLAIN_NAME.fullmatch(joined) and joined.count(b".") == len(labels) - 1:
        return joined.decode("ascii")
    return ".".join(map(_label_text, labels)) if labels else "."


def _label_text(label: bytes) -> str:
    """UTF-8 as it stands, all else escaped, so that no two labels have one text."""
    if _PLAIN_LABEL.fullmatch(label):
        return label.decode("ascii")
    out = []
    for character in label.decode("utf-8", "surrogateescape"):
        if character in ".\\":
            out.append("\\" + character)
        elif character.isprintable():
            out.append(character)
        else:
            out.extend(f"\\{byte:03d}" for byte in character.encode("utf-8", "surrogateescape"))
    return "".join(out)
