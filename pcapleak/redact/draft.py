"""A message being rewritten: zeros, until somebody says what stands there."""

from __future__ import annotations


class Draft:
    """Bytes to be written in place of `source`, and which of them are accounted for.

    What nobody draws is zero. The search for what was forgotten looks at what was only kept.
    """

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.out = bytearray(len(source))
        self.known = bytearray(len(source))
        """1 where the byte was made here or is a number of the protocol; 0 where it was kept as
        it is and may hold anything."""

    def put(self, at: int, data: bytes) -> None:
        """Write something renamed or computed."""
        data = data[: max(len(self.out) - at, 0)]
        self.out[at : at + len(data)] = data
        self.known[at : at + len(data)] = b"\1" * len(data)

    def number(self, start: int, end: int) -> None:
        """Let the protocol's own numbers stand, which are no addresses."""
        self.put(start, self.source[start:end])

    def keep(self, start: int, end: int) -> None:
        """Let bytes stand as they are; the search looks at them."""
        data = self.source[start:end]
        self.out[start : start + len(data)] = data

    def keep_rest(self) -> None:
        """Let everything stand that nobody drew."""
        if len(self.out) == len(self.source):
            for at, byte in enumerate(self.source):
                if not (self.known[at] or self.out[at]):
                    self.out[at] = byte

    def blank_kept(self) -> None:
        """Let nothing stand that was only kept."""
        self.out[:] = bytes(
            a if known else 0 for a, known in zip(self.out, self.known, strict=True)
        )

    def draw(self, at: int, other: Draft) -> None:
        """Write a part of the same length that was drawn apart."""
        size = min(len(other.out), len(self.out) - at)
        self.out[at : at + size] = other.out[:size]
        self.known[at : at + size] = other.known[:size]

    def append(self, data: bytes, *, known: bool = True) -> None:
        """Write something renamed or computed at the end."""
        self.out += data
        self.known += (b"\1" if known else b"\0") * len(data)

    def extend(self, other: Draft) -> None:
        """Write a part at the end."""
        self.out += other.out
        self.known += other.known


Piece = tuple[int, Draft]
"""How many bytes of a stream, and what they become."""


def blank() -> Draft:
    """A draft that grows from nothing."""
    return Draft(b"")


def joined(first: Draft, second: Draft) -> Draft:
    """One part and then another."""
    draft = blank()
    draft.extend(first)
    draft.extend(second)
    return draft


def behind(
    data: bytes, size: int, inner: Draft, *, head: Draft | None = None, number: int = 0
) -> Draft:
    """`inner` behind a header of `size` bytes, given or drawn as numbers up to `number`."""
    if head is None:
        head = Draft(data[:size])
        head.number(0, number)
    return joined(head, inner)


def checksum(*parts: bytes) -> int:
    """The Internet checksum (RFC 1071) over the parts, each but the last of even length."""
    data = b"".join(parts)
    if len(data) % 2:
        data += b"\0"
    # The sum of 16-bit words in ones' complement is the whole number modulo 2**16 - 1, but that
    # only zeros give zero.
    number = int.from_bytes(data, "big")
    return ~(number % 0xFFFF or (0xFFFF if number else 0)) & 0xFFFF
