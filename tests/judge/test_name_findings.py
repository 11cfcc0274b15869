"""PL301 to PL304: what `.local` names and foundations give away."""

from __future__ import annotations

from pathlib import Path

from builders import (
    CLIENT,
    ETH0,
    INNER,
    NO_POLICY,
    TUNNEL_POLICY,
    WEB,
    WG0,
    Recording,
    ids,
    judged,
    mdns_announcement,
    mdns_query,
    of,
)
from stun_encoder import check

from pcapleak.decode.ice.foundation import libwebrtc_foundation

NAME = "1a2b3c4d-1111-4222-8333-444455556666.local"
TIE = 0x1122334455667788


def announced(interface: int, sender: str, address: str, name: str = NAME) -> Recording:
    recording = Recording()
    recording.tunnel()
    recording.udp(
        50, interface, sender, 5353, "224.0.0.251", 5353, mdns_announcement(name, address)
    )
    return recording


def test_an_announced_name_is_joined_with_its_address(tmp_path: Path) -> None:
    document = judged(announced(ETH0, CLIENT, CLIENT), TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL301")
    assert finding.severity == "low"
    assert finding.subject == CLIENT
    assert finding.reasons == [], "one name is in the message"
    assert finding.addresses == [CLIENT]
    assert document.verdict.result == "no-leak"


def test_a_printers_name_is_not_a_browsers(tmp_path: Path) -> None:
    recording = announced(ETH0, "192.168.50.9", "192.168.50.9", "printer.local")
    assert "PL301" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def test_a_question_for_a_name_unmasks_nothing(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    recording.udp(50, WG0, INNER, 5353, "224.0.0.251", 5353, mdns_query(NAME))
    assert not ids(judged(recording, TUNNEL_POLICY, tmp_path)) & {"PL301", "PL302", "PL303"}


def test_a_wildcards_name_unmasks_nothing(tmp_path: Path) -> None:
    recording = announced(ETH0, CLIENT, "0.0.0.0")
    assert "PL301" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def test_the_tunnels_address_announced_on_the_lan(tmp_path: Path) -> None:
    document = judged(announced(ETH0, CLIENT, INNER), TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL302")
    assert finding.confidence == "certain"
    assert document.verdict.result == "no-leak", "the local network is not the internet"


def test_a_neighbour_with_the_same_address_in_its_tunnel_is_another_host(tmp_path: Path) -> None:
    """Some VPNs give all customers one address."""
    document = judged(announced(ETH0, "192.168.50.9", INNER), TUNNEL_POLICY, tmp_path)
    assert "PL302" not in ids(document)


def test_the_lan_address_announced_into_the_tunnel(tmp_path: Path) -> None:
    (finding,) = of(judged(announced(WG0, INNER, CLIENT), TUNNEL_POLICY, tmp_path), "PL303")
    assert finding.addresses == [CLIENT]


def test_a_name_asked_in_the_tunnel_and_announced_on_the_lan_crosses_nothing(
    tmp_path: Path,
) -> None:
    recording = announced(ETH0, CLIENT, CLIENT)
    recording.udp(60, WG0, INNER, 5353, "224.0.0.251", 5353, mdns_query(NAME))
    assert not ids(judged(recording, TUNNEL_POLICY, tmp_path)) & {"PL302", "PL303"}


def test_each_address_announced_where_it_belongs_crosses_nothing(tmp_path: Path) -> None:
    recording = announced(ETH0, CLIENT, CLIENT)
    other = NAME.replace("1a2b", "5c6d")
    recording.udp(60, WG0, INNER, 5353, "224.0.0.251", 5353, mdns_announcement(other, INNER))
    assert not ids(judged(recording, TUNNEL_POLICY, tmp_path)) & {"PL302", "PL303"}


def test_another_hosts_own_name_on_the_lan_is_not_the_tunnels(tmp_path: Path) -> None:
    recording = announced(ETH0, "192.168.50.9", "192.168.50.9")
    document = judged(recording, TUNNEL_POLICY, tmp_path, (ETH0,))
    assert "PL302" not in ids(document)


def test_without_the_tunnel_recorded_a_strange_address_is_taken_for_its(tmp_path: Path) -> None:
    document = judged(announced(ETH0, CLIENT, INNER), TUNNEL_POLICY, tmp_path, (ETH0,))
    (finding,) = of(document, "PL302")
    assert finding.confidence == "medium"


def signalled(foundation: str) -> Recording:
    """A candidate line in clear, and a check that shows the session's tie-breaker."""
    line = f"candidate:{foundation} 1 udp 2113937151 {NAME} 50000 typ host"
    body = f"a={line}\r\n".encode()
    head = (
        "POST /offer HTTP/1.1\r\nHost: www.example.com\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    recording = Recording()
    recording.tcp(0, ETH0, CLIENT, 45000, WEB, 80, head.encode() + body, b"HTTP/1.1 204 No\r\n\r\n")
    recording.exchange(
        50, ETH0, CLIENT, 50000, "192.168.50.9", 6000, check(tie_breaker=TIE), check(tie_breaker=9)
    )
    return recording


def test_a_salted_foundation_proves_the_address_behind_the_name(tmp_path: Path) -> None:
    foundation = libwebrtc_foundation("host", CLIENT, tie_breaker=TIE)
    (finding,) = of(judged(signalled(foundation), NO_POLICY, tmp_path), "PL304")
    assert finding.confidence == "certain"
    assert CLIENT in finding.message


def test_a_salted_foundation_gives_away_an_address_nobody_showed(tmp_path: Path) -> None:
    foundation = libwebrtc_foundation("host", "192.168.50.77", tie_breaker=TIE)
    (finding,) = of(judged(signalled(foundation), NO_POLICY, tmp_path), "PL304")
    assert finding.confidence == "high"
    assert "192.168.50.77" in finding.message


def test_a_foundation_of_another_session_proves_nothing(tmp_path: Path) -> None:
    foundation = libwebrtc_foundation("host", CLIENT, tie_breaker=TIE + 1)
    assert "PL304" not in ids(judged(signalled(foundation), NO_POLICY, tmp_path))


def test_firefoxs_counter_proves_nothing(tmp_path: Path) -> None:
    assert "PL304" not in ids(judged(signalled("0"), NO_POLICY, tmp_path))
