"""IP fragments: put together in a first pass, so that a datagram is rewritten as a whole."""

from __future__ import annotations

from msgspec import Struct, field

from pcapleak.redact.draft import Draft

MAX_FRAGMENTS = 1 << 16
"""Fragments held, about 300 bytes each beside their own: 20 MB; later ones are blanked."""
MAX_BYTES = 32 << 20
"""Bytes of all of them."""

Key = tuple[int, int, bytes, bytes]
"""Interface, protocol, both addresses, identification."""


class Datagram(Struct):
    """Fragments that have one identification."""

    parts: dict[int, bytes] = field(default_factory=dict)
    """By offset in bytes."""
    held: int = 0
    last: int | None = None
    """The offset of the last fragment."""
    whole: bytes | None = None
    """All of it, where all is there once."""
    made: Draft | None = None
    """What the whole becomes."""
    written: int = 0
    """Fragments that were asked for in the second pass."""

    def join(self) -> None:
        """Put the parts together where they fit."""
        if self.last is None or self.held != self.last + len(self.parts[self.last]):
            return
        data = bytearray()
        for at in sorted(self.parts):
            if at != len(data):
                return
            data += self.parts[at]
        self.whole = bytes(data)

    def part(self, at: int) -> Draft:
        """What the fragment at an offset becomes: all but the last keep their length."""
        assert self.made is not None
        assert self.last is not None
        made = self.made
        made.append(bytes(max(self.last + 1 - len(made.out), 0)))
        stop = len(made.out) if at == self.last else at + len(self.parts[at])
        draft = Draft(bytes(stop - at))
        draft.out[:], draft.known[:] = made.out[at:stop], made.known[at:stop]
        return draft


class Fragments:
    """Datagrams by who sends them to whom."""

    def __init__(self) -> None:
        self._datagrams: dict[Key, list[Datagram]] = {}
        self._current: dict[Key, int] = {}
        self._count = self._bytes = 0

    def learn(self, key: Key, at: int, data: bytes, *, last: bool) -> bytes | None:
        """Keep a fragment in the first pass; gives the whole datagram when it ends one."""
        if self._count >= MAX_FRAGMENTS or self._bytes + len(data) > MAX_BYTES:
            return None
        datagrams = self._datagrams.setdefault(key, [Datagram()])
        if at in datagrams[-1].parts or datagrams[-1].whole is not None:
            datagrams.append(Datagram())
        datagram = datagrams[-1]
        datagram.parts[at] = data
        datagram.held += len(data)
        if last:
            datagram.last = at
        self._count += 1
        self._bytes += len(data)
        datagram.join()
        return datagram.whole

    def find(self, key: Key, at: int, data: bytes) -> Datagram | None:
        """In the second pass the datagram a fragment is of, where all of that is there."""
        datagrams = self._datagrams.get(key, [])
        number = self._current.get(key, 0)
        if number < len(datagrams) and datagrams[number].written == len(datagrams[number].parts):
            number += 1
            self._current[key] = number
        if number >= len(datagrams):
            return None
        datagram = datagrams[number]
        datagram.written += 1
        return datagram if datagram.whole is not None and datagram.parts.get(at) == data else None
