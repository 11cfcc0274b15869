"""Redaction leaves nobody's name in any odd place, by a search that shares nothing with it."""

from __future__ import annotations

import base64
import itertools
import struct
import zlib
from pathlib import Path

import odd_places
import pytest
from capture_files import Pcapng
from odd_places import ADDRESS, ADDRESS6, FOUR, MAC, NAME, SECRET, SIX

from pcapleak.redact import redact_capture

KEY = bytes(range(32))
COOKIE = b"\x21\x12\xa4\x42"
ENOUGH = 5
"""Bytes of a form below which it is looked for only where it is an address's own."""


def needles() -> dict[str, bytes]:
    """Everything that must not be left, by its form."""
    found: dict[str, bytes] = {}
    for name, raw in (("IPv4", FOUR), ("IPv6", SIX), ("hardware", MAC)):
        ways = {"": raw, " reversed": raw[::-1]}
        for way, data in ways.items():
            found[name + way] = data
            found[f"{name}{way} in hexadecimal"] = data.hex().encode()
        found[f"{name} with colons"] = raw.hex(":").encode()
        found[f"{name} with dashes"] = raw.hex("-").encode()
    found["IPv4 XORed"] = bytes(a ^ b for a, b in zip(FOUR, COOKIE, strict=True))
    key = COOKIE + b"q" * 12
    found["IPv6 XORed"] = bytes(a ^ b for a, b in zip(SIX, key, strict=True))
    found["IPv4 in letters"] = ADDRESS.encode()
    found["IPv4 backwards"] = ".".join(ADDRESS.split(".")[::-1]).encode()
    found["IPv4 as a number"] = str(int.from_bytes(FOUR, "big")).encode()
    found["IPv4 as a number the other way"] = str(int.from_bytes(FOUR, "little")).encode()
    found["IPv6 in letters"] = ADDRESS6.encode()
    found["IPv6 nibble by nibble"] = ".".join(SIX.hex()[::-1]).encode()
    found["IPv6 in labels"] = b"\1" + b"\1".join(bytes([ord(c)]) for c in SIX.hex()[::-1])
    for name, word in (("name", NAME.encode()), ("secret", SECRET.encode())):
        found[name] = word
        found[f"{name} backwards"] = word[::-1]
        found[f"{name} in hexadecimal"] = word.hex().encode()
        found[f"{name} in wide letters"] = word.decode().encode("utf-16-le")
    for name, raw in (("IPv4", FOUR), ("IPv6", SIX), ("hardware", MAC), ("name", NAME.encode()),
                      ("IPv4's letters", ADDRESS.encode())):  # fmt: skip
        for lead in range(3):
            packed = base64.b64encode(bytes(lead) + raw)
            # Of the first and last group only what no neighbour changes.
            start, stop = (0, 2, 3)[lead], len(packed) - (0, 3, 2)[(lead + len(raw)) % 3]
            if stop - start >= ENOUGH:
                found[f"{name} in base64, {lead} on"] = packed[start:stop]
    return found


NEEDLES = needles()


def unpacked(data: bytes) -> bytes:
    """The data, and what is packed in it, whoever packed it."""
    parts = [data]
    for at in range(len(data) - 1):
        if data[at : at + 2] == b"\x1f\x8b" or data[at : at + 1] == b"\x78":
            for bits in (31, 15):
                try:
                    parts.append(zlib.decompressobj(bits).decompress(data[at:], 1 << 16))
                except zlib.error:
                    continue
    # Masks of WebSocket frames, each of which follows its length.
    for at in range(len(data) - 8):
        if data[at] in (0x81, 0x82, 0x88) and data[at + 1] & 0x80:
            skip = 4 if data[at + 1] == 0xFE else 2
            mask, rest = data[at + skip : at + skip + 4], data[at + skip + 4 :]
            parts.append(bytes(a ^ b for a, b in zip(rest, itertools.cycle(mask), strict=False)))
    return b"\xff\xff".join(parts)


def left(data: bytes) -> list[str]:
    text = unpacked(data)
    low = text.lower()
    return [
        form
        for form, needle in NEEDLES.items()
        if needle in text or (len(needle) > ENOUGH and needle.lower() in low)
    ]


def packets(path: Path) -> list[bytes]:
    """The packets of a little-endian pcapng, read block by block."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 6:
            (length,) = struct.unpack_from("<I", data, at + 20)
            found.append(data[at + 28 : at + 28 + length])
        at += size
    return found


@pytest.fixture(scope="module")
def library() -> list[tuple[str, bytes]]:
    return list(odd_places.frames())


def write(path: Path, frames: list[tuple[str, bytes]]) -> None:
    build = Pcapng()
    blocks = [
        build.section((3, f"of {NAME}".encode()), (4, NAME.encode())),
        build.interface(
            1,
            0,
            (2, b"enx" + MAC.hex().encode()),
            (3, NAME.encode()),
            (4, FOUR + b"\xff" * 4),
            (5, SIX + b"\x40"),
            (6, MAC),
            (11, b"\0host " + ADDRESS.encode()),
            (12, NAME.encode()),
            (1, ADDRESS.encode()),
        ),
        build.block(4, struct.pack("<HH", 1, 4 + len(NAME) + 1) + FOUR + NAME.encode() + bytes(8)),
        build.block(0xBAD, struct.pack("<I", 7) + NAME.encode()),
    ]
    for number, (_, frame) in enumerate(frames):
        comment = (1, f"{NAME} at {ADDRESS}".encode())
        blocks.append(build.packet(frame, number * 1000, 0, *[comment] * (number % 50 == 0)))
    path.write_bytes(b"".join(blocks))


def test_the_library_is_large_and_holds_what_is_looked_for(
    library: list[tuple[str, bytes]],
) -> None:
    telling = {place for place, frame in library if left(frame[14:])}
    assert len({place for place, _ in library}) > 1000
    assert len(telling) > 1000
    assert {form for _, frame in library for form in left(frame)} > {
        "IPv4", "IPv4 reversed", "IPv6", "IPv6 XORed", "hardware", "name",
        "IPv4 in hexadecimal", "IPv4 as a number", "IPv4 in base64, 0 on",
    }  # fmt: skip


def test_nothing_is_left_in_any_odd_place(library: list[tuple[str, bytes]], tmp_path: Path) -> None:
    before, after = tmp_path / "before.pcapng", tmp_path / "after.pcapng"
    write(before, library)
    redact_capture(before, after, KEY)
    written = packets(after)
    assert len(written) == len(library)
    found = {
        place: forms
        for (place, _), frame in zip(library, written, strict=True)
        if (forms := left(frame))
    }
    assert not found
    assert not left(after.read_bytes())
