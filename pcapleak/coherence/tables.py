"""The embedded range tables: which country and network an address belongs to.

Built by `scripts/build_geo.py`, which describes the file format and the sources.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from pcapleak.model import IPAddress, UInt32, UInt64


@dataclass(frozen=True, slots=True)
class RangeTable:
    """Ranges of addresses and a label number for each; number 0 is `unknown`."""

    source: str
    licence: str
    built: str
    """ISO date of the data."""
    labels: list[Any]
    """By number: a country code, or an autonomous system's number and name."""
    starts: dict[int, UInt64]
    """By IP version; IPv6 in units of /64."""
    values: dict[int, UInt32]

    def find(self, address: IPAddress) -> Any:
        """The label of one address, None where there is none."""
        key = int(address) if address.version == 4 else int(address) >> 64
        numbers = self.find_many(address.version, np.array([key], np.uint64))
        return self.labels[int(numbers[0])]

    def find_many(self, version: int, keys: UInt64) -> UInt32:
        """Label numbers of many addresses: IPv4 as integers, IPv6 as their upper 64 bits."""
        rows = np.searchsorted(self.starts[version], keys, side="right") - 1
        return self.values[version][rows]


def load_table(name: str) -> RangeTable:
    """One of the embedded tables (`country-user`, `country-dbip`, `asn`); kept once read."""
    return _load(f"{name}.tbl")


@cache
def _load(name: str) -> RangeTable:
    packed = (files("pcapleak.coherence") / "data" / name).read_bytes()
    raw = zlib.decompress(packed)
    line, _, body = raw.partition(b"\n")
    header = json.loads(line)
    starts: dict[int, UInt64] = {}
    values: dict[int, UInt32] = {}
    at = 0
    width = int(header["width"])
    for version, count, start_width in zip((4, 6), map(int, header["counts"]), (4, 8), strict=True):
        steps = _planes(body, at, count, start_width)
        at += count * start_width
        starts[version] = np.cumsum(steps, dtype=np.uint64)
        values[version] = _planes(body, at, count, width).astype(np.uint32)
        at += count * width
    labels = header["labels"]
    if "names" in header:
        labels = list(zip(labels, header["names"].split("\n"), strict=True))
        labels[0] = None
    return RangeTable(header["source"], header["licence"], header["built"], labels, starts, values)


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
    packed = (files("pcapleak.coherence") / "data" / "languages.json.z").read_bytes()
    return Languages(**json.loads(zlib.decompress(packed)))
