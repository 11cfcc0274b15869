"""Names of multicast DNS: which are WebRTC's, whose they are, and how long they live."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from ice_support import state_of

from pcapleak.decode.dns.message import (
    AAAA,
    ANY,
    NSEC,
    SRV,
    A,
    DnsMessage,
    NsecData,
    Question,
    Record,
    SrvData,
)
from pcapleak.report.document import MdnsName
from pcapleak.report.webrtc import name_entry
from pcapleak.track.names import MAX_ARRIVING, MAX_NAMES, MAX_SIGHTINGS, NameTracker
from pcapleak.values.packets import Context, Endpoint, Interface

NAME = "aa99610c-4edf-4aec-8295-901d08808126.local"
GROUP = Endpoint(ip_address("224.0.0.251"), 5353)
HOST = "192.0.2.7"


def context(frame: int, at_s: float = 0.0, source: str = HOST, interface: int = 0) -> Context:
    sender = Endpoint(ip_address(source), 5353)
    return Context(frame, int(at_s * 1e9), interface, 0, "udp", sender, GROUP, 0, True)


def address(name: str, text: str, ttl_s: int = 120) -> Record:
    value = ip_address(text)
    return Record(name, A if value.version == 4 else AAAA, 1, True, ttl_s, value, b"")


def nsec(name: str) -> Record:
    return Record(name, NSEC, 1, True, 120, NsecData(name, (A,)), b"")


def response(*answers: Record, additionals: tuple[Record, ...] = ()) -> DnsMessage:
    return DnsMessage(0, True, 0, True, False, False, 0, (), answers, (), additionals)


def query(name: str, kind: int = A) -> DnsMessage:
    questions = (Question(name, kind, 1, False),)
    return DnsMessage(0, False, 0, False, False, False, 0, questions, (), (), ())


def reported(tracker: NameTracker, interfaces: Sequence[Interface] = ()) -> list[MdnsName]:
    return [name_entry(record, interfaces) for record in tracker.names()]


def test_an_announcement_tells_address_announcer_and_engine() -> None:
    tracker = NameTracker()
    for frame, at in ((3, 1.0), (9, 2.0)):
        message = response(address(NAME, HOST), additionals=(nsec(NAME),))
        tracker.add(context(frame, at, interface=1), message)
    interfaces = [Interface(0, 0, 1, "lo"), Interface(1, 0, 1, "eth0")]
    (entry,) = reported(tracker, interfaces)
    assert (entry.name, entry.addresses, entry.announcer) == (NAME, [HOST], HOST)
    assert (entry.interfaces, entry.ttl_s, entry.goodbye) == (["eth0"], 120, False)
    assert (entry.first_time, entry.last_time, entry.frames) == (10**9, 2 * 10**9, [3, 9])
    engine = tracker.records[NAME].engine
    assert engine is not None
    assert engine[0] == "chromium"


def test_an_answer_without_nsec_to_a_question_is_firefox() -> None:
    tracker = NameTracker()
    tracker.add(context(1, 0.0, "192.0.2.8"), query(NAME))
    tracker.add(context(2, 0.02), response(address(NAME, HOST)))
    engine = tracker.records[NAME].engine
    assert engine is not None
    assert engine[0] == "firefox"
    (entry,) = reported(tracker)
    assert (entry.queried_by, entry.announcer) == (["192.0.2.8"], HOST)


def test_a_name_that_is_only_asked_for_has_no_address() -> None:
    tracker = NameTracker()
    tracker.add(context(1), query(NAME.upper()))
    (entry,) = reported(tracker)
    assert (entry.name, entry.addresses, entry.announcer) == (NAME, [], None)
    assert entry.queried_by == [HOST]


def test_a_goodbye_takes_no_name_away() -> None:
    tracker = NameTracker()
    tracker.add(context(1, 0.0), response(address(NAME, HOST)))
    tracker.add(context(2, 9.0), response(address(NAME, HOST, ttl_s=0)))
    (entry,) = reported(tracker)
    assert entry.goodbye
    assert entry.addresses == [HOST]


def test_a_goodbye_alone_names_the_address_it_takes_back() -> None:
    tracker = NameTracker()
    tracker.add(context(4, 3.0), response(address(NAME, HOST, ttl_s=0)))
    (entry,) = reported(tracker)
    assert (entry.addresses, entry.announcer, entry.goodbye) == ([HOST], HOST, True)
    assert (entry.first_time, entry.frames, entry.ttl_s) == (3 * 10**9, [4], None)


def test_a_probe_claims_a_name_and_asks_nobody_for_it() -> None:
    tracker = NameTracker()
    claim = (address(NAME, HOST),)
    questions = (Question(NAME, ANY, 1, True),)
    probe = DnsMessage(0, False, 0, False, False, False, 0, questions, (), claim, ())
    tracker.add(context(1), probe)
    (entry,) = reported(tracker)
    assert (entry.addresses, entry.queried_by) == ([HOST], [])


def test_what_an_asker_knows_already_is_no_announcement_of_its_own() -> None:
    tracker = NameTracker()
    known = query(NAME)
    tracker.add(context(1), known._replace(answers=(address(NAME, "192.0.2.8"),)))
    (entry,) = reported(tracker)
    assert (entry.addresses, entry.queried_by) == ([], [HOST])


@pytest.mark.parametrize(
    "name",
    [
        "printer.local",
        "aa99610c-4edf-1aec-8295-901d08808126.local",  # version 1
        "aa99610c-4edf-4aec-8295-901d08808126.sub.local",
        "aa99610c-4edf-4aec-8295-901d08808126.example",
    ],
)
def test_other_names_are_no_webrtc_names(name: str) -> None:
    tracker = NameTracker()
    tracker.add(context(1), response(address(name, HOST)))
    assert reported(tracker) == []


@pytest.mark.parametrize("service_first", [True, False])
def test_a_service_target_is_a_device_whatever_its_name(service_first: bool) -> None:
    service = Record(
        "Cast-1._googlecast._tcp.local", SRV, 1, True, 120, SrvData(0, 0, 8009, NAME), b""
    )
    messages = [response(service), response(address(NAME, HOST))]
    tracker = NameTracker()
    for frame, message in enumerate(messages if service_first else reversed(messages)):
        tracker.add(context(frame), message)
    assert reported(tracker) == []


def test_a_safari_name_with_a_counter_is_one() -> None:
    tracker = NameTracker()
    tracker.add(context(1), response(address(NAME.replace(".local", "12.local"), HOST)))
    (entry,) = reported(tracker)
    assert entry.uuid == NAME.removesuffix(".local")


def test_names_are_bounded_and_the_rest_is_counted() -> None:
    tracker = NameTracker()
    for number in range(MAX_NAMES + 3):
        tracker.add(context(number), query(f"{number:08x}-4edf-4aec-8295-901d08808126.local"))
    assert len(tracker.records) == MAX_NAMES
    assert tracker.forgotten == 3


def test_names_of_others_are_few_and_no_reason_to_forget_the_hosts_own() -> None:
    tracker = NameTracker()
    inbound, outbound = (context(1)._replace(direction=way) for way in (1, 2))
    for number in range(MAX_ARRIVING + 5):
        name = NAME.replace("aa99610c", f"{number:08x}")
        tracker.add(inbound, response(address(name, "192.0.2.9"), nsec(name)))
    assert (len(tracker.records), tracker.forgotten) == (MAX_ARRIVING, 5)
    tracker.add(outbound, response(address(NAME, HOST), nsec(NAME)))
    assert (len(tracker.records), tracker.forgotten) == (MAX_ARRIVING + 1, 5)
    # So it is with what they say of one name, beyond the first of each.
    for number in range(1, 15):
        tracker.add(inbound, response(address(name := f"{number:08x}{NAME[8:]}", "192.0.2.10")))
        tracker.add(inbound, response(address(name, "192.0.2.11")))
    assert tracker._arriving.left == MAX_ARRIVING - 4 * 14
    assert tracker._budget.left == MAX_SIGHTINGS


def test_wildcard_names_of_a_real_browser_are_told_apart(browser: Path) -> None:
    state = state_of(browser / "direct.pcapng")
    entries = reported(state.names, state.interfaces)
    assert len(entries) == 4
    hidden = {entry.addresses[0]: entry.name for entry in entries}
    assert set(hidden) == {"192.168.50.42", "2001:db8:50::42", "0.0.0.0", "::"}
    wildcards = {name for name, one in state.names.records.items() if one.is_wildcard}
    assert wildcards == {hidden["0.0.0.0"], hidden["::"]}
    shown = {c.mdns_name for s in state.ice.sessions(state) for c in s.candidates}
    assert not wildcards & shown
