"""The answer key: what the page read, and what packets can show of each candidate.

Worked out by tshark and by plain searches of bytes, so that it owes nothing to pcapleak.
"""

from __future__ import annotations

import ipaddress
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .processes import LabError

_COOKIE = b"\x21\x12\xa4\x42"
_UUID_NAME = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.local", re.IGNORECASE)


@dataclass(frozen=True)
class Wire:
    """What of a capture decides whether a candidate can be seen in it."""

    data: bytes
    client_udp_ports: frozenset[int]
    client_udp: frozenset[tuple[str, int]]
    """The client's addresses and ports that packets came from."""
    announced: frozenset[str]


def read_wire(capture: Path, client_addresses: tuple[str, ...]) -> Wire:
    """Read the facts of ``capture``; ``client_addresses`` are all the client's own."""
    sources = _tshark(capture, "udp && !icmp && !icmpv6", "ip.src", "ipv6.src", "udp.srcport")
    sent = {(row[0] or row[1], int(row[2])) for row in sources if row[2]}
    sent = {one for one in sent if one[0] in client_addresses}
    answers = _tshark(capture, "mdns && dns.count.answers > 0", "dns.resp.name")
    names = {name.lower() for row in answers for name in _UUID_NAME.findall(row[0])}
    ports = frozenset(port for _, port in sent)
    return Wire(capture.read_bytes(), ports, frozenset(sent), frozenset(names))


def judge(candidates: list[dict[str, Any]], wire: Wire, browser: str) -> list[dict[str, Any]]:
    """The page's candidates, each with ``showable`` and ``why``."""
    # Chromium names an address once for all of a page's connections and announces in order, Firefox
    # names it for each of them and only answers: with several, nothing says whose a name is.
    alone = len({candidate["who"] for candidate in candidates}) == 1
    judged: list[dict[str, Any]] = []
    for candidate in candidates:
        fields = candidate["line"].removeprefix("candidate:").split()
        protocol, priority, address, port = fields[2].lower(), fields[3], fields[4], int(fields[5])
        kind = fields[7]
        engine = candidate.get("browser", browser)
        whose = alone or engine == "chromium"
        showable, why = _showable(kind, protocol, address, port, wire)
        if showable == "yes" and address.endswith(".local") and not whose:
            showable, why = "port", "port only: announced names are not told apart"
        elif showable == "name" and any(one["address"] == address for one in judged):
            showable, why = "no", "no packet left this port; its name is an earlier connection's"
        judged.append(
            {
                "line": candidate["line"],
                "type": kind,
                "protocol": protocol,
                "address": address,
                "port": port,
                "priority": int(priority),
                "showable": showable,
                "why": why,
                "who": candidate["who"],
                **({"browser": candidate["browser"]} if "browser" in candidate else {}),
            }
        )
    return judged


def _showable(
    kind: str, protocol: str, address: str, port: int, wire: Wire
) -> tuple[str, str | None]:
    if kind == "host" and protocol == "tcp":
        return "no", "a TCP candidate that nobody connected with sends nothing"
    if kind != "host":
        if holds_address(wire.data, address, port):
            return "yes", None
        return "no", "no readable packet holds this address"
    sent = port in wire.client_udp_ports
    if not address.endswith(".local") and sent and (address, port) not in wire.client_udp:
        return "no", "no packet left this port from this address"
    named = not address.endswith(".local") or address.lower() in wire.announced
    if sent:
        return ("yes", None) if named else ("port", "port only: the name was never announced")
    if named and address.endswith(".local"):
        return "name", "no packet left this port; its name was announced"
    return "no", "no packet left this port"


def holds_address(data: bytes, address: str, port: int) -> bool:
    """Whether some STUN message in ``data`` holds the address, XORed (RFC 8489 section 14.2) or
    as RFC 3489 has it."""
    value = ipaddress.ip_address(address)
    family = b"\0\x01" if value.version == 4 else b"\0\x02"
    if family + port.to_bytes(2, "big") + value.packed in data:
        return True
    masked_port = (port ^ 0x2112).to_bytes(2, "big")
    if value.version == 4:
        return family + masked_port + _xor(value.packed, _COOKIE) in data
    at = data.find(_COOKIE)
    while at >= 0:
        # The mask of an IPv6 address is the cookie and the transaction id of its own message.
        masked = family + masked_port + _xor(value.packed, data[at : at + 16])
        if masked in data[at : at + 256]:
            return True
        at = data.find(_COOKIE, at + 1)
    return False


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=False))


def _tshark(capture: Path, display_filter: str, *fields: str) -> list[list[str]]:
    wanted = [part for field in fields for part in ("-e", field)]
    done = subprocess.run(
        ["tshark", "-n", "-r", capture, "-Y", display_filter, "-T", "fields", *wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"tshark: {done.stderr.strip()}")
    return [line.split("\t") for line in done.stdout.splitlines()]
