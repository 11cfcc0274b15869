"""DNS, multicast DNS and LLMNR messages, against tshark's truth and dnspython."""

from __future__ import annotations

import contextlib
import csv
import struct
import sys
from collections import Counter, defaultdict
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcapleak.capture import open_capture
from pcapleak.decode.dns import message as dns_module
from pcapleak.decode.dns import names as dns_names
from pcapleak.decode.dns import records as dns_records
from pcapleak.decode.dns.message import (
    TYPE_NAMES,
    A,
    DnsMessage,
    DnsProtocol,
    MxData,
    NsecData,
    OptData,
    SoaData,
    SrvData,
    SvcbData,
    decode_dns,
    type_name,
)
from pcapleak.dissect import Dissector, recognise
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Decoder

HEADER = struct.Struct("!6H")


def message(questions: int = 0, answers: int = 0, *parts: bytes, flags: int = 0x8400) -> bytes:
    return HEADER.pack(0x1234, flags, questions, answers, 0, 0) + b"".join(parts)


def record(name: bytes, rtype: int, data: bytes, rclass: int = 1, ttl: int = 120) -> bytes:
    return name + struct.pack("!HHIH", rtype, rclass, ttl, len(data)) + data


def test_mdns_tells_the_cache_flush_and_unicast_bits_from_the_class() -> None:
    name = b"\x04host\x05local\x00"
    wire = message(1, 1, name + b"\x00\xff\x80\x01", record(name, A, bytes(4), 0x8001))
    multicast, unicast = decode_dns(wire, "mdns"), decode_dns(wire)
    assert multicast.questions[0].unicast_response and multicast.questions[0].rclass == 1
    assert multicast.answers[0].cache_flush and multicast.answers[0].rclass == 1
    assert not unicast.answers[0].cache_flush and unicast.answers[0].rclass == 0x8001
    assert (multicast.protocol, unicast.protocol) == ("mdns", "dns")


@pytest.mark.parametrize(
    ("place", "tail", "problem"),
    [
        (12, b"\xc0\x0c", "pointer to 12, not back"),  # itself
        (12, b"\xc0\x20", "pointer to 32, not back"),  # forward
        (12, b"\xc0\x04", "pointer into the header"),
        (12, b"\xc0", "ends in a pointer"),
        (12, b"\x05abc", "label past the end"),
        (12, b"\x40abc", "label type 1"),
        (12, b"\x80abc", "label type 2"),
        (12, b"\x03abc", "no end"),
        (12, (b"\x3f" + b"a" * 63) * 4 + b"\x00", "longer than 255 bytes"),
    ],
)
def test_a_name_that_breaks_the_rules_ends_the_message_with_its_place(
    place: int, tail: bytes, problem: str
) -> None:
    decoded = decode_dns(message(1, 0, tail))
    assert decoded.questions == ()
    assert len(decoded.problems) == 1 and problem in decoded.problems[0]


def test_pointers_that_chase_each_other_are_refused() -> None:
    # The second name points at the first's pointer, which points back at the second.
    wire = message(1, 0, b"\x01a\xc0\x10\x00\x01\x00\x01", flags=0)
    assert "not back" in decode_dns(wire).problems[0]


def test_the_longest_legal_name_is_read() -> None:
    labels = [b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 61]
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    assert len(wire) == 255
    decoded = decode_dns(message(1, 0, wire + b"\0\1\0\1"))
    assert decoded.questions[0].name == b".".join(labels).decode()


def test_counts_of_65535_cost_nothing_when_the_bytes_end() -> None:
    wire = HEADER.pack(1, 0, 65535, 65535, 65535, 65535) + b"\0\0\1\0\1" * 3
    decoded = decode_dns(wire)
    assert len(decoded.questions) == 3 and len(decoded.problems) == 1


def test_a_message_of_pointers_only_is_read_in_linear_steps() -> None:
    """Each name is one pointer to the pointer before it: remembered, not walked again."""
    chain = bytearray(b"\x01a\x00\x00\x01\x00\x01")
    target = 12
    for _ in range(2300):
        at = 12 + len(chain)
        chain += struct.pack("!HHH", 0xC000 | target, 1, 1)
        target = at
    decoded = decode_dns(HEADER.pack(1, 0, 2301, 0, 0, 0) + bytes(chain))
    assert not decoded.problems
    assert {question.name for question in decoded.questions} == {"a"}


def test_broken_data_of_one_record_leaves_the_others_readable() -> None:
    name = b"\x01a\x00"
    wire = message(
        0, 3, record(name, 1, bytes(3)), record(name, 33, bytes(5)), record(name, 1, b"\1\2\3\4")
    )
    decoded = decode_dns(wire)
    assert [item.data for item in decoded.answers] == [bytes(3), bytes(5), IPv4Address("1.2.3.4")]
    assert len(decoded.problems) == 2


def test_labels_keep_what_is_printable_and_escape_the_rest_reversibly() -> None:
    labels = ["Ä b’s".encode(), b"a.b\\c", b"\x00\xff\x7f"]
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    decoded = decode_dns(message(1, 0, wire + b"\0\1\0\1"))
    assert decoded.questions[0].name == "Ä b’s.a\\.b\\\\c.\\000\\255\\127"


def test_nsec_opt_and_client_subnet_are_typed() -> None:
    name = b"\x01a\x00"
    nsec = record(name, 47, name + b"\x00\x04\x40\x00\x00\x08\x01\x01\x80")
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0x01008000, 11) + b"\0\x08\0\x07\0\1\x18\0\xc0\0\2"
    wire = HEADER.pack(7, 0, 0, 1, 0, 1) + nsec + opt
    decoded = decode_dns(wire)
    assert decoded.answers[0].data == NsecData("a", (1, 28, 256))
    assert decoded.additionals[0].data == OptData(1232, 1, 0, True, ((8, b"\0\1\x18\0\xc0\0\2"),))
    assert decoded.client_subnet == IPv4Network("192.0.2.0/24")
    assert decoded.problems == ()


@pytest.mark.parametrize(
    ("rtype", "data", "problem"),
    [
        (6, b"\0\0" + bytes(19), "SOA at byte 25: 19 bytes of numbers, not 20"),
        (15, b"\0\0", "MX at byte 23: too short"),
        (15, b"\0\0\0x", "MX at byte 26: bytes after the name"),
        (65, b"\0\1\0\0\1\0", "HTTPS at byte 26: ends in the header of its last parameter"),
        (64, b"\0\1\0\0\1\0\4abc", "SVCB at byte 26: parameter 1 past the end"),
        (41, b"\0\x08\0", "OPT at byte 23: ends in the header of its last option"),
    ],
)
def test_broken_data_says_what_and_where(rtype: int, data: bytes, problem: str) -> None:
    decoded = decode_dns(message(0, 1, record(b"\0", rtype, data)))
    assert decoded.problems == (f"dns {problem}",)
    assert decoded.answers[0].data == data


def test_odd_service_parameters_give_what_can_be_read() -> None:
    params = struct.pack("!HH4s", 1, 4, b"\2h2\5") + struct.pack("!HH6s", 4, 6, bytes(6))
    decoded = decode_dns(message(0, 1, record(b"\0", 65, b"\0\1\0" + params)))
    data = decoded.answers[0].data
    assert isinstance(data, SvcbData)
    assert (data.alpn, data.hints) == (("h2",), (IPv4Address("0.0.0.0"),))


def test_probes_announcements_and_goodbyes_are_told_apart() -> None:
    name = b"\x04host\x05local\x00"
    probe = HEADER.pack(0, 0, 1, 0, 1, 0) + name + b"\0\xff\x80\1" + record(name, A, bytes(4))
    assert decode_dns(probe, "mdns").is_probe
    announcement = decode_dns(message(0, 1, record(name, A, bytes(4), 0x8001)), "mdns")
    assert announcement.is_announcement and not announcement.goodbyes
    goodbye = decode_dns(message(0, 1, record(name, A, bytes(4), 0x8001, ttl=0)), "mdns")
    assert len(goodbye.goodbyes) == 1 and not goodbye.is_announcement
    known = HEADER.pack(0, 0, 1, 1, 0, 0) + name + b"\0\x01\0\1" + record(name, A, bytes(4))
    assert len(decode_dns(known, "mdns").known_answers) == 1


def test_less_than_a_header_is_the_only_thing_refused() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_dns(bytes(11), "llmnr")
    assert (caught.value.protocol, caught.value.place, caught.value.offset) == (
        "llmnr",
        "header",
        11,
    )
    assert decode_dns(bytes(12)).problems == ()


# What is remembered between messages

PROTOCOLS: tuple[DnsProtocol, DnsProtocol] = ("mdns", "dns")


def forget() -> None:
    for table in (dns_module._multicast, dns_module._addresses, dns_names.whole_names):
        table.clear()
    dns_records._bitmaps.clear()


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 7), st.binary(max_size=6)), min_size=2, max_size=12))
def test_what_was_read_before_never_changes_what_is_read(edits: list[tuple[int, bytes]]) -> None:
    """Names share their ends, and pointers lead into the middle of each other's."""
    parts = [
        b"\x04host\x05local\x00",
        b"\xc0\x11",
        b"\x03abc\xc0\x0c",
        b"\x05local\x00",
        b"\x02io\xc0\x11",
        b"\x00",
        b"\x01\x00\x00",
        b"\x3f" + b"x" * 63 + b"\xc0\x0c",
    ]
    wires = []
    for choice, data in edits:
        name = parts[choice] + data
        answer = record(name, 12, parts[len(data)]) + record(b"\xc0\x0c", 47, name + b"\0\1\x40")
        wires.append(message(1, 2, parts[0] + b"\0\1\0\1", answer))
    asked = [(wire, protocol) for wire in wires for protocol in PROTOCOLS]
    fresh = []
    for wire, protocol in asked:
        forget()
        fresh.append(decode_dns(wire, protocol))
    forget()
    assert [decode_dns(wire, protocol) for wire, protocol in asked * 2] == fresh * 2


def test_what_is_remembered_is_bounded() -> None:
    for number in range(5000):
        label = b"\x08%08d" % number
        wire = message(
            1, 1, label + b"\0\0\1\0\1", record(b"\xc0\x0c", A, number.to_bytes(4, "big"))
        )
        decoded = decode_dns(wire, "mdns")
        assert decoded.questions[0].name == decoded.answers[0].name == f"{number:08d}"
        assert decoded.answers[0].data == IPv4Address(number)
    assert len(dns_names.whole_names) <= 4096
    assert len(dns_module._addresses) <= 4096
    assert len(dns_module._multicast) <= 1024


# tshark's truth

Row = tuple[str, str, int, int | None, bool, int | None, str]


def our_rows(decoded: DnsMessage) -> list[Row]:
    rows: list[Row] = [
        (
            "question",
            question.name,
            question.type,
            question.rclass,
            question.unicast_response,
            None,
            "",
        )
        for question in decoded.questions
    ]
    for section, records in (
        ("answer", decoded.answers),
        ("authority", decoded.authorities),
        ("additional", decoded.additionals),
    ):
        for item in records:
            data, rtype, ttl, rclass = item.data, item.type, item.ttl_s, item.rclass
            if isinstance(data, NsecData):
                # The truth files have the last type of the bitmap in the type's place.
                rtype, text = data.types[-1], data.next_name
            elif isinstance(data, SrvData):
                text = f"port={data.port} | {data.target}"
            elif isinstance(data, OptData):
                rows.append((section, item.name, rtype, None, item.cache_flush, None, ""))
                continue
            elif isinstance(data, str):
                # tshark prints a dot inside a label like one between labels.
                text = data.replace("\\.", ".")
            elif isinstance(data, tuple):
                text = " | ".join(part.decode() for part in data)
            else:
                text = str(data)
            name = item.name.replace("\\.", ".")
            rows.append((section, name, rtype, rclass, item.cache_flush, ttl, text))
    return rows


def their_rows(truth: list[dict[str, str]]) -> list[Row]:
    numbers = {name: number for number, name in TYPE_NAMES.items()} | {"*": 255}
    rows: list[Row] = []
    for row in truth:
        if row["section"] == "none":
            continue
        kind = row["type"]
        rdata = row["rdata"]
        with contextlib.suppress(ValueError):
            rdata = str(ip_address(rdata))
        rows.append(
            (
                row["section"],
                "." if row["name"] == "<Root>" else row["name"],
                int(kind) if kind.isdigit() else numbers[kind],
                int(row["class"], 16) if row["class"] else None,
                row["flush_or_qu"] == "1",
                int(row["ttl"]) if row["ttl"] else None,
                rdata,
            )
        )
    return rows


def decoded_mdns(path: Path) -> dict[int, DnsMessage]:
    found = {}
    with open_capture(path) as source:
        dissector = Dissector(source.interfaces)
        for batch in source:
            packets = dissector.dissect(batch)
            _, decoder = recognise(packets)
            for i in np.flatnonzero(decoder == Decoder.MDNS).tolist():
                found[int(packets.frame[i])] = decode_dns(packets.payload(i), "mdns")
    return found


def test_every_mdns_record_that_tshark_decodes_is_decoded_equal(corpus: Path) -> None:
    totals: Counter[str] = Counter()
    differences = []
    for truth_file in sorted((corpus / "public-truth").glob("*.mdns.tsv")):
        name = truth_file.name.removesuffix(".mdns.tsv")
        frames: dict[int, list[dict[str, str]]] = defaultdict(list)
        with truth_file.open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                frames[int(row["frame"])].append(row)
        ours = decoded_mdns(corpus / "public" / name)
        for frame, truth in frames.items():
            expected = their_rows(truth)
            totals["messages"] += 1
            totals["records"] += len(expected)
            found = our_rows(ours[frame]) if frame in ours else None
            if found != expected:
                differences.append((name, frame, found, expected))
    sys.stderr.write(f"mDNS: {totals['messages']} messages, {totals['records']} records\n")
    assert differences == []
    assert totals["records"] > 2000


# dnspython


def theirs(decoded: dns.message.Message) -> list[tuple[str, list[str]]]:
    return [
        (
            section,
            sorted(
                f"{rrset.name} {rrset.ttl} {rrset.rdtype} {item}"
                for rrset in rrsets
                for item in rrset
            ),
        )
        for section, rrsets in (
            ("answer", decoded.answer),
            ("authority", decoded.authority),
            ("additional", decoded.additional),
        )
    ]


LABEL = st.binary(min_size=1, max_size=12)
NAME = st.lists(LABEL, min_size=1, max_size=4).map(lambda labels: dns.name.Name([*labels, b""]))
TTL = st.integers(0, 2**31 - 1)
RDATA = st.one_of(
    st.ip_addresses(v=4).map(lambda a: ("A", str(a))),
    st.ip_addresses(v=6).map(lambda a: ("AAAA", str(a))),
    NAME.map(lambda n: ("PTR", n.to_text())),
    NAME.map(lambda n: ("CNAME", n.to_text())),
    st.tuples(st.integers(0, 65535), NAME).map(lambda p: ("MX", f"{p[0]} {p[1].to_text()}")),
    st.tuples(NAME, NAME, st.integers(0, 2**32 - 1)).map(
        lambda p: ("SOA", f"{p[0].to_text()} {p[1].to_text()} {p[2]} 2 3 4 5")
    ),
    st.tuples(NAME, st.ip_addresses(v=4), st.ip_addresses(v=6)).map(
        lambda p: (
            "HTTPS",
            f"1 {p[0].to_text()} alpn=h2,h3 port=8443 ipv4hint={p[1]} ipv6hint={p[2]}",
        )
    ),
    st.tuples(st.integers(0, 65535), NAME).map(lambda p: ("SRV", f"0 1 {p[0]} {p[1].to_text()}")),
    st.lists(st.binary(max_size=40), min_size=1, max_size=3).map(
        lambda parts: ("TXT", " ".join('"' + "".join(f"\\{b:03d}" for b in p) + '"' for p in parts))
    ),
)
RECORDS = st.lists(st.tuples(NAME, TTL, RDATA), max_size=5)


def labels_of(name: str) -> tuple[bytes, ...]:
    """The labels behind one of our names."""
    if name == ".":
        return ()
    labels, label, rest = [], bytearray(), iter(name)
    for character in rest:
        if character == ".":
            labels.append(bytes(label))
            label = bytearray()
        elif character == "\\":
            first = next(rest)
            if first.isdigit():
                label.append(int(first + next(rest) + next(rest)))
            else:
                label += first.encode()
        else:
            label += character.encode()
    return (*labels, bytes(label))


def compare(wire: bytes) -> int:
    """Hold ours to what dnspython reads; how many records were equal."""
    ours = decode_dns(wire)
    parsed = dns.message.from_wire(wire, one_rr_per_rrset=True, ignore_trailing=True)
    count = 0
    for mine, sets in (
        (ours.answers, parsed.answer),
        (ours.authorities, parsed.authority),
        (ours.additionals, parsed.additional),
    ):
        mine = [item for item in mine if item.type not in (41, 250)]
        if len(mine) != len(sets):
            continue  # dnspython stops where its own reading of a type fails
        for item, rrset in zip(mine, sets, strict=True):
            assert labels_of(item.name) == rrset.name.labels[:-1]
            assert (item.type, item.rclass) == (rrset.rdtype, rrset.rdclass)
            for value in rrset:
                if item.rclass != 1:
                    continue  # data of other classes has another form, or none
                count += 1
                if item.type in (1, 28):
                    assert str(item.data) == str(ip_address(value.address))
                elif item.type in (2, 5, 12):
                    assert isinstance(item.data, str)
                    assert labels_of(item.data) == value.target.labels[:-1]
                elif item.type == 33:
                    assert isinstance(item.data, SrvData)
                    assert item.data[:3] == (value.priority, value.weight, value.port)
                    assert labels_of(item.data.target) == value.target.labels[:-1]
                elif item.type == 16:
                    assert item.data == tuple(value.strings)
                elif item.type == 15:
                    assert isinstance(item.data, MxData)
                    assert item.data.preference == value.preference
                    assert labels_of(item.data.exchange) == value.exchange.labels[:-1]
                elif item.type == 6:
                    assert isinstance(item.data, SoaData)
                    assert labels_of(item.data.primary) == value.mname.labels[:-1]
                    assert labels_of(item.data.mailbox) == value.rname.labels[:-1]
                    numbers = value.serial, value.refresh, value.retry, value.expire, value.minimum
                    assert item.data[2:] == numbers
                elif item.type == 65:
                    assert isinstance(item.data, SvcbData)
                    assert item.data.priority == value.priority
                    assert labels_of(item.data.target) == value.target.labels[:-1]
                    parts = value.params
                    alpn, four, six = (parts.get(key) for key in (1, 4, 6))
                    if alpn is not None:
                        assert item.data.alpn == tuple(i.decode() for i in alpn.ids)
                    told = [*(four.addresses if four else ()), *(six.addresses if six else ())]
                    assert list(map(str, item.data.hints)) == [str(ip_address(a)) for a in told]
    return count


def built(
    questions: list[dns.name.Name], records: list[tuple[dns.name.Name, int, tuple[str, str]]]
) -> bytes:
    made = dns.message.Message(id=7)
    made.flags = dns.flags.QR | dns.flags.AA
    for name in questions:
        made.question.append(dns.rrset.RRset(name, dns.rdataclass.IN, dns.rdatatype.A))
    for name, ttl, (kind, text) in records:
        made.answer.append(dns.rrset.from_text(name, ttl, "IN", kind, text))
    return made.to_wire()


@settings(max_examples=200)
@given(st.lists(NAME, max_size=2), RECORDS)
def test_generated_messages_read_as_dnspython_reads_them(
    questions: list[dns.name.Name], records: list[tuple[dns.name.Name, int, tuple[str, str]]]
) -> None:
    wire = built(questions, records)
    decoded = decode_dns(wire)
    assert decoded.problems == ()
    assert [labels_of(question.name) for question in decoded.questions] == [
        name.labels[:-1] for name in questions
    ]
    assert len(decoded.answers) == len(records)
    assert [item.ttl_s for item in decoded.answers] == [ttl for _, ttl, _ in records]
    compare(wire)


@settings(max_examples=300)
@given(RECORDS, st.data())
def test_whatever_dnspython_reads_of_a_mutated_message_we_read_alike(
    records: list[tuple[dns.name.Name, int, tuple[str, str]]], data: st.DataObject
) -> None:
    wire = bytearray(built([], records))
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(12 if len(wire) > 12 else 0, len(wire) - 1))] = data.draw(
            st.integers(0, 255)
        )
    try:
        compare(bytes(wire))
    except (dns.exception.DNSException, ValueError):
        decode_dns(bytes(wire))


@settings(max_examples=500)
@given(st.binary(max_size=200), st.sampled_from(["dns", "mdns", "llmnr"]))
def test_every_byte_string_gives_a_message_or_the_one_error(data: bytes, protocol: str) -> None:
    try:
        decoded = decode_dns(data, protocol)  # type: ignore[arg-type]
    except DecodeError as error:
        assert error.protocol == protocol
        assert 0 <= error.offset <= len(data)
    else:
        assert decoded.protocol == protocol


def test_types_without_a_name_are_numbered() -> None:
    assert (type_name(28), type_name(65280)) == ("AAAA", "TYPE65280")
    assert isinstance(
        decode_dns(message(0, 1, record(b"\0", 28, bytes(16)))).answers[0].data, IPv6Address
    )
