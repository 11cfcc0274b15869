"""Domain names in messages (RFC 1035 sections 3.1 and 4.1.4)."""

from __future__ import annotations

from pcapleak.errors import DecodeError

_Name = tuple[str, int]
"""A name's text, and its length on the wire but for the root's byte."""

Names = dict[int, _Name]
"""The names of one message, by the pointer that leads to each."""

POINTER = 0xC000
"""The two bits that make a pointer of an offset. What begins beyond 16 KB has a number here
that no pointer has."""

_MAX_REMEMBERED = 4096
"""At most 255 bytes, and as text four times that: 6 MB, 1 MB of usual names."""

_UNPLAIN = bytes(byte for byte in range(256) if not 32 <= byte < 127 or byte in b".\\")
"""What does not stand for itself in a name's text."""
_PLAIN = bytes(byte for byte in range(256) if byte not in _UNPLAIN)


class _WholeNames(dict[bytes, _Name | None]):
    """Names by their bytes, where they have no pointer; None where the bytes are no such name.

    The same few are said again and again, below the same few domains, and bytes that are equal
    to a whole name are that name wherever they stand. Only speed depends on what is
    remembered, so what is full is emptied.
    """

    def __missing__(self, wire: bytes) -> _Name | None:
        """The name that is all of `wire`, which is 255 bytes at most and ends with its first
        zero."""
        if not wire:
            return None
        size = wire[0]
        text = "."
        if size:
            above = self[wire[size + 1 :]] if size < 64 else None
            if above is None:
                return None
            text = _label_text(wire[1 : size + 1])
            if above[1]:
                text = f"{text}.{above[0]}"
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
        known = self[wire] = text, len(wire) - 1
        return known


whole_names = _WholeNames()


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
    `names` remembers what is behind each pointer, so a message costs linear time.
    """
    if offset + 1 < end:
        known = names.get(data[offset] << 8 | data[offset + 1])
        if known is not None:
            return known[0], offset + 2
    at, stop = offset, min(end, offset + 255)
    while at < stop:
        size = data[at]
        if size == 0:
            known = whole_names[data[offset : at + 1]]
            if known is None:
                break
            names[offset + POINTER] = known
            return known[0], at + 1
        if size > 63:
            tail = _behind(size << 8 | data[at + 1], data, offset, names) if at + 1 < end else None
            before = whole_names[data[offset:at] + b"\0"]
            if tail is None or before is None or before[1] + tail[1] > 254:
                break
            if before[1]:
                text = f"{before[0]}.{tail[0]}" if tail[1] else before[0]
                tail = text, before[1] + tail[1]
            names[offset + POINTER] = tail
            return tail[0], at + 2
        at += size + 1
    return _walk(data, offset, end, names, protocol, place)


def _behind(pointer: int, data: bytes, offset: int, names: Names) -> _Name | None:
    """What is behind a pointer in the name at `offset`, if that was seen or is remembered."""
    known = names.get(pointer)
    if known is None and 12 <= pointer - POINTER < offset:
        target = pointer - POINTER
        known = whole_names.get(data[target : data.find(0, target, target + 255) + 1])
        if known is not None:
            names[pointer] = known
    return known


def _walk(
    data: bytes, offset: int, end: int, names: Names, protocol: str, place: str
) -> tuple[str, int]:
    """`read_name` for pointers to where no name was seen to begin, and for what is wrong."""
    start = lowest = offset
    labels: list[bytes] = []
    length = 0
    after = -1
    targets: list[tuple[int, int, int]] = []
    known: _Name | None = None
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
        pointer = size << 8 | data[offset + 1]
        target = pointer - POINTER
        if after < 0:
            after = offset + 2
            end = len(data)
        if target >= lowest:
            raise DecodeError(protocol, f"{place} name", offset, f"pointer to {target}, not back")
        if target < 12:
            raise DecodeError(protocol, f"{place} name", offset, "pointer into the header")
        lowest = target
        known = names.get(pointer)
        if known is not None:
            if length + known[1] > 254:
                raise DecodeError(protocol, f"{place} name", offset, "longer than 255 bytes")
            break
        targets.append((pointer, len(labels), length))
        offset = target
    tail, tail_length = known or (".", 0)
    length += tail_length
    text = _text(labels, tail)
    names[start + POINTER] = text, length
    for pointer, index, before in targets:
        names[pointer] = _text(labels[index:], tail), length - before
    return text, offset if after < 0 else after


def _text(labels: list[bytes], tail: str) -> str:
    """The text of `labels` followed by the name whose text is `tail`."""
    texts = [_label_text(label) for label in labels]
    if tail != "." or not labels:
        texts.append(tail)
    return ".".join(texts)


def _label_text(label: bytes) -> str:
    """UTF-8 as it stands, all else escaped, so that no two labels have one text."""
    if not label.translate(None, _PLAIN):
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
