"""VPN servers by name: their addresses come from DNS answers at hand, else the hosts file."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from pcapleak.errors import PolicyError
from pcapleak.policy.policy import Policy
from pcapleak.policy.servers import resolved, server_names, with_hosts
from pcapleak.values.endpoints import IPAddress

HERE = ip_address("198.51.100.40")
OTHER = ip_address("2001:db8::40")


def named(*texts: str, tunnel: str = "wg0") -> Policy:
    return Policy.from_options(tunnel=[tunnel], vpn_endpoint=list(texts))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("vpn.example:51820", "vpn.example"),
        ("VPN.Example.:51820/udp", "vpn.example"),
        ("gateway", "gateway"),
        ("a-1.b_2.example/tcp", "a-1.b_2.example"),
        ("198.51.100.40.example", "198.51.100.40.example"),
        ("dead.beef", "dead.beef"),
    ],
)
def test_a_name_is_a_name(text: str, name: str) -> None:
    assert server_names(named(text)) == [name]


@pytest.mark.parametrize(
    "text",
    ["198.51.100.400", "1.2.3", "vpn..example", "vpn.example:0", "vpn example", "-", "a" * 64],
)
def test_what_is_neither_name_nor_address_is_an_error(text: str) -> None:
    with pytest.raises(PolicyError, match="--vpn-endpoint: "):
        named(text)


def test_an_unresolved_name_matches_nothing() -> None:
    (rule,) = named("vpn.example:51820").tunnels[0].endpoints
    assert rule.network == ip_network("0.0.0.0/32")
    assert resolved(named("vpn.example:51820"), lambda _: ()) == named("vpn.example:51820")


def test_every_address_of_an_answer_counts_and_it_says_from_which() -> None:
    def answers(name: str) -> list[IPAddress]:
        return {"vpn.example": [HERE, OTHER]}[name]

    policy = resolved(named("vpn.example:51820/udp"), answers)
    texts = [rule.text for rule in policy.tunnels[0].endpoints]
    assert texts == ["198.51.100.40:51820/udp", "[2001:db8::40]:51820/udp"]
    assert policy.tunnels == named(*texts).tunnels
    assert policy.known_by == (
        "vpn.example is 198.51.100.40, 2001:db8::40 according to DNS answers in the capture",
    )
    assert server_names(policy) == []


def test_the_hosts_file_counts_where_no_answer_does(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(
        "# 192.0.2.1 vpn.example\n198.51.100.40\tVPN.example alias # vpn.example\nx vpn.example\n"
        "\n198.51.100.99 vpn.example.org\n"
    )
    policy = with_hosts(named("vpn.example:51820"), hosts)
    assert policy.hosts == (("vpn.example", HERE),)
    assert policy.digest() == named("vpn.example:51820").digest()
    told = resolved(policy, lambda _: ())
    assert told.tunnels[0].endpoints[0].text == "198.51.100.40:51820"
    assert told.known_by == ("vpn.example is 198.51.100.40 according to /etc/hosts",)
    answered = resolved(policy, lambda _: [OTHER])
    assert answered.tunnels[0].endpoints[0].text == "[2001:db8::40]:51820"


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_hosts_file_that_cannot_be_read_says_nothing(tmp_path: Path, name: str) -> None:
    policy = named("vpn.example")
    assert with_hosts(policy, tmp_path / name) == policy
