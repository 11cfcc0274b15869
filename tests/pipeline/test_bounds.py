"""Every table that a stranger can fill: filled beyond its bound with the most an entry can hold,
it keeps as many as the bound says in as much memory as the arithmetic beside it says.

What takes a whole capture to fill (flows, links, streams) test_hostile.py floods.
"""

from __future__ import annotations

import ast
import gc
import re
import struct
import sys
import tracemalloc
from collections import Counter, deque
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from itertools import count, islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from packet_bytes import batch_of, ipv4, tcp

from pcapleak.decode.dns.message import AAAA, DnsMessage, DnsProtocol, Question, Record
from pcapleak.decode.lan.dhcp import DhcpMessage
from pcapleak.decode.lan.ndp import RouterAdvertisement
from pcapleak.decode.streams import tcp as table
from pcapleak.decode.streams.tcp import TcpStreams
from pcapleak.decode.stun.decoder import StunMessage, decode_stun
from pcapleak.decode.tunnels.socks import SocksReply, SocksRequest
from pcapleak.decode.tunnels.wireguard import WireGuardMessage
from pcapleak.decode.web import quic
from pcapleak.decode.web.http import HttpRequest
from pcapleak.decode.web.quic import CryptoFragment, QuicInitial
from pcapleak.dissect import Dissector
from pcapleak.errors import DecodeError
from pcapleak.explain import credentials, transactions
from pcapleak.track import (
    client_hints,
    names,
    network,
    proxies,
    relays,
    resolvers,
    signalling,
    state,
    tunnels,
)
from pcapleak.track.flows.table import FlowTable
from pcapleak.track.ice import browsers, signalled
from pcapleak.values.packets import Context, Endpoint, Interface

SLACK = 1.15
"""Tables grow by doubling, and arithmetic is rounded."""


def address(number: int) -> IPv6Address:
    return IPv6Address(0x2001_0DB8 << 96 | number)


def context(number: int, flow: int | None = None) -> Context:
    """Another client, another server and another flow for each number."""
    flow = 1_000_000 + number if flow is None else flow
    client, server = Endpoint(address(number), 40_000), Endpoint(address(1 << 40 | number), 3478)
    time_ns = 10**18 + number
    return Context(1_000_000 + number, time_ns, 0, 0, "udp", client, server, flow, True)


def back(number: int, flow: int | None = None) -> Context:
    """The answer's."""
    there = context(number, flow)
    return there._replace(source=there.destination, destination=there.source, forward=False)


def text(number: int, size: int) -> str:
    return f"{number:012}".ljust(size, "x")


def stun(kind: int, number: int, *attributes: tuple[int, bytes]) -> StunMessage:
    body = b"".join(
        code.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)
        for code, value in attributes
    )
    head = kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42"
    return decode_stun(head + number.to_bytes(12, "big") + body)


def dns(
    protocol: DnsProtocol, questions: tuple[Question, ...], answers: tuple[Record, ...] = ()
) -> DnsMessage:
    response = bool(answers)
    return DnsMessage(
        1, response, 0, False, False, True, 0, questions, answers, (), (), protocol=protocol
    )


# Fillers give the tracker, adding something new each time they are asked.


def leases() -> Iterator[network.NetworkTracker]:
    tracker = network.NetworkTracker()
    for number in count(1):
        many = tuple(IPv4Address(number * 20 + each) for each in range(20))
        routes = tuple((IPv4Network(each), each) for each in many)
        tracker.add(
            context(number),
            DhcpMessage("ack", number, b"\2" * 16, None, IPv4Address(number), many[0],
                        IPv4Address("255.255.255.0"), many, many, routes, 60, ()),
        )  # fmt: skip
        yield tracker


def routers() -> Iterator[network.NetworkTracker]:
    tracker = network.NetworkTracker()
    for number in count(1):
        told = [
            struct.pack("!BBBBIIIQQ", 3, 4, 64, 0xC0, 60, 60, 0, number * 20 + each, 0)
            for each in range(20)
        ]
        options = tuple((3, option) for option in told)
        tracker.add(context(number), RouterAdvertisement(60, options, valid=True))
        yield tracker


def asked_proxies(own: int) -> Iterator[proxies.ProxyTable]:
    """Requests of new clients for new places, `own` of them to each proxy."""
    table = proxies.ProxyTable()
    for number in count(1):
        there = context(number)._replace(destination=context(number // own).destination)
        table.add(there, SocksRequest(5, "connect", text(number, 300), 80))
        yield table


def bound_proxies() -> Iterator[proxies.ProxyTable]:
    """Proxies that tell another bound address each time."""
    table = proxies.ProxyTable()
    for number in count(1):
        there, here = context(number // 250, number), back(number // 250, number)
        table.add(there, SocksRequest(5, "connect", "a", 80))
        table.add(here, SocksReply(5, 0, Endpoint(address(number), 80)))
        yield table


def initiations(own: int) -> Iterator[tunnels.TunnelTracker]:
    """WireGuard initiations without an answer, `own` in each tunnel."""
    tracker = tunnels.TunnelTracker()
    for number in count(1):
        there = context(number // own)._replace(frame=10**6 + number, ts_ns=10**18 + number)
        tracker.add(there, WireGuardMessage("initiation", number, None, 148))
        yield tracker


def handshakes() -> Iterator[tunnels.TunnelTracker]:
    tracker = tunnels.TunnelTracker()
    for number in count(1):
        there, here = context(number // 100), back(number // 100)
        when = {"frame": 10**6 + number, "ts_ns": 10**18 + number}
        tracker.add(there._replace(**when), WireGuardMessage("initiation", number, None, 148))
        tracker.add(here._replace(**when), WireGuardMessage("response", None, number, 92))
        yield tracker


def claimed() -> Iterator[client_hints.ClaimTracker]:
    tracker = client_hints.ClaimTracker()
    for number in count(1):
        tracker.note(context(number), "language", text(number, 5000))
        yield tracker


def user_agents() -> Iterator[browsers.BrowserEvidence]:
    evidence = browsers.BrowserEvidence()
    for number in count(1):
        said = f"Chrome/{text(number, 4000)}"
        evidence.add(context(number), HttpRequest("GET", "/", "1.1", (("user-agent", said),)))
        yield evidence


def candidate_lines() -> Iterator[signalling.SignallingTracker]:
    tracker = signalling.SignallingTracker()
    for number in count(1):
        line = f"a=candidate:{number} 1 udp 1 192.0.2.1 9 typ host x {text(number, 900)}\r\n"
        tracker.text(context(number), "http", line.encode())
        yield tracker


def allocations() -> Iterator[relays.RelayTable]:
    table = relays.RelayTable()
    for number in count(1):
        relayed = (0x16, b"\0\1\0\0" + number.to_bytes(4, "big"))
        list(table.unpack(back(number), stun(0x103, number, relayed)))
        bind = (0x0C, b"\x40\0\0\0"), (0x12, b"\0\1\0\0" + number.to_bytes(4, "big"))
        list(table.unpack(context(number), stun(9, number, *bind)))
        yield table


def checks() -> Iterator[transactions.TransactionTable]:
    table = transactions.TransactionTable()
    for number in count(1):
        table.add(context(number), stun(1, number))
        yield table


def agents() -> Iterator[credentials.Credentials]:
    """Passwords of signalling, and the checks they prove."""
    known = credentials.Credentials()
    for number in count(1):
        pair = f"a=ice-ufrag:{text(number, 256)}\r\na=ice-pwd:{text(number, 256)}\r\n"
        known.learn(HttpRequest("POST", "/", "1.1", (), pair.encode()))
        known.prove(context(number), stun(1, number, (6, f"{text(number, 256)}:b".encode())))
        yield known


def users() -> Iterator[credentials.Credentials]:
    """Users of TURN, each with the realm of another server."""
    known = credentials.Credentials(credentials.Credential("password"))
    for number in count(1):
        user = (6, text(number, 512).encode()), (0x14, text(number, 512).encode())
        known.prove(context(number), stun(3, number, *user))
        yield known


def hello_pieces() -> Iterator[quic.QuicHellos]:
    joined = quic.QuicHellos()
    for number in count(1):
        piece = CryptoFragment(0, b"\x01\x00\x40\x00" + number.to_bytes(8, "big") + bytes(8000))
        joined.join(context(number), QuicInitial(1, bytes(8), b"", 0, (piece,)))
        yield joined


def hello_crumbs() -> Iterator[quic.QuicHellos]:
    """Hellos in as many pieces as are kept, of a byte each."""
    joined = quic.QuicHellos()
    for number in count(1):
        crumbs = tuple(CryptoFragment(2 * at, b"x"[:]) for at in range(500, 500 + 60))
        joined.join(context(number), QuicInitial(1, bytes(8), b"", 0, crumbs))
        yield joined


def gaps() -> Iterator[TcpStreams]:
    """Connections that wait for a segment, with tiny ones behind it: a hundred at a time."""
    streams, flows = TcpStreams(), FlowTable()
    dissector = Dissector([Interface(0, 0, 101)])
    said = [(1, b"GET /a"), *((100 + 2 * at, b"x") for at in range(30))]
    for first in count(0, 100):
        frames = [
            ipv4(tcp(data, 40_000, 80, seq), 6, str(IPv4Address(0x0A000000 + number)))
            for number in range(first, first + 100)
            for seq, data in said
        ]
        packets = dissector.dissect(batch_of(frames, 101))
        streams.update(packets, *flows.update(packets), flows)
        yield streams


def malformed() -> Iterator[state.MalformedLog]:
    log = state.MalformedLog()
    for number in count(1):
        log.add(number, DecodeError("stun", "attribute", number, text(number, 60)))
        yield log


def asked(own: int) -> Iterator[resolvers.ResolverTracker]:
    """Questions for the longest names there are, `own` to each resolver."""
    tracker = resolvers.ResolverTracker()
    for number in count(1):
        there = context(number // own, number)
        message = dns("dns", (Question(text(number, 253), 1, 1, False),))
        tracker.add(there, message)
        yield tracker


def answered() -> Iterator[resolvers.ResolverTracker]:
    tracker = resolvers.ResolverTracker()
    for number in count(1):
        name = text(number // 20, 253)
        records = tuple(
            Record(name, AAAA, 1, False, 60, b"", address(number * 20 + each).packed)
            for each in range(20)
        )
        message = dns("dns", (Question(name, 1, 1, False),), records)
        ask = dns("dns", (Question(name, 1, 1, False),), ())._replace(is_response=False)
        tracker.add(context(number // 1000, 7), ask)
        tracker.add(back(number // 1000, 7), message)
        yield tracker


def told_names(own: int) -> Iterator[names.NameTracker]:
    """Names announced by new hosts for new addresses, `own` announcements for each."""
    tracker = names.NameTracker()
    for number in count(1):
        name = text(number // own, 247) + ".local"
        record = Record(name, AAAA, 1, True, 60, address(number), b"")
        tracker.add(context(number), dns("mdns", (), (record,)))
        yield tracker


def kept(*names_: str) -> Callable[[Any], int]:
    """The size of the last of these attributes of one another."""

    def size(tracker: Any) -> int:
        for name in names_:
            tracker = getattr(tracker, name)
        return len(tracker)

    return size


class Table(NamedTuple):
    """How to fill a table, how often, which texts say what memory it takes, and its sizes."""

    fill: Callable[[], Iterator[Any]]
    times: int
    texts: str
    sizes: dict[str, Callable[[Any], int]]


TABLES: dict[str, Table] = {
    "network.leases": Table(
        leases, 5000, "MAX_FACTS MAX_ALL_ENTRIES",
        {"MAX_FACTS": kept("_leases"), "MAX_ALL_ENTRIES": lambda found: found._entries},
    ),
    "network.routers": Table(
        routers, 5000, "MAX_FACTS MAX_ALL_ENTRIES",
        {"MAX_FACTS": kept("_routers"), "MAX_ALL_ENTRIES": lambda found: found._entries},
    ),
    "proxies.proxies": Table(
        partial(asked_proxies, 1), 12_000, "MAX_PROXIES MAX_OPEN",
        {"MAX_PROXIES": kept("_proxies")},
    ),
    "proxies.destinations": Table(
        partial(asked_proxies, 200), 60_000, "MAX_PROXIES MAX_ALL_DETAILS MAX_OPEN",
        {"MAX_ALL_DETAILS": lambda found: found._details, "MAX_OPEN": kept("_open")},
    ),
    "proxies.bound": Table(
        bound_proxies, 110_000, "MAX_PROXIES MAX_ALL_DETAILS",
        {"MAX_ALL_DETAILS": lambda found: found._details},
    ),
    "tunnels.tunnels": Table(
        partial(initiations, 1), 5000, "MAX_TUNNELS", {"MAX_TUNNELS": kept("_tunnels")}
    ),
    "tunnels.attempts": Table(
        partial(initiations, 60), 230_000, "MAX_TUNNELS MAX_ALL_ATTEMPTS MAX_PENDING",
        {"MAX_ALL_ATTEMPTS": lambda found: found._attempts},
    ),
    "tunnels.handshakes": Table(
        handshakes, 51_000, "MAX_ALL_HANDSHAKES MAX_ALL_ATTEMPTS",
        {"MAX_ALL_HANDSHAKES": lambda found: found._handshakes},
    ),
    "client_hints.claims": Table(
        claimed, 5000, "MAX_CLAIMS", {"MAX_CLAIMS": kept("_claims")}
    ),
    "browsers.clients": Table(user_agents, 5000, "MAX_CLIENTS", {"MAX_CLIENTS": kept("clients")}),
    "signalling.lines": Table(candidate_lines, 11_000, "MAX_LINES", {"MAX_LINES": kept("_lines")}),
    "relays.allocations": Table(
        allocations, 11_000, "MAX_ALLOCATIONS", {"MAX_ALLOCATIONS": kept("allocations")}
    ),
    "transactions.transactions": Table(
        checks, 51_000, "MAX_TRANSACTIONS", {"MAX_TRANSACTIONS": kept("_known")}
    ),
    "credentials.agents": Table(
        agents, 11_000, "MAX_KNOWN", {"MAX_KNOWN": kept("_agents")}
    ),
    "credentials.users": Table(users, 11_000, "MAX_KNOWN", {"MAX_KNOWN": kept("_users")}),
    "quic.pieces": Table(
        hello_pieces, 1200, "MAX_HELLO_BYTES", {"MAX_OPEN_HELLOS": kept("_open")}
    ),
    "quic.crumbs": Table(
        hello_crumbs,
        1200,
        "MAX_HELLO_BYTES MAX_HELLO_PIECES",
        {"MAX_OPEN_HELLOS": kept("_open")},
    ),
    "state.malformed": Table(
        malformed, 1200, "MAX_MALFORMED", {"MAX_MALFORMED": kept("entries")}
    ),
    "resolvers.resolvers": Table(
        partial(asked, 1), 9000, "MAX_RESOLVERS MAX_ASKED", {"MAX_RESOLVERS": kept("_resolvers")}
    ),
    "resolvers.details": Table(
        partial(asked, 60), 60_000, "MAX_RESOLVERS MAX_ALL_DETAILS MAX_ASKED",
        {"MAX_ALL_DETAILS": lambda found: found._details},
    ),
    "resolvers.answers": Table(
        answered, 5100, "MAX_ANSWERS MAX_ASKED", {"MAX_ANSWERS": kept("_names_of")}
    ),
    "names.names": Table(
        partial(told_names, 1), 21_000, "MAX_NAMES", {"MAX_NAMES": kept("records")}
    ),
    "names.addresses": Table(
        partial(told_names, 16), 20_000, "MAX_NAMES MAX_SIGHTINGS",
        {"MAX_SIGHTINGS": lambda found: names.MAX_SIGHTINGS - found._budget.left},
    ),
}  # fmt: skip
"""By the module of the bounds and what is kept."""

MODULES: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        browsers, client_hints, credentials, names, network, proxies, quic, relays, resolvers,
        signalling, state, transactions, tunnels,
    )
}  # fmt: skip


def arithmetic(module: ModuleType, bound: str) -> float:
    """The megabytes that the text beside a bound ends in."""
    body = ast.parse(Path(str(module.__file__)).read_text()).body
    at = next(
        number
        for number, part in enumerate(body)
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == bound
    )
    after = body[at + 1]
    assert isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant), bound
    number, unit = re.findall(r"(\d+) ([kM])B", str(after.value.value))[-1]
    return int(number) / (1 if unit == "M" else 1000)


@pytest.mark.parametrize("name", TABLES)
def test_a_full_table_holds_what_its_bound_says(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = TABLES[name]
    module = MODULES[name.partition(".")[0]]
    gc.collect()
    tracemalloc.start()
    try:
        found = deque(islice(case.fill(), case.times), maxlen=1)[0]
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] / 1e6
    finally:
        tracemalloc.stop()
    sizes = {bound: size(found) for bound, size in case.sizes.items()}
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {', '.join(map(str, sizes.values()))} in {held:.1f} MB ")
    assert sizes == {bound: getattr(module, bound) for bound in sizes}
    assert held <= SLACK * sum(arithmetic(module, bound) for bound in case.texts.split())


@pytest.mark.parametrize("fragments", [1, 3000])
def test_what_is_made_of_signalled_lines_is_bounded(
    fragments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one session with all the lines, nor a session for each, costs more than a page's."""
    work = Counter[str]()

    def counted(name: str) -> None:
        function = getattr(signalled, name)

        def call(*arguments: object) -> object:
            work[name] += 1
            return function(*arguments) if name == "_same" else []

        monkeypatch.setattr(signalled, name, call)

    counted("_same")
    counted("bases_of_line")
    tracker = signalling.SignallingTracker()
    for number in range(3000):
        name = f"{number:08x}-bb2e-49bb-bb78-21c41c499900.local"
        line = f"candidate:{number} 1 udp 1 {name} {number} typ host ufrag u{number % fragments:06}"
        tracker.text(context(number % fragments), "http", line.encode())
    found = signalled.signalled_only([], tracker.lines())
    assert len(found) == fragments
    assert work["bases_of_line"] == signalled.MAX_PROVEN
    assert work["_same"] <= signalled.MAX_JOINED**2


def test_tiny_segments_that_wait_count_with_what_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table, "MAX_BUFFERED", 1 << 20)
    filler = gaps()
    next(filler)
    tracemalloc.start()
    try:
        for _ in range(9):
            streams = next(filler)
        assert tracemalloc.get_traced_memory()[0] < 3e6
    finally:
        tracemalloc.stop()
    assert streams.dropped > 500
