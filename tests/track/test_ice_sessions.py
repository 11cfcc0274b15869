"""Sessions joined from messages, whatever their order, and bounded whatever their number."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from itertools import permutations

import pytest
from ice_scene import (
    CHROME,
    COOKIE,
    FIREFOX,
    GROUP,
    NAME,
    RANDOM,
    SERVER,
    Scene,
    bare,
    check,
    end,
    stun,
)
from places import CAPTURES

from pcapleak import analyze
from pcapleak.decode.dns.message import A, DnsMessage, Record
from pcapleak.decode.web.http import HttpRequest
from pcapleak.report.document import IceSession
from pcapleak.track.ice import tracker


def shown(sessions: list[IceSession]) -> list[tuple[object, ...]]:
    return sorted(
        (session.ip_handling_mode.mode, one.type, one.mdns_name, one.address, one.port)
        for session in sessions
        for one in session.candidates
    )


def test_the_same_answer_whether_the_name_or_the_request_comes_first() -> None:
    steps = (
        lambda scene: scene.gather(1.0, end("192.0.2.7", 5000), end("203.0.113.9", 6000)),
        lambda scene: scene.announce(1.001, "192.0.2.7"),
        lambda scene: scene.announce(2.0, "192.0.2.7"),
    )
    answers = []
    for order in permutations(steps):
        scene = Scene()
        for step in order:
            step(scene)
        answers.append(shown(scene.sessions()))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0] == [
        (2, "host", NAME, "192.0.2.7", 5000),
        (2, "srflx", None, "203.0.113.9", 6000),
    ]


def test_a_pages_names_are_of_its_first_session_and_the_next_ones_have_them_from_it() -> None:
    """A page makes three connections 300 ms apart: Chromium announces with the first."""
    scene = Scene()
    for i in range(3):
        scene.gather(1.0 + i * 0.3, end("192.0.2.7", 5000 + i), end("203.0.113.9", 6000 + i))
    scene.announce(1.01, "192.0.2.7")
    first, *later = scene.sessions()
    assert first.ip_handling_mode.reasons == ["announced a .local name while gathering"]
    assert first.candidates[0].port == 5000
    for session in later:
        assert "earlier session" in session.ip_handling_mode.reasons[0]
        assert session.candidates[0].mdns_name == NAME


def test_a_name_announced_just_before_its_session_is_not_an_older_ones() -> None:
    scene = Scene()
    scene.gather(1.0, end("192.0.2.7", 5000), end("203.0.113.9", 6000))
    scene.gather(20.0, end("192.0.2.7", 5001), end("203.0.113.9", 6001))
    scene.announce(19.9, "192.0.2.7")
    old, new = scene.sessions()
    assert [one.mdns_name for one in old.candidates] == [None, None]
    assert new.candidates[0].mdns_name == NAME


def test_a_port_that_goes_on_over_another_interface_is_the_same_session() -> None:
    scene = Scene()
    scene.gather(1.0, end("10.66.0.2", 5000), end("198.51.100.40", 5000), interface=1)
    scene.gather(11.0, end("192.0.2.7", 5000), end("203.0.113.9", 5000))
    (session,) = scene.sessions()
    assert session.client_addresses == ["10.66.0.2", "192.0.2.7"]
    srflx = [one.address for one in session.candidates if one.type == "srflx"]
    assert srflx == ["198.51.100.40"]


def test_two_hosts_of_a_lan_that_use_one_port_are_two_sessions() -> None:
    scene = Scene()
    for at in (1.0, 5.0):
        scene.gather(at, end("192.168.1.2", 5000), end("203.0.113.9", 6000))
        scene.gather(at + 1, end("192.168.1.3", 5000), end("203.0.113.9", 6001))
    assert [session.client_addresses for session in scene.sessions()] == [
        ["192.168.1.2"],
        ["192.168.1.3"],
    ]


def test_both_families_of_a_gathering_are_one_session() -> None:
    scene = Scene()
    scene.gather(1.0, end("192.0.2.7", 5000), end("203.0.113.9", 6000))
    six = end("2001:db8::7", 5001)
    scene.ice.add(scene.context(1.4, six, end("2001:db8:ffff::10", 3478)), bare(77))
    (session,) = scene.sessions()
    assert session.client_addresses == ["192.0.2.7", "2001:db8::7"]


def test_the_families_of_neighbours_are_not_mixed() -> None:
    """One gathered over IPv4, the other checked over IPv6 just after: names tell whose is whose."""
    scene = Scene()
    ends = {host: end(f"2001:db8::{host}", 6000) for host in ("42", "43")}
    for number, (host, six) in enumerate(ends.items()):
        for family, address in enumerate((f"192.168.1.{host}", str(six.address))):
            name = f"{number}{family}99610c-4edf-4aec-8295-901d08808126.local"
            scene.announce(1.0, address, name, by=f"192.168.1.{host}")
    scene.gather(1.0, end("192.168.1.42", 5000), end("203.0.113.9", 5000))
    for tie, (host, peer) in enumerate((("43", "42"), ("42", "43")), 1):
        message = check(200 + tie, f"{peer}{peer}:{host}{host}", tie, (0, 999))
        scene.ice.add(scene.context(1.3 + tie / 1000, ends[host], ends[peer]), message)
    assert [set(session.client_addresses) for session in scene.sessions()] == [
        {"192.168.1.42", "2001:db8::42"},
        {"192.168.1.43", "2001:db8::43"},
    ]


def test_a_packet_recorded_before_and_behind_the_nat_is_one_candidate() -> None:
    scene = Scene()
    scene.gather(1.0, end("192.168.1.2", 5000), end("203.0.113.9", 5000))
    scene.gather(1.0, end("203.0.113.9", 5000), end("203.0.113.9", 5000), interface=1)
    (session,) = scene.sessions()
    hosts = [one.address for one in session.candidates if one.type == "host"]
    assert hosts == ["192.168.1.2"]


def test_tie_breakers_tell_two_sessions_of_one_instant_apart() -> None:
    scene = Scene()
    peer = end("203.0.113.50", 7000)
    for port, fragment, tie in ((5000, "AAAA", 1), (5001, "BBBB", 2)):
        scene.gather(1.0, end("192.0.2.7", port), end("203.0.113.9", port))
        message = check(100 + port, f"PPPP:{fragment}", tie, (0, 999))
        scene.ice.add(scene.context(1.2, end("192.0.2.7", port), peer), message)
    sessions = scene.sessions()
    assert [session.username_fragments for session in sessions] == [["AAAA"], ["BBBB"]]
    assert {session.role for session in sessions} == {"controlling"}


@pytest.mark.parametrize(
    ("network", "announced", "mode"),
    [((0, 999), True, 2), ((0, 999), False, None), ((1, 10), False, 1)],
)
def test_checks_tell_the_mode(network: tuple[int, int], announced: bool, mode: int | None) -> None:
    scene = Scene()
    here = end("192.0.2.7", 5000)
    scene.gather(1.0, here, end("203.0.113.9", 6000))
    if announced:
        scene.announce(1.1, "192.0.2.7")
    message = check(9, "PPPP:AAAA", 5, network)
    scene.ice.add(scene.context(1.5, here, end("203.0.113.50", 7000)), message)
    (session,) = scene.sessions()
    assert session.engine == "chromium"
    assert session.ip_handling_mode.mode == mode
    assert session.ip_handling_mode.reasons


def test_without_evidence_neither_engine_nor_mode_is_claimed() -> None:
    scene = Scene()
    scene.gather(1.0, end("192.0.2.7", 5000), end("203.0.113.9", 6000), first=RANDOM)
    (session,) = scene.sessions()
    assert (session.engine, session.engine_confidence) == ("unknown", None)
    assert session.ip_handling_mode.mode is None
    assert session.ip_handling_mode.reasons


@pytest.mark.parametrize(("wait_s", "engine"), [(0.1, "firefox"), (0.25, "chromium")])
def test_retransmission_timers_tell_the_engine(wait_s: float, engine: str) -> None:
    scene = Scene()
    here = end("192.0.2.7", 5000)
    for at in (1.0, 1.0 + wait_s):
        number = RANDOM + 7 if engine == "firefox" else 7
        scene.ice.add(scene.context(at, here, SERVER), bare(number))
    (session,) = scene.sessions()
    assert session.engine == engine


def allocate_through_proxy(agent: str | None) -> IceSession:
    """TURN over TCP inside SOCKS, by a browser that names itself or by none that does."""
    scene = Scene()
    here, relay = end("192.0.2.7", 40000), end("198.51.100.10", 50000)
    proxied = {"transport": "tcp", "layers": ("socks",)}
    number = 1 if agent == CHROME else RANDOM
    request = stun(0x0003, number, (0x0019, b"\x11\0\0\0"))
    scene.ice.add(scene.context(1.0, here, SERVER, **proxied), request)
    xored = [
        struct.pack("!BBHI", 0, 1, one.port ^ COOKIE >> 16, int(one.address) ^ COOKIE)
        for one in (relay, end("198.51.100.30", 47495))
    ]
    answer = stun(0x0103, number, (0x0016, xored[0]), (0x0020, xored[1]))
    scene.ice.add(scene.context(1.1, SERVER, here, **proxied), answer)
    if agent is not None:
        page = HttpRequest("GET", "/", "1.1", (("User-Agent", agent),))
        scene.ice.add(scene.context(0.5, here, SERVER, **proxied), page)
    (session,) = scene.sessions()
    return session


def test_turn_over_tcp_through_the_proxy_alone_is_mode_4() -> None:
    session = allocate_through_proxy(CHROME)
    assert session.ip_handling_mode.mode == 4
    assert session.ip_handling_mode.confidence == "high"
    assert session.candidate_set_shape.shape == "relay-only"
    (candidate,) = session.candidates
    assert candidate.line == (
        "candidate:? 1 udp 16785407 198.51.100.10 50000 typ relay raddr 198.51.100.30 "
        "rport 47495 generation 0 ufrag ? network-cost 999"
    )


def test_turn_over_tcp_through_the_proxy_says_nothing_of_firefoxs_setting() -> None:
    """Firefox announces no names and asks nobody else: its page read hidden hosts too."""
    session = allocate_through_proxy(FIREFOX)
    assert session.engine == "firefox"
    assert session.ip_handling_mode.mode is None
    assert "Firefox" in session.ip_handling_mode.reasons[0]
    assert session.candidate_set_shape.shape == "unknown"
    assert [one.type for one in session.candidates] == ["relay"]


def test_turn_over_tcp_through_the_proxy_by_an_unknown_engine_may_be_firefox() -> None:
    session = allocate_through_proxy(None)
    assert session.engine == "unknown"
    assert (session.ip_handling_mode.mode, session.ip_handling_mode.confidence) == (4, "medium")


def test_sockets_opened_one_after_the_other_for_media_sections_are_one_session() -> None:
    """Firefox opens one for each component of each section, Ta apart: 20 ms, five times."""
    scene = Scene()
    for i in range(5):
        scene.gather(1.0 + i * 0.02, end("192.0.2.7", 5000 + i), end("203.0.113.9", 6000 + i))
    (session,) = scene.sessions()
    assert [one.port for one in session.candidates if one.type == "srflx"] == [*range(6000, 6005)]


def test_where_only_ipv6_was_used_no_name_can_be_missed() -> None:
    """Chromium announces by IPv4: a host without it keeps its host candidates to itself."""
    scene = Scene()
    server, here = end("2001:db8::9", 3478), end("2001:db8::7", 5000)
    scene.ice.add(scene.context(1.0, here, server), bare(7))
    scene.ice.add(scene.context(1.25, here, server), bare(7))
    (session,) = scene.sessions()
    assert session.engine == "chromium"
    assert (session.ip_handling_mode.mode, session.ip_handling_mode.confidence) == (2, "low")
    assert session.candidates == []
    assert session.candidate_set_shape.shape == "unknown"


def test_a_socket_opened_after_a_pause_is_another_session() -> None:
    scene = Scene()
    for at_s, port in ((1.0, 5000), (1.02, 5001), (1.12, 5002)):
        scene.gather(at_s, end("192.0.2.7", port), end("203.0.113.9", port))
    assert len(scene.sessions()) == 2


@pytest.mark.parametrize(
    ("kind", "attribute", "name"),
    [
        (0x0001, (0x0003, b"\0\0\0\x06"), "CHANGE-REQUEST"),
        (0x0003, (0x0018, b"\x80"), "EVEN-PORT"),
        (0x0003, (0x001A, b""), "DONT-FRAGMENT"),
    ],
)
def test_requests_no_browser_sends_are_no_browsers(
    kind: int, attribute: tuple[int, bytes], name: str
) -> None:
    scene = Scene()
    here = end("192.0.2.7", 5000)
    scene.gather(1.0, here, end("203.0.113.9", 6000))
    scene.ice.add(scene.context(1.5, here, SERVER), stun(kind, 9, attribute))
    page = HttpRequest("GET", "/", "1.1", (("User-Agent", CHROME),))
    scene.ice.add(scene.context(0.5, here, SERVER, transport="tcp"), page)
    (session,) = scene.sessions()
    assert session.engine == "other"
    assert name in session.engine_reason
    assert session.ip_handling_mode.mode is None


@pytest.mark.parametrize(
    ("name", "priority"), [("libdatachannel-call", None), ("webrtcbin-call", None),
                           ("data-channel", 2113937151)]
)  # fmt: skip
def test_a_checks_priority_tells_the_candidates_of_browsers_alone(
    name: str, priority: int | None
) -> None:
    """libnice and libjuice give their candidates another local or type preference."""
    sessions = analyze(CAPTURES / f"{name}.pcapng").document.ice_sessions
    (host,) = (
        one
        for session in sessions
        if "192.168.50.42" in session.client_addresses
        for one in session.candidates
        if one.type == "host" and one.port is not None
    )
    assert host.priority == priority


def test_a_name_without_packets_is_a_session_with_an_inferred_candidate() -> None:
    scene = Scene()
    scene.announce(1.0, "10.66.0.2")
    (session,) = scene.sessions()
    (candidate,) = session.candidates
    assert (candidate.address, candidate.port, candidate.evidence) == (
        "10.66.0.2",
        None,
        "inferred",
    )
    assert session.ip_handling_mode.mode == 2


def test_a_name_that_was_only_answered_for_is_one_sessions_alone() -> None:
    scene = Scene()
    for port, fragment, tie in ((5000, "aaaaaaaa", 1), (5001, "bbbbbbbb", 2)):
        here = end("192.0.2.7", port)
        scene.gather(1.0, here, end("203.0.113.9", port), first=RANDOM)
        message = check(RANDOM + port, f"cccccccc:{fragment}", tie, None)
        scene.ice.add(scene.context(1.2, here, end("203.0.113.50", 7000)), message)
    record = Record(NAME, A, 1, True, 120, ip_address("192.0.2.7"), b"")
    answer = DnsMessage(7, True, 0, True, False, False, 0, (), (record,), (), ())
    scene.names.add(scene.context(1.3, end("192.0.2.7", 5353), GROUP), answer)
    sessions = scene.sessions()
    assert {session.engine for session in sessions} == {"firefox"}
    links = [one.mdns_link for session in sessions for one in session.candidates if one.mdns_name]
    assert [link.confidence for link in links if link is not None] == ["low"]


def test_an_icmp_quote_is_no_message_of_the_session() -> None:
    scene = Scene()
    quoted = scene.context(1.0, end("192.0.2.7", 5000), SERVER, layers=("icmp-quote",))
    scene.ice.add(quoted, bare(1))
    assert scene.sessions() == []


def test_what_is_signalled_completes_what_packets_show() -> None:
    scene = Scene()
    here = end("192.0.2.7", 5000)
    scene.gather(1.0, here, end("203.0.113.9", 6000))
    message = check(9, "PPPP:AAAA", 5, (0, 999))
    scene.ice.add(scene.context(1.5, here, end("203.0.113.50", 7000)), message)
    line = f"candidate:1 1 udp 2113937151 {NAME} 5000 typ host ufrag AAAA"
    post = HttpRequest("POST", "/", "1.1", (), line.encode())
    scene.signalling.add(scene.context(2.0, here, SERVER), post)
    (session,) = scene.sessions()
    host = next(one for one in session.candidates if one.mdns_name == NAME)
    assert (host.address, host.port, host.evidence) == ("192.0.2.7", 5000, "observed")
    assert host.line == line
    assert host.mdns_link is not None
    assert host.mdns_link.confidence == "certain"


def test_messages_are_counted_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "MAX_LINKS", 3)
    scene = Scene()
    for number in range(50):
        here = end("192.0.2.7", 5000 + number % 5)
        scene.ice.add(scene.context(number, here, SERVER), bare(number))
    assert len(scene.ice.links) == 3
    assert scene.ice.forgotten == 20
    link = next(iter(scene.ice.links.values()))
    assert link.bare is not None
    assert link.bare.count == 10


def test_what_a_relay_forwards_is_part_of_the_session_it_was_allocated_for() -> None:
    """Of a call that may use relays only: its checks leave from the relayed address."""
    path = CAPTURES / "turn-call.pcapng"
    first, *others = analyze(path).document.ice_sessions
    relays = {(one.address, one.port) for one in first.candidates if one.type == "relay"}
    assert first.tie_breakers
    assert first.username_fragments
    assert any(pair.startswith(f"{address}:{port} ") for pair in first.nominated
               for address, port in relays)  # fmt: skip
    assert all(address not in one.client_addresses for one in others for address, _ in relays)


def clients_and_server(names: tuple[str, str], ties: tuple[int, ...]) -> list[IceSession]:
    """Clients, one for each tie-breaker, that check a server and are checked by it; `names` are
    the fragments of the clients and of the server."""
    scene = Scene()
    for number, tie in enumerate(ties):
        here = end(f"192.0.2.{7 + number}", 5000 + number)
        own, peer = (name.format(number) for name in names)
        asked = check(100 + number, f"{peer}:{own}", tie, None)
        back = check(200 + number, f"{own}:{peer}", 99, None)
        scene.ice.add(scene.context(1 + 60 * number, here, SERVER), asked)
        scene.ice.add(scene.context(1.1 + 60 * number, SERVER, here), back)
    return scene.sessions()


def test_a_constant_username_fragment_joins_nothing() -> None:
    """Three clients and a server whose program has one for all of them."""
    found = clients_and_server(("CONSTANT", "CONSTANT"), (1, 2, 3))
    clients = [one.client_addresses for one in found if "198.51.100.10" not in one.client_addresses]
    assert clients == [["192.0.2.7"], ["192.0.2.8"], ["192.0.2.9"]]


def test_a_fragment_that_a_stranger_repeats_joins_nothing() -> None:
    found = clients_and_server(("AAAA", "PPP{}"), (1, 2))
    assert all(len(one.client_addresses) == 1 for one in found)


def test_a_fragment_of_ones_own_joins_its_sockets() -> None:
    """One tie-breaker, on two addresses of one host."""
    found = clients_and_server(("AAAA", "PPPP"), (1, 1))
    assert ["192.0.2.7", "192.0.2.8"] in [one.client_addresses for one in found]


def test_who_asks_a_client_behind_a_nat_is_its_peer() -> None:
    """WhatsApp's calls check by requests without a username, both ways."""
    scene = Scene()
    here, there = end("192.168.1.2", 5000), end("198.51.100.77", 32704)
    scene.ice.add(scene.context(1.0, here, there), bare(1))
    scene.ice.add(scene.context(1.1, there, here), bare(2))
    assert [one.candidates != [] for one in scene.sessions()] == [True, False]


def test_who_asks_a_server_of_a_private_network_is_a_client() -> None:
    scene = Scene()
    scene.gather(1.0, end("203.0.113.7", 5000), end("203.0.113.7", 5000))
    scene.ice.add(scene.context(9.0, end("203.0.113.8", 5000), end("10.0.0.1", 3478)), bare(9))
    assert all(one.candidates for one in scene.sessions())
