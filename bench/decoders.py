"""Messages a second of the STUN and mDNS decoders, next to dpkt, scapy and aioice.

    python bench/decoders.py [SECONDS]

Every library decodes the same messages: recorded in captures/, or those of RFC 5769 where no
capture is there. What is compared:

- STUN: pcapleak finds every attribute and what is wrong with the message, and decodes values
  when asked; dpkt decodes the header and lists types and values, undecoded; the row with every
  ICE view decodes what ICE needs, FINGERPRINT proved, which is more than aioice and scapy do.
  pcapleak remembers the layouts of messages it has walked, as it does in a capture.
- mDNS: all decode all records; pcapleak remembers names by their bytes, as it does in a capture.
"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aioice.stun
import dpkt

from pcapleak.capture import open_capture
from pcapleak.model import Decoder
from pcapleak.packets import Dissector, recognise
from pcapleak.protocols.dns import decode_dns
from pcapleak.protocols.stun import decode_stun

ROOT = Path(__file__).resolve().parent.parent


def recorded() -> dict[Decoder, list[bytes]]:
    """STUN and mDNS payloads of the project's captures."""
    found: dict[Decoder, list[bytes]] = {Decoder.STUN: [], Decoder.MDNS: []}
    for path in sorted((ROOT / "captures").glob("*.pcapng")):
        with open_capture(path) as source:
            dissector = Dissector(source.interfaces)
            for batch in source:
                packets = dissector.dissect(batch)
                _, decoder = recognise(packets)
                for kind, payloads in found.items():
                    rows = (decoder == kind).nonzero()[0]
                    payloads.extend(packets.payload(int(i)) for i in rows)
    if not found[Decoder.STUN]:
        lines = (ROOT / "tests" / "vectors" / "stun_rfc5769.tsv").read_text().splitlines()
        found[Decoder.STUN] = [bytes.fromhex(line.split("\t")[1]) for line in lines[1:]]
    return found


def pcapleak_stun(data: bytes) -> object:
    return decode_stun(data)


def pcapleak_ice(data: bytes) -> object:
    message = decode_stun(data)
    return (
        message.message_class,
        message.transaction_id,
        message.username,
        message.priority,
        message.tie_breaker,
        message.use_candidate,
        message.network_info,
        message.mapped_address,
        message.fingerprint,
    )


def dpkt_stun(data: bytes) -> object:
    message = dpkt.stun.STUN(data)
    rest, found = message.data, []
    while len(rest) >= 4:
        kind, length, value, rest = dpkt.stun.tlv(rest)
        found.append((kind, value[:length]))
    return found


def aioice_stun(data: bytes) -> object:
    try:
        return aioice.stun.parse_message(data)
    except (ValueError, struct.error):
        return None  # attributes or lengths it refuses


def scapy_stun() -> Callable[[bytes], object]:
    from scapy.contrib.stun import STUN

    return lambda data: STUN(data)


def dpkt_dns(data: bytes) -> object:
    try:
        return dpkt.dns.DNS(data)
    except dpkt.UnpackError:
        return None  # NSEC, which browsers' announcements hold


def scapy_dns() -> Callable[[bytes], object]:
    from scapy.layers.dns import DNS

    return lambda data: DNS(data)


def rate(decode: Callable[[bytes], object], messages: list[bytes], seconds: float) -> float:
    """Messages a second, the best of three runs of whole rounds."""
    best = 0.0
    for _ in range(3):
        count, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds / 3 or not count:
            for message in messages:
                decode(message)
            count += len(messages)
        best = max(best, count / elapsed)
    return best


def table(
    title: str,
    messages: list[bytes],
    seconds: float,
    decoders: dict[str, Callable[[bytes], object]],
) -> None:
    size = sum(map(len, messages)) / len(messages)
    print(f"\n{title}: {len(messages)} messages, {size:.0f} bytes on average")
    rates = {name: rate(decode, messages, seconds) for name, decode in decoders.items()}
    ours = next(iter(rates.values()))
    for name, value in rates.items():
        refused = sum(decoders[name](message) is None for message in messages)
        note = f"   refuses {refused}" if refused else ""
        print(f"  {name:34} {value:12,.0f}/s   {ours / value:8.1f} x{note}")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    found = recorded()
    table(
        "STUN",
        found[Decoder.STUN],
        seconds,
        {
            "pcapleak": pcapleak_stun,
            "pcapleak, with every ICE view": pcapleak_ice,
            "dpkt (header and attribute walk)": dpkt_stun,
            "aioice": aioice_stun,
            "scapy": scapy_stun(),
        },
    )
    announcements = found[Decoder.MDNS]
    taken = [message for message in announcements if dpkt_dns(message) is not None]
    if taken:
        table(
            f"mDNS, those of {len(announcements)} that dpkt does not refuse",
            taken,
            seconds,
            {
                "pcapleak": lambda data: decode_dns(data, "mdns"),
                "dpkt": dpkt_dns,
                "scapy": scapy_dns(),
            },
        )


if __name__ == "__main__":
    main()
