"""What TLS and QUIC hid, where key logs open it: tshark's reading, by way of pyshark.

The capture is a stranger's, and so may be the secrets in it: a process of its own reads it, with
bounds on its time and memory, and on no more packets than describe ICE agents or their users. In
XML mode, since pyshark's JSON loses the repeated parts of HTTP/2.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, NamedTuple

from pcapleak.values.packets import Endpoint

if TYPE_CHECKING:
    from pyshark.packet.fields import LayerField
    from pyshark.packet.layers.xml_layer import XmlLayer
    from pyshark.packet.packet import Packet

MAX_TEXTS = 10_000
MAX_BYTES = 64 << 20
"""Texts kept: a call has some dozens, of 1 to 20 kB."""
MAX_PACKETS = 20_000
"""Packets read that may describe an agent or name a browser."""
MAX_SECONDS = 60
MAX_MEMORY = 2 << 30
"""What reading may take: of processor time each, and in all by the clock; of address space, of
which tshark's libraries are a third."""
MAX_KEYS = 20_000
"""Lines of keys that a capture may hold: tshark keeps keys by a hash that anybody can make collide,
so that it takes 3 s for as many, and for twice as many four times as long. Logs of browsers have
five lines a connection. What `--keylog` names is the user's own."""
MAX_PARTS = 64
"""Texts of one packet: a message as a whole, or each string of one that was compressed."""
MAX_CLAIMS = 256
"""Different header fields kept: at most 16 kB each, so 4 MB."""

_CHANNELS = ("websocket", "http2", "http3", "http", "sip")
_BODIES = (
    "websocket.payload.text", "websocket.payload.unknown", "websocket.payload.continue",
    "http.file_data", "http2.data.data", "http2.body.reassembled.data", "http3.frame_payload",
    "json.value.string", "data.data",
)  # fmt: skip
"""tshark's fields that hold a message."""
_PREFERENCES = {"tcp.reassemble_out_of_order": "TRUE"}

_COMPLAINT = re.compile(r"tshark: [^\n]{1,200}")

_WORDS = ("candidate", "ice-pwd")
"""What descriptions hold: an offer may have no candidate yet, but always a password."""
_MARKS = tuple(word.encode().hex() for word in _WORDS)

_DESCRIBES = [f'{field} contains "{mark}"' for field in _BODIES for mark in _WORDS]
CLAIMS = {
    "http.accept_language": "accept-language",
    "http2.headers.accept_language": "accept-language",
    "http.user_agent": "user-agent",
    "http2.headers.user_agent": "user-agent",
}
"""Header fields by which a browser tells of its user, and the channel they are given as."""

_WANTED = " || ".join(("sdp", "sip", "xmpp", *_DESCRIBES, *CLAIMS))
_FILTER = f"(ip || ipv6) && (tcp || udp) && (tls || quic) && ({_WANTED})"


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


_KEY_LINE = re.compile(rb"^[A-Z][A-Z0-9_]+ [0-9A-Fa-f]{64} [0-9A-Fa-f]{32,}\s*$", re.MULTILINE)
"""A line of SSLKEYLOGFILE: a label, the client's random, a secret."""


def holds_keys(secrets: Iterable[bytes]) -> bool:
    """Whether one of a capture's key logs has a key: nothing else starts tshark unasked."""
    return any(_KEY_LINE.search(one) for one in secrets)


def tshark_missing() -> bool:
    """Whether there is no tshark to decrypt by."""
    return shutil.which("tshark") is None


def read_decrypted(path: str, key_log: Path | None) -> Decrypted:
    """The decrypted messages of the capture at `path` that describe ICE agents, and the first
    of each kind of claim.

    `key_log` is a file in the format of SSLKEYLOGFILE; secrets inside a pcapng are used anyway.
    tshark must be there.
    """
    here = Path(__file__).resolve().parents[2]
    found = os.environ.get("PYTHONPATH")
    command = [sys.executable, "-P", "-m", __name__, str(Path(path).resolve())]
    command += [] if key_log is None else [str(key_log.resolve())]
    texts: list[DecryptedText] = []
    ended = False
    problem: str | None = None
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{found}" if found else str(here)},
        start_new_session=True,
    ) as reader:
        assert reader.stdout is not None
        timer = Timer(MAX_SECONDS, _end, (reader,))
        timer.start()
        try:
            for line in reader.stdout:
                if not line.endswith(b"\n"):
                    break
                told = json.loads(line)
                if isinstance(told, dict):
                    ended, problem = True, told["problem"]
                    break
                texts.append(_read_line(told))
        finally:
            timer.cancel()
            _end(reader)
    if not ended:
        limits = f"{MAX_SECONDS} s or {MAX_MEMORY >> 20} MiB"
        problem = f"decrypted signalling was read in part: it took more than {limits}"
    return Decrypted(texts, problem)


def _end(reader: subprocess.Popen[bytes]) -> None:
    """End a reader and its tshark; they are a session of their own. On Windows tshark ends since
    nobody reads it any more."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            reader.kill()
        else:
            os.killpg(reader.pid, signal.SIGKILL)


def _line(text: DecryptedText) -> list[object]:
    source, destination = text.source, text.destination
    ends = str(source.address), source.port, str(destination.address), destination.port
    data = base64.b64encode(text.text).decode("ascii")
    return [text.frame, text.ts_ns, text.interface, text.transport, *ends, text.channel, data]


def _read_line(told: list[object]) -> DecryptedText:
    frame, ts_ns, interface, transport, source, port, destination, to_port, channel, data = told
    return DecryptedText(
        int(str(frame)),
        int(str(ts_ns)),
        int(str(interface)),
        str(transport),
        Endpoint(ip_address(str(source)), int(str(port))),
        Endpoint(ip_address(str(destination)), int(str(to_port))),
        str(channel),
        base64.b64decode(str(data)),
    )


def _tell(told: object) -> None:
    sys.stdout.write(f"{json.dumps(told)}\n")


def _main(path: str, key_log: str | None = None) -> None:
    """Write the texts of a capture as lines of JSON, and last what hindered it."""
    if sys.platform != "win32":
        import resource  # Windows bounds the time alone, by its reader

        resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    import pyshark
    from pyshark.capture.capture import TSharkCrashException

    preferences = dict(_PREFERENCES)
    if key_log is not None:
        preferences["tls.keylog_file"] = key_log
    capture = pyshark.FileCapture(
        path,
        display_filter=_FILTER,
        keep_packets=False,
        override_prefs=preferences,
        custom_parameters=["-n"],
    )
    problem = None
    try:
        for number, packet in enumerate(capture):
            if number == MAX_PACKETS or not _tell_packet(packet):
                problem = "decrypted signalling was read in part: too much of it"
                break
    except TSharkCrashException as error:
        problem = _complaint(str(error))
    _tell({"problem": problem})
    sys.stdout.flush()
    os._exit(0)  # what pyshark leaves behind ends with this process


_CLAIMED: set[tuple[str, str, str]] = set()
_TOLD = [0, 0]
"""Texts, and their bytes, so far."""


def _tell_packet(packet: Packet) -> bool:
    """Write what a packet tells; says whether there is room for more."""
    for name, value in _claims(packet):
        claim = _message(packet, value.encode())._replace(channel=name)
        key = (str(claim.source.address), name, value)
        if key not in _CLAIMED and len(_CLAIMED) < MAX_CLAIMS:
            _CLAIMED.add(key)
            _tell(_line(claim))
    for text in _texts(packet):
        _TOLD[0] += 1
        _TOLD[1] += len(text)
        if _TOLD[0] > MAX_TEXTS or _TOLD[1] > MAX_BYTES:
            return False
        _tell(_line(_message(packet, text)))
    return True


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
            for field in _fields(layer):
                if field.name in CLAIMS and field.show:
                    yield CLAIMS[field.name], str(field.show)


def _fields(layer: XmlLayer) -> Iterator[LayerField]:
    """All fields of a layer."""
    for name in layer.field_names:
        yield from layer.get_field(name).all_fields


def _texts(packet: Packet) -> Iterator[bytes]:
    """What of a packet describes an ICE agent; parts of another such part are left out.

    tshark shows a message again and again, whole and in its parts, as hexadecimal.
    """
    found = {
        bytes.fromhex(value)
        for layer in packet.layers
        for field in _fields(layer)
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


if __name__ == "__main__":
    _main(*sys.argv[1:])
