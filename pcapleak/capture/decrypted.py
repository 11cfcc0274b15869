"""What TLS and QUIC hid, where key logs open it: tshark's reading, by way of pyshark.

pyshark runs an event loop of its own, which breaks the loop of a caller that has one (a
notebook), so it runs in a thread of its own; in XML mode, since its JSON loses the repeated
parts of HTTP/2.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pcapleak.values.packets import Endpoint

if TYPE_CHECKING:
    from pyshark.packet.packet import Packet

MAX_TEXTS = 10_000
MAX_BYTES = 64 << 20
"""Texts kept: a call has some dozens, of 1 to 20 kB."""
MAX_PARTS = 64
"""Texts of one packet: a message as a whole, or each string of one that was compressed."""
MAX_CLAIMS = 256
"""Different header fields kept: at most 16 kB each, so 4 MB."""

_CHANNELS = ("websocket", "http2", "http3", "http", "sip")
_FILTER = f"(ip || ipv6) && (tcp || udp) && (tls || quic) && ({' || '.join((*_CHANNELS, 'sdp'))})"
_PREFERENCES = {"tcp.reassemble_out_of_order": "TRUE"}

_COMPLAINT = re.compile(r"tshark: [^\n]{1,200}")

_MARKS = (b"candidate".hex(), b"ice-pwd".hex())
"""What descriptions hold: an offer may have no candidate yet, but always a password."""

CLAIMS = {
    "http.accept_language": "accept-language",
    "http2.headers.accept_language": "accept-language",
    "http.user_agent": "user-agent",
    "http2.headers.user_agent": "user-agent",
}
"""Header fields by which a browser tells of its user, and the channel they are given as."""


class DecryptedText(NamedTuple):
    """A message that describes an ICE agent, or a header field of `CLAIMS`, as it was before
    encryption."""

    frame: int
    """Number in its file, from 1."""
    ts_ns: int
    interface: int
    """Number of the interface in its file, from 0."""
    transport: str
    source: Endpoint
    destination: Endpoint
    channel: str
    """websocket, http2, http3, http or sip; or the name of the header field"""
    text: bytes


class Decrypted(NamedTuple):
    """The texts of one file, and why there may be more."""

    texts: list[DecryptedText]
    problem: str | None


def tshark_missing() -> bool:
    """Whether there is no tshark to decrypt by."""
    return shutil.which("tshark") is None


def read_decrypted(path: str, key_log: Path | None) -> Decrypted:
    """The decrypted messages of the capture at `path` that describe ICE agents, and the first
    of each kind of claim.

    `key_log` is a file in the format of SSLKEYLOGFILE; secrets inside a pcapng are used anyway.
    tshark must be there.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="tshark") as worker:
        return worker.submit(_read, path, key_log).result()


def _read(path: str, key_log: Path | None) -> Decrypted:
    import asyncio

    import pyshark
    from pyshark.capture.capture import TSharkCrashException

    class Capture(pyshark.FileCapture):  # type: ignore[misc]
        async def _cleanup_subprocess(self, process: asyncio.subprocess.Process) -> None:
            # Killing a child that has just ended reaps it before asyncio does, which complains.
            if self._eof_reached:
                await process.wait()
            await super()._cleanup_subprocess(process)

    preferences = dict(_PREFERENCES)
    if key_log is not None:
        preferences["tls.keylog_file"] = str(key_log.resolve())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    capture = Capture(
        str(Path(path).resolve()),
        display_filter=_FILTER,
        keep_packets=False,
        override_prefs=preferences,
        custom_parameters=["-n"],
        eventloop=loop,
    )
    texts: list[DecryptedText] = []
    size = 0
    problem = None
    claimed: set[tuple[str, str, str]] = set()
    try:
        for packet in capture:
            for name, value in _claims(packet):
                claim = _message(packet, value.encode())._replace(channel=name)
                key = (str(claim.source.address), name, value)
                if key not in claimed and len(claimed) < MAX_CLAIMS:
                    claimed.add(key)
                    texts.append(claim)
            for text in _texts(packet):
                size += len(text)
                if len(texts) >= MAX_TEXTS or size > MAX_BYTES:
                    return Decrypted(texts, "decrypted signalling was read in part: too much of it")
                texts.append(_message(packet, text))
    except TSharkCrashException as error:
        problem = _complaint(str(error))
    finally:
        with suppress(TSharkCrashException):
            capture.close()
        capture._running_processes.clear()  # or its finaliser wants the closed loop
        loop.close()
    return Decrypted(texts, problem)


def _complaint(error: str) -> str | None:
    """What tshark itself said. pyshark takes it for crashed also where it ended by itself just
    before it was to be stopped, and where the capture is cut short, which its reader tells."""
    said = _COMPLAINT.search(error)
    if said is None or "cut short" in said[0]:
        return None
    return f"decryption ended early: {said[0]}"


def _claims(packet: Packet) -> Iterator[tuple[str, str]]:
    """Header fields by which the sender tells of itself."""
    for layer in packet.layers:
        if layer.layer_name in ("http", "http2"):
            for field in layer._get_all_fields_with_alternates():
                if field.name in CLAIMS and field.show:
                    yield CLAIMS[field.name], str(field.show)


def _texts(packet: Packet) -> Iterator[bytes]:
    """What of a packet describes an ICE agent; parts of another such part are left out.

    tshark shows a message again and again, whole and in its parts, as hexadecimal.
    """
    found = {
        bytes.fromhex(value)
        for layer in packet.layers
        for field in layer._get_all_fields_with_alternates()
        if (value := field.raw_value)
        and len(value) % 2 == 0
        and any(mark in value.lower() for mark in _MARKS)
    }
    kept: list[bytes] = []
    for text in sorted(found, key=lambda text: (-len(text), text))[:MAX_PARTS]:
        if not any(text in longer for longer in kept):
            kept.append(text)
            yield text


def _message(packet: Packet, text: bytes) -> DecryptedText:
    names = [layer.layer_name for layer in packet.layers]
    network = next(each for each in reversed(packet.layers) if each.layer_name in ("ip", "ipv6"))
    transport = next(each for each in reversed(packet.layers) if each.layer_name in ("tcp", "udp"))
    seconds, _, fraction = str(packet.sniff_timestamp).partition(".")
    return DecryptedText(
        frame=int(packet.number),
        ts_ns=int(seconds) * 1_000_000_000 + int(f"{fraction:0<9}"[:9]),
        interface=int(packet.frame_info.get_field_value("interface_id") or 0),
        transport=transport.layer_name,
        source=Endpoint(ip_address(network.src), int(transport.srcport)),
        destination=Endpoint(ip_address(network.dst), int(transport.dstport)),
        channel=_channel(names),
        text=text,
    )


def _channel(layers: Iterable[str]) -> str:
    return next((name for name in _CHANNELS if name in layers), "http")
