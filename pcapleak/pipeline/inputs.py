"""Opening what an analysis reads: page-side evidence, and what TLS hid."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pcapleak.capture import CaptureSource, open_timeline
from pcapleak.capture.decrypted import (
    MAX_KEYS,
    DecryptedText,
    holds_keys,
    read_decrypted,
    tshark_missing,
)
from pcapleak.errors import DecodeError, PcapleakError
from pcapleak.values.packets import Context, Direction

if TYPE_CHECKING:
    from pcapleak.decode.ice.page import PageCandidate, PageFacts


MAX_PAGE = 64 << 20
"""Bytes of a file of page-side evidence; webrtc-internals dumps have some megabytes."""


class Pages(NamedTuple):
    """What files of page-side evidence tell, by file."""

    candidates: dict[str, list[PageCandidate]]
    facts: dict[str, PageFacts]


def read_pages(paths: Iterable[str | Path]) -> Pages:
    """The candidates, time zones and languages that files of page-side evidence tell.

    A file is a reading of the page that `pcapleak page` writes, a webrtc-internals dump,
    about:webrtc text, getStats or RTCIceCandidate JSON, SDP, candidate lines, or anything that
    names a time zone or languages. Raises `PcapleakError` for one that cannot be read or tells
    nothing.
    """
    pages = Pages({}, {})
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_PAGE + 1)
        except OSError as error:
            raise PcapleakError(f"{path}: cannot be read ({error.strerror}); check it") from error
        if len(data) > MAX_PAGE:
            raise PcapleakError(f"{path}: is above {MAX_PAGE >> 20} MiB; give a part of it")
        candidates, facts = read_evidence(str(path), data)
        if candidates or facts.test is not None:
            pages.candidates[str(path)] = candidates
        pages.facts[str(path)] = facts
    return pages


def read_evidence(path: str, data: bytes) -> tuple[list[PageCandidate], PageFacts]:
    """What one file of page-side evidence tells. Raises `PcapleakError` as `read_pages` does."""
    from pcapleak.decode.ice.page import read_page, read_page_facts
    from pcapleak.decode.ice.reading import is_reading, parse_reading

    text = data.decode("utf-8", errors="replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if is_reading(document):
        try:
            return parse_reading(document)
        except DecodeError as error:
            raise PcapleakError(
                f"{path}: is no reading of the test page ({error.place}: {error.reason}); write "
                "the page anew with pcapleak page, and run it again"
            ) from error
    candidates, facts = read_page(text), read_page_facts(text)
    if not candidates and not any(facts):
        raise PcapleakError(
            f"{path}: holds no ICE candidate, time zone or language; give what the page of "
            "pcapleak page saved, a webrtc-internals dump, SDP, or lines"
        )
    return candidates, facts


def check_key_log(paths: Sequence[str | Path], key_log: str | Path | None) -> Path | None:
    """The key log, if it and what reads it are there.

    Raises `PcapleakError` where the file, or tshark, is missing, or a capture is a stream.
    """
    if key_log is None:
        return None
    if not Path(key_log).is_file():
        raise PcapleakError(f"{key_log}: no such key log; give the file that SSLKEYLOGFILE named")
    if tshark_missing():
        raise PcapleakError("--keylog needs tshark, which is not installed; install it")
    if "-" in map(str, paths):
        raise PcapleakError("--keylog needs a second reading; give a file instead of -")
    return Path(key_log)


Decrypted = tuple[Context, str, bytes]
"""Where a message was, the protocol that carried it inside TLS, and its text."""


def decrypt_signalling(
    sources: Sequence[CaptureSource], key_log: Path | None
) -> tuple[list[Decrypted], dict[int, str]]:
    """What `sources`, read to their ends, signalled inside TLS, and by source what hindered it.

    Captures without keys of their own are left alone unless there is a key log.
    """
    found: list[tuple[int, DecryptedText]] = []
    problems: dict[int, str] = {}
    for number, source in enumerate(sources):
        if key_log is None and not holds_keys(source.secrets):
            continue
        if source.path == "-" or tshark_missing():
            needed = "a file instead of a stream" if source.path == "-" else "tshark"
            problems[number] = f"TLS secrets are in the capture; to read signalling needs {needed}"
            continue
        if source.secret_lines > MAX_KEYS:
            problems[number] = (
                f"TLS secrets in the capture have {source.secret_lines:,} lines, more than "
                f"{MAX_KEYS:,}: signalling was not read; take them out with editcap "
                "--discard-all-secrets, and give the keys that matter with --keylog"
            )
            continue
        decrypted = read_decrypted(source.path, key_log)
        found += [(number, text) for text in decrypted.texts]
        if decrypted.problem is not None:
            problems[number] = decrypted.problem
    frames = _merged_frames(sources, found) if len(sources) > 1 else {}
    return [
        (_context(sources, number, text, frames), text.channel, text.text) for number, text in found
    ], problems


def _context(
    sources: Sequence[CaptureSource],
    number: int,
    text: DecryptedText,
    frames: dict[tuple[int, int], int],
) -> Context:
    own = [
        each.id for each in sources[0].interfaces if each.capture == number and each.parent is None
    ]
    return Context(
        frame=frames.get((number, text.frame), text.frame),
        ts_ns=text.ts_ns,
        interface=own[min(text.interface, len(own) - 1)],
        direction=Direction.UNKNOWN,
        transport=text.transport,
        source=text.source,
        destination=text.destination,
        flow=-1,
        forward=True,
        layers=("tls",),
    )


def _merged_frames(
    sources: Sequence[CaptureSource], found: Sequence[tuple[int, DecryptedText]]
) -> dict[tuple[int, int], int]:
    """The numbers on the common timeline of frames known by source and their number in it."""
    wanted = {
        number: sorted({text.frame for at, text in found if at == number}) for number, _ in found
    }
    frames: dict[tuple[int, int], int] = {}
    if not wanted:
        return frames
    with open_timeline([source.path for source in sources]) as (again, batches):
        seen = dict.fromkeys(wanted, 0)
        for batch in batches:
            capture = np.array([each.capture for each in again[0].interfaces])[batch.interface]
            for number, own in wanted.items():
                merged = batch.frame[capture == number]
                first, seen[number] = seen[number], seen[number] + len(merged)
                for frame in own:
                    if first < frame <= seen[number]:
                        frames[number, frame] = int(merged[frame - first - 1])
    return frames
