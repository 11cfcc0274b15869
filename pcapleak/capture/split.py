"""Cuts a large capture into parts that can be read at the same time."""

from __future__ import annotations

from pathlib import Path
from struct import Struct
from typing import Final

import numpy as np

from pcapleak.capture.pcap import HEADER, MAGICS, MAX_NETWORK_RECORD, Magic
from pcapleak.capture.pcapng import SECTION_MAGIC, block_framing
from pcapleak.capture.source import SMALL, Part
from pcapleak.capture.walk import walk_scalar
from pcapleak.values.packets import Bytes

SEARCH: Final = 1 << 18
"""Bytes looked at behind each wished-for cut: four of the longest records of a network."""
PIECE: Final = 1 << 14
"""Bytes looked at together: mostly the first few hold a record's start."""
PROOF: Final = 64
"""Records in a row that must make sense before a cut is proposed."""
YEAR_S: Final = 366 * 86_400


def split_capture(path: str | Path, parts: int) -> list[Part]:
    """At most `parts` byte ranges that cover the file, each starting at a record; a single one
    where the capture is small, compressed, no regular file or of a format that cannot be cut.

    The starts are found by what record headers look like, so they are only almost surely
    right. Reading proves them: after `open_capture(path, part=part)` is read, each source must
    be `placeless`, and each but the last not `truncated` (it ended exactly where the next one
    starts). Where one is otherwise, read the file whole. Raises `OSError`.
    """
    name = Path(path)
    size = name.stat().st_size if name.is_file() else 0
    starts = [0]
    if size > SMALL:
        step = max(size // parts, SMALL) & ~3
        with name.open("rb") as file:
            head = file.read(HEADER + 4)
            for wished in range(step, size - step // 2, step):
                file.seek(wished)
                found = _record_start(head, np.frombuffer(file.read(SEARCH), np.uint8))
                if found is not None and wished + found < size:
                    starts.append(wished + found)
    return [Part(*bounds) for bounds in zip(starts, [*starts[1:], size], strict=True)]


def _record_start(head: bytes, data: Bytes) -> int | None:
    magic = MAGICS.get(head[:4])
    if magic is not None:
        return _pcap_start(head, data, magic)
    if head.startswith(SECTION_MAGIC):
        return _pcapng_start(data, little=head[8:9] == b"\x4d")
    return None


def _pcap_start(head: bytes, data: Bytes, magic: Magic) -> int | None:
    """The first place where a run of records begins that all look right."""
    order = "<" if magic.little else ">"
    count = len(data) - 15
    ticks = 1_000_000_000 // magic.tick_ns
    first_s = int.from_bytes(head[HEADER:], "little" if magic.little else "big")
    fields = Struct(f"{order}4I").unpack_from
    view = data.data

    def proven(start: int) -> bool:
        at, run = start, 0
        while run < PROOF and at < count:
            seconds, fraction, captured, original = fields(view, at)
            if captured > MAX_NETWORK_RECORD or captured > original or fraction >= ticks:
                return False
            if abs(seconds - first_s) >= YEAR_S:
                return False
            at += magic.record + captured
            run += 1
        return run == PROOF or run > 1

    words = np.ndarray((max(count, 0), 4), f"{order}u4", data, 0, (1, 4))
    for piece in range(0, count, PIECE):
        seconds, fraction, captured, original = words[piece : piece + PIECE].T
        likely = (captured <= MAX_NETWORK_RECORD) & (captured <= original) & (fraction < ticks)
        likely &= np.abs(seconds.astype(np.int64) - first_s) < YEAR_S
        for start in np.flatnonzero(likely).tolist():
            if proven(piece + start):
                return int(piece + start)
    return None


def _pcapng_start(data: Bytes, *, little: bool) -> int | None:
    """The first packet block from which a run of blocks goes on."""
    framing = block_framing(little=little)
    assert framing.find is not None
    chunk = data.tobytes()
    start = framing.find(chunk, 0)
    while start >= 0:
        heads, after = walk_scalar(data, start, len(data), framing)
        if len(heads) >= PROOF or (len(heads) > 1 and after + framing.longest > len(data)):
            return start
        start = framing.find(chunk, start + 4)
    return None
