"""Fuzz TCP reassembly and its readers: `python tests/fuzz/fuzz_streams.py`.

Takes libFuzzer's options, such as `-max_total_time=60`. The input is cut into segments of a
connection; events must not depend on how the segments are cut into batches.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["pcapleak"]):
    from stream_support import Talk, read

OPENINGS = (
    b"",
    b"\0\3\0\0\x21\x12\xa4\x42" + bytes(12),
    b"\x05\x01\x00",
    b"\x05\x01\x00\x01\xcb\x00\x71\x09\x01\xbb",
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0",
    b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c",
)


def one_input(data: bytes) -> None:
    provider = atheris.FuzzedDataProvider(data)
    talk = Talk(dport=provider.PickValueInList([53, 443, 9999]))
    if provider.ConsumeBool():
        talk.open()
    while provider.remaining_bytes() and len(talk.frames) < 60:
        way = provider.ConsumeIntInRange(0, 1)
        shift = provider.PickValueInList([0, 0, 0, 0, -7, 9, 2000])
        opening = OPENINGS[provider.ConsumeIntInRange(0, len(OPENINGS) - 1)]
        payload = opening + provider.ConsumeBytes(provider.ConsumeIntInRange(0, 200))
        captured = provider.PickValueInList([-1, -1, -1, 10])
        if payload:
            seq = None if not shift else (talk.seqs[way] + shift) & 0xFFFF_FFFF
            talk.add(way, payload, seq, captured=min(captured, len(payload)))
            talk.now += provider.PickValueInList([0, 0, 3_000_000_000])
    if talk.frames:
        whole, single = read(talk), read(talk, sizes=[1] * (len(talk.frames) - 1))
        assert repr(whole.events) == repr(single.events)
        assert whole.services == single.services


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
