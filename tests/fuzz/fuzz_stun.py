"""Fuzz STUN, ChannelData, demultiplexing and candidate lines: `python tests/fuzz/fuzz_stun.py`.

Takes libFuzzer's options, such as `-max_total_time=60`. Whatever the bytes, a value or the one
decode error comes out; anything else is a crash, to be kept in tests/vectors/stun_hostile.tsv.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["pcapleak"]):
    from pcapleak.errors import DecodeError
    from pcapleak.protocols.candidate import find_candidates, format_candidate, parse_candidate
    from pcapleak.protocols.candidate_meaning import explain_candidate
    from pcapleak.protocols.demux import demultiplex
    from pcapleak.protocols.nested import nested_in
    from pcapleak.protocols.stun import StunMessage, decode_stun
    from pcapleak.protocols.turn import decode_channel_data
    from pcapleak.wording import message_fields, summarise

VIEWS = [name for name, view in vars(StunMessage).items() if isinstance(view, property)]


def try_stun(data: bytes) -> None:
    message = decode_stun(data)
    for name in VIEWS:
        getattr(message, name)
    assert isinstance(message.problems, tuple)
    nested_in(message)
    summarise(message)
    message_fields(message)


def try_channel_data(data: bytes) -> None:
    summarise(decode_channel_data(data))


def try_candidate(data: bytes) -> None:
    text = data.decode("latin-1")
    list(find_candidates(text))
    candidate = parse_candidate(text)
    assert parse_candidate(format_candidate(candidate)) == candidate
    explain_candidate(text)


def one_input(data: bytes) -> None:
    """What the tests replay too."""
    for attempt in (try_stun, try_channel_data, try_candidate):
        try:
            attempt(data)
        except DecodeError:
            continue
    demultiplex(data)
    # Most random bytes have no cookie: the same ones behind a sound header go deeper.
    if len(data) >= 2:
        header = data[:1] + data[1:2] + len(data[2:]).to_bytes(2, "big") + b"\x21\x12\xa4\x42"
        with contextlib.suppress(DecodeError):
            try_stun(header + bytes(12) + data[2:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
