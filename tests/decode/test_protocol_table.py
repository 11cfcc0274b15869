"""One table of protocols: what decodes, what counts and what words go by it, and agree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from builders import CLIENT, ETH0, RESOLVER, Recording, dns_query, judged, mdns_query
from places import CAPTURES

from pcapleak import analyze
from pcapleak.decode.messages import ICMP_QUOTE
from pcapleak.decode.streams.connection import Opened
from pcapleak.decode.streams.sniff import recognise_opening
from pcapleak.decode.table import PROTOCOLS, STREAMS, recognised_as
from pcapleak.explain.messages import WORDS, decode_capture, decode_hex
from pcapleak.policy.policy import Policy
from pcapleak.values.packets import Decoder

NEIGHBOUR = "192.168.50.7"


@pytest.mark.parametrize(
    ("source", "destination", "protocol"),
    [
        (5355, 5353, "mdns"),
        (5353, 5355, "mdns"),
        (5353, 5353, "mdns"),
        (40000, 5355, "llmnr"),
        (5355, 40000, "llmnr"),
        (5353, 53, "dns"),
        (53, 5353, "dns"),
        (5355, 53, "dns"),
    ],
)
def test_where_ports_of_two_protocols_meet_both_commands_take_the_same(
    source: int, destination: int, protocol: str, tmp_path: Path
) -> None:
    recording = Recording()
    recording.udp(0, ETH0, CLIENT, source, NEIGHBOUR, destination, mdns_query("a.example"))
    document = judged(recording, Policy(), tmp_path)
    told = document.statistics.protocols
    assert {name: told[name] for name in ("dns", "mdns", "llmnr") if name in told} == {protocol: 1}
    (message,) = decode_capture(recording.write(tmp_path / "again.pcapng"))
    assert message.protocol == protocol


def test_a_query_from_the_port_of_multicast_dns_still_asks_its_resolver(tmp_path: Path) -> None:
    recording = Recording()
    recording.udp(0, ETH0, CLIENT, 5353, RESOLVER, 53, dns_query("www.example.com"))
    document = judged(recording, Policy(), tmp_path)
    assert [resolver.address for resolver in document.resolvers] == [RESOLVER]


@pytest.mark.parametrize(
    "name",
    ["direct", "socks", "quic", "openvpn", "network", "signalling-clear", "turn-tcp", "frame"],
)
def test_what_is_decoded_is_what_is_counted(name: str) -> None:
    """But for what TURN carries, which only `decode` opens."""
    counted = {protocol.name: protocol.counted for protocol in PROTOCOLS}
    path = CAPTURES / f"{name}.pcapng"
    decoded = Counter(
        ICMP_QUOTE if ICMP_QUOTE in message.layers else counted[message.protocol]
        for message in decode_capture(path)
        if not {"turn", "dtls-in-stun"} & set(message.layers)
    )
    told = analyze(path).document.statistics.protocols
    assert decoded == {
        what: count for what, count in told.items() if what in {ICMP_QUOTE, *counted.values()}
    }


def test_each_name_and_each_code_has_one_row() -> None:
    names = [protocol.name for protocol in PROTOCOLS]
    assert len(set(names)) == len(names)
    assert set(names) < set(WORDS)
    rows = [row for code in Decoder if (row := recognised_as(code)) is not None]
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.decode is not None for row in rows)
    assert set(rows) | set(STREAMS) <= set(PROTOCOLS)


def test_a_pasted_message_may_be_called_by_every_protocol_of_datagrams() -> None:
    query = dns_query("host.local").hex()
    assert {decode_hex(query, name).protocol for name in ("dns", "mdns", "llmnr")} == {
        "dns",
        "mdns",
        "llmnr",
    }


@pytest.mark.parametrize(
    "data",
    [b"\5\1\3\0\0\0\0\0\0\0\0", b"\0\0\1\2\3\4\5\6\7\x08\x09", b"nobody's"],
    ids=["socks", "a length", "a text"],
)
def test_a_stream_that_is_no_protocols_is_nobodys(data: bytes) -> None:
    assert recognise_opening(data, (50000, 9999)) is Opened.NOBODYS
