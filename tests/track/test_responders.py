"""Names and sessions: Chromium's responder sends one packet a second, in order."""

from __future__ import annotations

from itertools import combinations

import pytest
from ice_scene import FIREFOX, GROUP, RANDOM, SERVER, Scene, bare, check, end, mapped

from pcapleak.decode.dns.message import decode_dns
from pcapleak.decode.web.http import HttpRequest
from pcapleak.report.document import Candidate

HERE = "192.0.2.7"
SIX = "2001:db8::7"


def named(number: int) -> str:
    return f"{number:08x}-4edf-4aec-8295-901d08808126.local"


def queue(
    scene: Scene, asked: list[tuple[float, int]], late: float = 0.003, span: float = 0.0
) -> None:
    """What a responder sends that is asked for four names at each time, the last two `span`
    later: one packet a second, in order, and nothing that would wait for more than ten."""
    due = 0.0
    for at_s, number in asked:
        for kind, address in enumerate((HERE, SIX, "0.0.0.0", "::")):
            when = at_s + span * (kind > 1)
            for _ in range(2):
                slot = max(when, due)
                if slot - when > 10:
                    continue
                scene.announce(slot + late, address, named(4 * number + kind), by=HERE)
                due = slot + 1


def joined(scene: Scene) -> list[dict[str, Candidate]]:
    """The host candidates of each session, by name."""
    return [
        {one.mdns_name: one for one in session.candidates if one.mdns_name}
        for session in scene.sessions()
    ]


def right(number: int, names: dict[str, Candidate]) -> bool:
    return names.keys() <= {named(4 * number), named(4 * number + 1)}


@pytest.mark.parametrize("every", [1.0, 1.3, 2.0, 2.7, 4.0, 6.0, 9.0, 20.0])
@pytest.mark.parametrize("times", [2, 5, 9])
def test_a_reloaded_pages_names_are_its_own_however_far_the_queue_lags(
    every: float, times: int
) -> None:
    scene = Scene()
    asked = [(1.0 + every * number, number) for number in range(times)]
    for at_s, number in asked:
        scene.gather(at_s - 0.001, end(HERE, 5000 + number), end("203.0.113.9", 5000 + number))
    queue(scene, asked)
    found = joined(scene)
    assert len(found) == times
    assert all(right(number, names) for number, names in enumerate(found))
    links = [one.mdns_link for names in found for one in names.values()]
    assert links
    assert {link.confidence for link in links if link} == {"high"}


class LateScene(Scene):
    """One whose recording begins at a time, after some of what was announced."""

    start_s = 0.0

    def announce(self, at_s: float, address: str, name: str = "", by: str = HERE) -> None:
        if at_s >= self.start_s:
            super().announce(at_s, address, name, by)


@pytest.mark.parametrize("every", [1.0, 1.5, 2.0, 3.0, 5.0])
def test_no_join_is_sure_where_the_queue_was_at_work_when_the_recording_began(
    every: float,
) -> None:
    """What is announced first may be of a load of before, and all after it of another."""
    wrong: set[str] = set()
    for quarter in range(60):
        scene = LateScene()
        scene.start_s = 0.3 + quarter / 4
        asked = [(1.0 + every * number, number) for number in range(6)]
        for at_s, number in asked:
            if at_s - 0.001 >= scene.start_s:
                seen_as = end("203.0.113.9", 5000 + number)
                scene.gather(at_s - 0.001, end(HERE, 5000 + number), seen_as)
        queue(scene, asked)
        for names in joined(scene):
            for one in names.values():
                if one.port is not None and not right(one.port - 5000, {one.mdns_name or "": one}):
                    assert one.mdns_link is not None
                    wrong.add(str(one.mdns_link.confidence))
    assert wrong <= {"low"}


@pytest.mark.parametrize("apart", [0.06, 0.2, 0.5, 0.9])
def test_two_profiles_are_told_apart_by_their_seconds(apart: float) -> None:
    scene = Scene()
    for number, at_s in enumerate((1.0, 1.0 + apart)):
        scene.gather(at_s - 0.001, end(HERE, 5000 + number), end("203.0.113.9", 5000 + number))
        queue(scene, [(at_s, number)])
    assert all(right(number, names) for number, names in enumerate(joined(scene)))


def test_names_of_profiles_that_gather_at_once_are_low() -> None:
    scene = Scene()
    for number, at_s in enumerate((1.0, 1.02)):
        scene.gather(at_s - 0.001, end(HERE, 5000 + number), end("203.0.113.9", 5000 + number))
        scene.announce(at_s, HERE, named(4 * number), by=HERE)
    links = [one.mdns_link for names in joined(scene) for one in names.values()]
    assert {link.confidence for link in links if link} == {"low"}


def test_a_join_that_several_sessions_fit_is_low_and_names_the_others() -> None:
    """One batch waits behind another, and two sessions can have asked for it."""
    scene = Scene()
    for number, at_s in enumerate((1.0, 3.0, 6.0)):
        scene.gather(at_s, end(HERE, 5000 + number), end("203.0.113.9", 5000 + number))
    for at_s in (1.001, 2.001):
        scene.announce(at_s, HERE, named(0), by=HERE)
        scene.announce(at_s + 2, SIX, named(1), by=HERE)
        scene.announce(at_s + 4, "0.0.0.0", named(2), by=HERE)
        scene.announce(at_s + 6, HERE, named(4), by=HERE)
    _, second, third = scene.sessions()
    (link,) = [one.mdns_link for one in second.candidates if one.mdns_name == named(4)]
    assert link is not None
    assert link.confidence == "low"
    assert third.id in link.reasons[0]


def test_another_engines_socket_has_no_names_of_chromium() -> None:
    """Its transaction ids are random bytes, whatever browser was seen at the address."""
    scene = Scene()
    scene.gather(1.0, end(HERE, 5000), end("203.0.113.9", 5000))
    scene.gather(1.01, end(HERE, 5001), end("203.0.113.9", 5001), first=RANDOM)
    queue(scene, [(1.0, 0)])
    page = HttpRequest("GET", "/", "1.1", (("User-Agent", FIREFOX),))
    scene.ice.add(scene.context(0.5, end(HERE, 40000), SERVER, transport="tcp"), page)
    chromium, firefox = scene.sessions()
    assert (chromium.engine, firefox.engine) == ("chromium", "firefox")
    assert firefox.engine_confidence == "low"
    assert not [one for one in firefox.candidates if one.mdns_name]


def test_no_subset_of_the_announcements_makes_mode_3_or_a_high_wrong_name() -> None:
    asked = [(1.0, 0), (4.0, 1)]
    whole = Scene()
    queue(whole, asked)
    sent = sorted(
        (at_ns / 1e9, str(next(iter(record.addresses))), record.name)
        for record in whole.names.records.values()
        for at_ns, _ in record.times
    )
    for left in (some for size in (0, 1, 2, len(sent) - 1) for some in combinations(sent, size)):
        scene = Scene()
        for at_s, number in asked:
            scene.gather(at_s, end(HERE, 5000 + number), end("203.0.113.9", 5000 + number))
        for at_s, address, name in left:
            scene.announce(at_s, address, name, by=HERE)
        for session in scene.sessions():
            assert session.ip_handling_mode.mode != 3
            if not left:
                assert not [one for one in session.candidates if "?.local" in one.line]


def test_a_cut_announcement_tells_that_names_were_made() -> None:
    """At 96 bytes of a frame the name's first label is there, and no address."""
    label = named(1).partition(".")[0].encode()
    wire = b"\0\0\x84\0\0\0\0\1\0\0\0\1" + bytes((len(label),)) + label + b"\x05loca"
    for size, told in ((len(wire), True), (len(wire) - 5, True), (len(wire) - 6, False)):
        scene = Scene()
        scene.gather(1.0, end(HERE, 5000), end("203.0.113.9", 5000))
        scene.names.add(
            scene.context(1.1, end(HERE, 5353), SERVER), decode_dns(wire[:size], "mdns")
        )
        (session,) = scene.sessions()
        assert (session.ip_handling_mode.mode == 2) == told
        assert [one.line.split()[4] for one in session.candidates if one.type == "host"] == [
            "?.local" if told else "?"
        ]


def test_a_check_goes_out_by_one_uplink_and_is_answered_by_the_other() -> None:
    scene = Scene()
    here = end(HERE, 5000)
    scene.ice.add(scene.context(1.0, here, SERVER, 0), bare(5))
    scene.ice.add(scene.context(1.01, SERVER, here, 1), mapped(5, "203.0.113.9", 6000))
    scene.ice.add(scene.context(1.02, SERVER, here, 1), mapped(6, "203.0.113.66", 6000))
    (session,) = scene.sessions()
    told = [str(one.address) for one in session.candidates if one.type == "srflx"]
    assert told == ["203.0.113.9"]


def test_pions_sockets_that_ask_a_server_are_no_host_candidates() -> None:
    for fragment, hosts in (("abcdefghijklmnop", 0), ("abcd", 1)):
        scene = Scene()
        here = end(HERE, 5000)
        scene.gather(1.0, here, end("203.0.113.9", 5000), first=RANDOM)
        message = check(RANDOM + 9, f"PPPP:{fragment}", 5, None)
        scene.ice.add(scene.context(1.5, here, end("203.0.113.50", 7000)), message)
        (session,) = scene.sessions()
        assert session.engine == "other"
        assert len([one for one in session.candidates if one.type == "host"]) == hosts


@pytest.mark.parametrize("every", [0.9, 0.97, 1.0, 1.1, 1.5, 2.05])
@pytest.mark.parametrize("span", [0.01, 0.04, 0.08])
def test_what_a_full_queue_dropped_of_one_load_is_not_made_up_by_the_next(
    every: float, span: float
) -> None:
    """Names of unspecified addresses are asked for once a server has answered: they may pass
    where the names before them were dropped."""
    scene = Scene()
    asked = [(1.0 + every * number, number) for number in range(8)]
    for at_s, number in asked:
        scene.gather(at_s - 0.001, end(HERE, 5000 + number), end("203.0.113.9", 5000 + number))
    queue(scene, asked, span=span)
    assert all(right(number, names) for number, names in enumerate(joined(scene)))


def test_names_taken_back_together_are_one_pages() -> None:
    """What its full queue never announced too, and a load of which only the last was recorded."""
    scene = Scene()
    asked = [(1.0 + number, number) for number in range(7)]
    for at_s, number in asked:
        scene.gather(at_s - 0.001, end(HERE, 5000 + number), end("203.0.113.9", 5000 + number))
    queue(scene, asked, span=0.04)
    told = {number for number, names in enumerate(joined(scene)) if len(names) == 2}
    assert told != {*range(7)}
    for number in range(7):
        addresses = (HERE, SIX, "0.0.0.0", "::")
        names = {address: named(4 * number + kind) for kind, address in enumerate(addresses)}
        scene.withdraw(30.0 + number, names)
    found = joined(scene)
    assert all(right(number, names) for number, names in enumerate(found))
    both = {number for number, names in enumerate(found) if len(names) == 2}
    assert both > told
    for number in both - told:
        links = [one.mdns_link for one in found[number].values()]
        assert {link.confidence for link in links if link} <= {"high", "medium", "low"}


def test_a_session_recorded_from_its_middle_has_the_names_that_were_taken_back() -> None:
    scene = Scene()
    scene.gather(1.0, end(HERE, 5000), end("203.0.113.9", 5000))
    scene.withdraw(20.0, {HERE: named(0), SIX: named(1)})
    (session,) = scene.sessions()
    assert session.ip_handling_mode.mode == 2
    assert {one.mdns_name for one in session.candidates} == {named(0), named(1), None}


def test_names_taken_back_are_of_none_where_two_sessions_fit() -> None:
    scene = Scene()
    for number in range(2):
        at_s = 1.0 + 5 * number
        scene.gather(at_s, end(HERE, 5000 + number), end("203.0.113.9", 5000 + number))
    scene.withdraw(20.0, {HERE: named(0), SIX: named(1)})
    assert joined(scene) == [{}, {}]


def test_names_that_are_answered_for_before_their_turn_are_of_who_has_none_yet() -> None:
    """Two tabs, each other's peer: of the second's IPv6 name nothing but answers was recorded."""
    scene = Scene()
    for number, at_s in enumerate((1.0, 1.2)):
        scene.gather(at_s - 0.001, end(HERE, 5000 + number), end("203.0.113.9", 5000 + number))
    scene.announce(1.0, HERE, named(0), by=HERE)
    scene.ask(1.3, named(5))
    scene.announce(1.31, SIX, named(5), by=HERE)
    for slot, address, name in ((2, HERE, 0), (3, SIX, 1), (4, SIX, 1), (5, HERE, 4), (6, HERE, 4)):
        scene.announce(slot, address, named(name), by=HERE)
    first, second = joined(scene)
    assert first.keys() == {named(0), named(1)}
    assert second.keys() == {named(4), named(5)}


def test_an_announcement_cut_within_its_nsec_is_chromiums() -> None:
    """A recorder that keeps 128 bytes of a packet keeps the address."""
    name = named(0).encode().removesuffix(b".local")
    answer = b"\0\x01\x80\x01\0\0\0\x78\0\x04\xc0\0\x02\x07"
    question = bytes((len(name),)) + name + b"\x05local\0"
    whole = b"\0\0\x84\0\0\0\0\x01\0\0\0\x01" + question + answer + question[:18]
    message = decode_dns(whole, "mdns")
    assert message.missing == 1
    scene = Scene()
    scene.gather(1.0, end(HERE, 5000), end("203.0.113.9", 5000))
    scene.names.add(scene.context(1.001, end(HERE, 5353), GROUP), message)
    (session,) = scene.sessions()
    assert session.engine == "chromium"
    assert [one.mdns_name for one in session.candidates] == [named(0), None]


def test_browsers_that_gather_in_one_instant_are_two_sessions() -> None:
    """One after the other, each asks its responder right after the server."""
    scene = Scene()
    for number, at_s in enumerate((1.0, 1.02)):
        scene.gather(at_s - 0.001, end(HERE, 5000 + number), end("203.0.113.9", 5000 + number))
        queue(scene, [(at_s, number)])
    first, second = joined(scene)
    assert first.keys() == {named(0), named(1)}
    assert second.keys() == {named(4), named(5)}


def test_sockets_of_one_page_are_one_session_beside_another_browsers() -> None:
    """The other browser asked other servers; its announcements part nothing."""
    scene = Scene()
    for port in (5000, 5001):
        at_s = 1.0 + (port - 5000) / 100
        scene.gather(at_s - 0.001, end(HERE, port), end("203.0.113.9", port))
    queue(scene, [(1.0, 0)])
    assert len(scene.sessions()) == 1
