"""TCP streams rewritten as wholes, because names and addresses in text change their length.

A first pass collects what each direction said; then each is cut into pieces, a piece is the
bytes it was and the bytes it becomes, and every segment takes from the new stream what lies
where its old bytes lay. Sequence and acknowledgement numbers move with them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from pcapleak.redact.datagrams import Datagrams
from pcapleak.redact.draft import Draft, Piece
from pcapleak.redact.names import Renamer
from pcapleak.redact.stream_text import opening_wanted, redact_dialogue, resumes

MAX_HALF = 1 << 20
"""Bytes of one direction that are read; handshakes and signalling come first."""
MAX_BYTES = 64 << 20
"""Bytes of all directions together; what comes later is blanked."""
MAX_HALVES = 1 << 17
"""Directions: about 400 bytes each beside their bytes, so 50 MB."""
_MAX_WAITING = 64
"""Segments ahead of a gap, after which what is missing there counts as lost."""
_MAX_GAPS = 256
"""Gaps in one direction; what comes after the last is blanked."""
_MAX_STARTS = 4096
"""Segments after a gap that may begin something; of 1 MB of full ones there are 700."""
_MAX_SEGMENT = 65000
"""Bytes a segment may grow to, as an IP packet has 65,535; what is beyond is lost."""
_KEPT_TCP_OPTIONS = frozenset((2, 3, 4, 5, 8))
"""Sizes, scale, selective acknowledgements and timestamps; MPTCP's hold addresses."""
_TIMESTAMPS = 8
_MODULUS = 1 << 32

Key = tuple[int, bytes, bytes]
"""Interface, sender with port, receiver with port."""


class Half:
    """One direction of one connection."""

    __slots__ = ("_waiting", "base", "data", "draft", "gaps", "new", "old", "opened", "starts")

    def __init__(self, base: int, *, opened: bool) -> None:
        self.base = base
        """Sequence number of the first byte."""
        self.opened = opened
        """Its SYN was seen."""
        self.data = bytearray()
        self.gaps: list[tuple[int, int]] = []
        """From where to where bytes were lost: zeros stand there."""
        self.starts: list[int] = []
        """Where segments begin after the first gap."""
        self._waiting: dict[int, bytes] = {}
        self.draft = Draft(b"")
        self.old = array("q", (0,))
        """Where pieces begin and the last ends, before: those next to each other that keep their
        length are one. The shortest have 2 bytes and cost 16, so at worst 8 times the stream."""
        self.new = array("q", (0,))

    def place(self, seq: int) -> int:
        """The position of a sequence number, negative before the first byte."""
        return (seq - self.base + _MODULUS // 2) % _MODULUS - _MODULUS // 2

    def take(self, seq: int, data: bytes) -> int:
        """Keep a segment; gives how many more bytes are held."""
        at, before = self.place(seq), len(self.data)
        held = 0
        if at > before:
            if at < MAX_HALF and at not in self._waiting:
                self._waiting[at] = data
                held = len(data)
            if len(self._waiting) <= _MAX_WAITING:
                return held
            held -= self._lose()
        else:
            self._append(at, data)
        held -= self._follow()
        return held + len(self.data) - before

    def end(self, *, room: bool) -> int:
        """No more segments come: what is missing is lost, or all behind it if there is no more
        room. Gives how many more bytes are held."""
        before = len(self.data)
        held = 0
        while self._waiting and room:
            held -= self._lose() + self._follow()
        self._waiting.clear()
        return held + len(self.data) - before

    def _lose(self) -> int:
        """Go on behind a gap; gives the size of what will not be read any more."""
        if len(self.gaps) >= _MAX_GAPS:
            size = sum(map(len, self._waiting.values()))
            self._waiting.clear()
            return size
        at = min(self._waiting)
        self.gaps.append((len(self.data), at))
        self.data += bytes(at - len(self.data))
        return 0

    def _follow(self) -> int:
        """Take what waited for what came; gives its size."""
        size = 0
        while self._waiting:
            first = min(self._waiting)
            if first > len(self.data):
                break
            data = self._waiting.pop(first)
            size += len(data)
            self._append(first, data)
        return size

    def _append(self, at: int, data: bytes) -> None:
        if 0 <= len(self.data) - at < len(data) and len(self.data) < MAX_HALF:
            if self.gaps and len(self.starts) < _MAX_STARTS:
                self.starts.append(len(self.data))
            self.data += data[len(self.data) - at :]

    def runs(self) -> Iterator[tuple[int, int, list[int]]]:
        """From where to where no byte is missing, and where segments begin there."""
        start = 0
        for gap, after in [*self.gaps, (len(self.data), len(self.data))]:
            yield start, gap, [at for at in self.starts if start <= at < gap]
            start = after

    def settle(self, pieces: Iterable[Piece]) -> None:
        """Take what the stream becomes."""
        same = False
        for size, draft in pieces:
            self.draft.extend(draft)
            before, same = same, size == len(draft.out)
            if same and before:
                self.old[-1] += size
                self.new[-1] += size
            else:
                self.old.append(self.old[-1] + size)
                self.new.append(len(self.draft.out))

    def moved(self, at: int) -> int:
        """Where the byte at a position is afterwards. The last byte of a piece stays its last,
        so that a message is whole when it was."""
        if at <= 0:
            return at
        index = bisect_right(self.old, at) - 1
        if index == len(self.old) - 1:
            return self.new[-1] + at - self.old[-1]
        size = self.new[index + 1] - self.new[index]
        return self.new[index] + min(at - self.old[index], max(size - 1, 0))

    def segment(
        self, at: int, data: bytes, declared: int, *, keep: bool = False
    ) -> tuple[Draft, int]:
        """What a segment at a position becomes, and how much longer it is on the wire. With
        `keep` what no piece covers stays."""
        start = self.moved(at)
        end = min(self.moved(at + declared), start + max(declared, _MAX_SEGMENT))
        grown = end - start - declared
        draft = Draft(bytes(max(len(data) + grown, 0)))
        if start >= 0:
            part = slice(start, min(end, start + len(draft.out)))
            size = len(self.draft.out[part])
            draft.out[:size] = self.draft.out[part]
            draft.known[:size] = self.draft.known[part]
        if keep:
            behind = max(self.old[-1] - at, 0)
            place = self.moved(at + behind) - start
            kept = data[behind : behind + max(len(draft.out) - place, 0)]
            draft.out[place : place + len(kept)] = kept
        return draft, grown


class Streams:
    """All directions, by who sends to whom; a new SYN begins another of the same name."""

    def __init__(self, datagrams: Datagrams) -> None:
        self._datagrams = datagrams
        self._halves: dict[Key, list[Half]] = {}
        self._current: dict[Key, int] = {}
        self._count = self._bytes = 0
        self._ignored: set[int] = set()
        self.learning = True

    def half(self, key: Key, seq: int, flags: int, size: int) -> Half | None:
        """The direction a segment belongs to."""
        halves = self._halves.get(key)
        syn = bool(flags & 2)
        first = (seq + syn) % _MODULUS
        if halves is None:
            if not self.learning or not (syn or size) or self._count >= MAX_HALVES:
                return None
            self._count += 1
            self._halves[key] = [Half(first, opened=syn)]
            return self._halves[key][0]
        at = self._current.get(key, 0)
        if syn and halves[at].base != first:
            if self.learning and self._count < MAX_HALVES:
                self._count += 1
                halves.append(Half(first, opened=True))
            self._current[key] = min(at + 1, len(halves) - 1)
            at = self._current[key]
        return halves[at]

    def learn(self, half: Half, seq: int, data: bytes, ports: tuple[int, int]) -> None:
        """Collect a segment in the first pass."""
        if id(half) in self._ignored or self._bytes > MAX_BYTES:
            return
        self._bytes += half.take(seq, data)
        if len(half.data) >= 16 and not opening_wanted(half.data, ports):
            self._bytes -= len(half.data)
            half.data.clear()
            self._ignored.add(id(half))

    def read(self) -> None:
        """The first pass is over: learn what streams alone say."""
        for _, pieces in self._rewritten():
            for _ in pieces:
                pass

    def rewrite(self) -> None:
        """Everything is learned: say what each direction becomes."""
        for half, pieces in self._rewritten():
            half.settle(pieces)
        for halves in self._halves.values():
            for half in halves:
                half.data.clear()
        self._current.clear()
        self.learning = False

    def _rewritten(self) -> Iterator[tuple[Half, Iterator[Piece]]]:
        for key, halves in self._halves.items():
            others = self._halves.get((key[0], key[2], key[1]), [])
            ports = (int.from_bytes(key[1][-2:], "big"), int.from_bytes(key[2][-2:], "big"))
            for number, half in enumerate(halves):
                peer = bytes(others[number].data) if number < len(others) else b""
                yield half, self._pieces(half, peer, ports)

    def _pieces(self, half: Half, peer: bytes, ports: tuple[int, int]) -> Iterator[Piece]:
        """One direction; after a gap, from the first segment on that begins something."""
        self._bytes += half.end(room=self._bytes < MAX_BYTES)
        at = 0
        for start, end, begins in half.runs():
            for begin in begins if start else (0,):
                data = bytes(half.data[begin:end])
                if not start or resumes(data, ports):
                    if begin > at:
                        yield begin - at, Draft(bytes(begin - at))
                    yield from redact_dialogue(self._datagrams, data, peer, ports)
                    at = end
                    break


def redact_options(head: Draft, renamer: Renamer, *, shifted: bool) -> None:
    """Keep the options of a TCP header that name nobody, with timestamps moved, which tell how
    long a host runs; blocks of a selective acknowledgement go
    where the stream it is about has moved."""
    data, at = head.source, 20
    while at < len(data):
        kind = data[at]
        size = 1 if kind < 2 else data[at + 1] if at + 1 < len(data) else 0
        if not 0 < size <= len(data) - at:
            head.put(at, bytes(len(data) - at))
            return
        if kind < 2 or (kind in _KEPT_TCP_OPTIONS and not (kind == 5 and shifted)):
            head.number(at, at + size)
            if kind == _TIMESTAMPS and size == 10:
                for start in (at + 2, at + 6):
                    head.put(start, renamer.shifted(data[start : start + 4]))
        else:
            head.put(at, b"\1" * size)
        at += size
