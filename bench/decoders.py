"""Messages a second of the STUN, mDNS and DNS decoders, next to dpkt, scapy and aioice.

    python bench/decoders.py [SECONDS]

The messages are those recorded in captures/ (of RFC 5769 where no capture is there), and for
DNS a thousand generated queries with their answers besides. Each library is compared on the
messages it does not refuse. A run is the messages once through, in the order they were recorded,
and pcapleak has forgotten all it remembers when a run begins: names, layouts and repeated
messages are remembered within a run only, as in a capture. CPU time, the best of the runs.

What a row of pcapleak has done:

- found: the header, the place of every attribute, and what is wrong with the message; values
  are decoded when they are asked for, which is how an analysis uses the decoder.
- listed: the same, and type, place and bytes of every attribute as a tuple each. dpkt does no
  more than this with the help of a loop around its `tlv`.
- every view: what ICE needs of a message, decoded, and its FINGERPRINT proved, which aioice does
  and scapy does not.
- decoded: all questions and records, names and known data decoded. dpkt leaves most data raw.
- said once: the same, of different messages only. Multicast DNS says everything several times,
  and pcapleak decodes bytes once that it has just decoded.
"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aioice.stun
import dpkt
import generate

from pcapleak.capture import open_capture
from pcapleak.decode.dns import message as dns
from pcapleak.decode.dns import names as dns_names
from pcapleak.decode.dns import records as dns_records
from pcapleak.decode.dns.message import decode_dns
from pcapleak.decode.stun import decoder as stun
from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.dissect import Dissector, recognise
from pcapleak.values.endpoints import address_of
from pcapleak.values.packets import Decoder

ROOT = Path(__file__).resolve().parent.parent

Decode = Callable[[bytes], object]


def recorded() -> dict[Decoder, list[bytes]]:
    """STUN, mDNS and DNS payloads of the project's captures."""
    found: dict[Decoder, list[bytes]] = {Decoder.STUN: [], Decoder.MDNS: [], Decoder.DNS: []}
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


def forget() -> None:
    """Empty all that the decoders remember between messages."""
    for table in (
        stun._layouts,
        dns._multicast,
        dns._addresses,
        dns_names.whole_names,
        dns_records._bitmaps,
    ):
        table.clear()
    address_of.cache_clear()


def stun_listed(data: bytes) -> object:
    return decode_stun(data).attributes


def stun_viewed(data: bytes) -> object:
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


def mdns(data: bytes) -> object:
    return decode_dns(data, "mdns")


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


def scapy_stun() -> Decode:
    from scapy.contrib.stun import STUN

    return lambda data: STUN(data)


def dpkt_dns(data: bytes) -> object:
    try:
        return dpkt.dns.DNS(data)
    except (dpkt.UnpackError, UnicodeDecodeError):
        return None  # NSEC, which browsers' announcements hold


def scapy_dns() -> Decode:
    from scapy.layers.dns import DNS

    return lambda data: DNS(data)


def rate(decode: Decode, messages: list[bytes], seconds: float) -> float:
    """Messages a second of CPU time in the best run."""
    best, end = 0.0, time.process_time() + seconds
    while not best or time.process_time() < end:
        forget()
        start = time.process_time()
        for message in messages:
            decode(message)
        best = max(best, len(messages) / (time.process_time() - start))
    return best


def table(
    title: str,
    messages: list[bytes],
    seconds: float,
    peers: dict[str, Decode],
    ours: dict[str, Decode],
    once: str | None = None,
) -> None:
    """Every peer beside every way of ours, on the messages the peer takes. `once` is the way
    that is measured a second time, each different message once."""
    size = sum(map(len, messages)) / len(messages)
    print(
        f"\n{title}: {len(messages)} messages of {size:.0f} bytes, {len(set(messages))} different"
    )
    for name, decode in peers.items():
        taken = [message for message in messages if decode(message) is not None]
        runs = [(name, decode, taken), *((way, our, taken) for way, our in ours.items())]
        if once is not None:
            runs.append(("said once", ours[once], list(dict.fromkeys(taken))))
        base = 0.0
        for way, run, these in runs:
            value = rate(run, these, seconds)
            base = base or value
            who = f"  {name}" if run is decode else f"    pcapleak, {way}"
            print(f"{who:28} {len(these):6} messages {value:12,.0f}/s {value / base:8.1f} x")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    found = recorded()
    made = generate.Messages()
    table(
        "STUN",
        found[Decoder.STUN],
        seconds,
        {"dpkt": dpkt_stun, "aioice": aioice_stun, "scapy": scapy_stun()},
        {"found": decode_stun, "listed": stun_listed, "every view": stun_viewed},
    )
    for title, messages, decode in (
        ("mDNS", found[Decoder.MDNS], mdns),
        ("DNS", found[Decoder.DNS] + [made.dns(number) for number in range(1, 2001)], decode_dns),
    ):
        peers = {"dpkt": dpkt_dns, "scapy": scapy_dns()}
        if messages:
            table(title, messages, seconds, peers, {"decoded": decode}, "decoded")


if __name__ == "__main__":
    main()
