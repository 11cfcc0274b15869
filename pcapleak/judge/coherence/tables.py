"""The embedded range tables: which country and network an address belongs to.

Built by `scripts/build_geo.py`, which describes the file format and the sources.
"""

from __future__ import annotations

import json
import zlib
from bisect import bisect_right
from functools import cache, lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pcapleak.values.packets import IPAddress, UInt32, UInt64


class RangeTable:
    """Ranges of addresses and what is known of each; unpacked a block at a time, as a run asks
    for a handful of addresses: whole, the three tables are 80 MB and a fifth of a second.
    """

    def __init__(self, data: bytes | mmap) -> None:
        self._data = data
        self._body = data.find(b"\n") + 1
        header = json.loads(data[: self._body])
        self.source: str = header["source"]
        self.licence: str = header["licence"]
        self.built: str = header["built"]
        """ISO date of the data."""
        self._width = int(header["width"])
        self._blocks: dict[int, list[tuple[int, int, int, int]]] = {
            int(version): [tuple(block) for block in blocks]
            for version, blocks in header["blocks"].items()
        }
        """First address, number of ranges, and place in the body; by IP version."""
        self._firsts = {
            version: [block[0] for block in blocks] for version, blocks in self._blocks.items()
        }
        self._labels: list[tuple[int, int]] = [tuple(block) for block in header["labels"]]

    def find(self, address: IPAddress) -> Any:
        """What is known of an address, None for nothing: a country's code, or the number and
        name of an autonomous system."""
        key = int(address) if address.version == 4 else int(address) >> 64
        number = bisect_right(self._firsts[address.version], key) - 1
        starts, values = self.block(address.version, number)
        row = int(np.searchsorted(starts, np.uint64(key), side="right")) - 1
        return self.label(int(values[row]))

    def label(self, number: int) -> Any:
        """What a label's number stands for."""
        return self._label_block(number // LABELS)[number % LABELS]

    def count(self, version: int) -> int:
        """Blocks of ranges of an IP version."""
        return len(self._blocks[version])

    @lru_cache(maxsize=64)  # noqa: B019  tables live as long as the program
    def block(self, version: int, number: int) -> tuple[UInt64, UInt32]:
        """Where a block's ranges start, IPv6 in units of /64, and the numbers of their labels."""
        first, count, at, size = self._blocks[version][number]
        data = self._unpack(at, size)
        width = 4 if version == 4 else 8
        steps = _planes(data, 0, count, width)
        values = _planes(data, count * width, count, self._width)
        return np.uint64(first) + np.cumsum(steps, dtype=np.uint64), values.astype(np.uint32)

    @lru_cache(maxsize=64)  # noqa: B019
    def _label_block(self, number: int) -> list[Any]:
        labels: list[Any] = json.loads(self._unpack(*self._labels[number]))
        return [tuple(label) if isinstance(label, list) else label for label in labels]

    def _unpack(self, at: int, size: int) -> bytes:
        start = self._body + at
        return zlib.decompress(self._data[start : start + size])


LABELS = 1024
"""Labels of a block."""

_DATA = Path(__file__).with_name("data")


@cache
def load_table(name: str) -> RangeTable:
    """One of the embedded tables (`country-user`, `country-dbip`, `asn`); kept once read."""
    with (_DATA / f"{name}.tbl").open("rb") as file:
        return RangeTable(mmap(file.fileno(), 0, access=ACCESS_READ))


def _planes(data: bytes, at: int, count: int, width: int) -> UInt64:
    """Numbers out of big-endian byte planes."""
    numbers = np.zeros((count, 8), np.uint8)
    for i in range(width):
        numbers[:, width - 1 - i] = np.frombuffer(data, np.uint8, count, at + i * count)
    return numbers.view("<u8").ravel().astype(np.uint64)


class Languages(NamedTuple):
    """Languages by tag (Unicode CLDR)."""

    shares: dict[str, dict[str, float]]
    """Territories and the percentage of their people who use it, as a second language too."""
    official: dict[str, list[str]]
    """Territories where it is official, by law or in fact, all over or in a region."""


@cache
def load_languages() -> Languages:
    """The embedded table of languages; kept once read."""
    packed = (_DATA / "languages.json.z").read_bytes()
    return Languages(**json.loads(zlib.decompress(packed)))
