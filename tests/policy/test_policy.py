"""Policies from options and files, and errors that name the key and how to mend it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from pcapleak.errors import PolicyError
from pcapleak.policy.fields import many, options, rows
from pcapleak.policy.file import policy_template, read_keys
from pcapleak.policy.parsers import parse_interface, parse_rule
from pcapleak.policy.policy import Policy, Rule, parse_proxy
from pcapleak.values.packets import Endpoint


@pytest.mark.parametrize(
    ("text", "network", "port", "protocol"),
    [
        ("198.51.100.40:51820/udp", "198.51.100.40/32", 51820, "udp"),
        ("198.51.100.40", "198.51.100.40/32", None, None),
        ("10.0.0.0/8", "10.0.0.0/8", None, None),
        ("10.0.0.0/8:53/tcp", "10.0.0.0/8", 53, "tcp"),
        ("10.0.0.9/8", "10.0.0.0/8", None, None),
        ("[2001:db8::40]:443/TCP", "2001:db8::40/128", 443, "tcp"),
        ("[2001:db8::/32]:53", "2001:db8::/32", 53, None),
        ("2001:db8::/32", "2001:db8::/32", None, None),
        ("2001:db8::1/udp", "2001:db8::1/128", None, "udp"),
        ("*:123/udp", None, 123, "udp"),
        (":443", None, 443, None),
        ("/icmp", None, None, "icmp"),
    ],
)
def test_rules(text: str, network: str | None, port: int | None, protocol: str | None) -> None:
    rule = parse_rule(text, "--allow")
    assert rule == Rule(network and ip_network(network), port, protocol, text)


@pytest.mark.parametrize(
    "text",
    ["", "*", "vpn.example:51820", "198.51.100.40:0", "198.51.100.40:99999", "198.51.100.40:x",
     "198.51.100.400", "[2001:db8::40", "198.51.100.40/udp/tcp"],
)  # fmt: skip
def test_wrong_rules_say_where_and_what_is_right(text: str) -> None:
    with pytest.raises(PolicyError, match="--allow: ") as error:
        parse_rule(text, "--allow")
    assert "198.51.100.40:51820/udp" in str(error.value) or "1 to 65535" in str(error.value)


def test_a_program_may_be_an_exception_and_nothing_else() -> None:
    (rule,) = Policy.from_options(allow=["process:chronyd"]).allow
    assert rule.process == "chronyd"
    with pytest.raises(PolicyError, match="--vpn-endpoint: "):
        Policy.from_options(vpn_endpoint=["process:wg"])
    with pytest.raises(PolicyError, match="names no program"):
        Policy.from_options(allow=["process:"])


@pytest.mark.parametrize("option", ["exit_ip", "allow", "resolver", "client"])
def test_a_host_name_is_not_looked_up(option: str) -> None:
    with pytest.raises(PolicyError, match="no DNS look-ups"):
        Policy.from_options(**{option: ["vpn.example"]})


@pytest.mark.parametrize(
    ("text", "scheme", "endpoint"),
    [
        ("socks5://198.51.100.30:1080", "socks5", ("198.51.100.30", 1080)),
        ("SOCKS5H://198.51.100.30:1080/", "socks5h", ("198.51.100.30", 1080)),
        ("http://[2001:db8::30]:8080", "http", ("2001:db8::30", 8080)),
        ("socks5://localhost:9050", "socks5", ("127.0.0.1", 9050)),
    ],
)
def test_proxies(text: str, scheme: str, endpoint: tuple[str, int]) -> None:
    proxy = parse_proxy(text, "--proxy")
    assert proxy.scheme == scheme
    assert proxy.endpoint == Endpoint(ip_address(endpoint[0]), endpoint[1])


def test_a_proxys_password_is_not_kept() -> None:
    proxy = parse_proxy("socks5://user:secret@198.51.100.30:1080", "--proxy")
    assert "secret" not in repr(proxy)
    assert str(proxy) == "socks5://198.51.100.30:1080"


@pytest.mark.parametrize(
    "text",
    ["198.51.100.30:1080", "ftp://198.51.100.30:21", "socks5://198.51.100.30", "socks5://:1080",
     "socks5://198.51.100.30:port", "socks5://198.51.100.30:0", "socks5://proxy.example:1080"],
)  # fmt: skip
def test_wrong_proxies_are_named(text: str) -> None:
    with pytest.raises(PolicyError, match="--proxy: "):
        parse_proxy(text, "--proxy")


@pytest.mark.parametrize("name", ["Local Area Connection 2", r"\Device\NPF_{9A}", "wg-mullvad"])
def test_interfaces_are_called_what_systems_call_them(name: str) -> None:
    assert Policy.from_options(tunnel=[name]).tunnels[0].interface == name


@pytest.mark.parametrize(
    ("option", "value"),
    [("exit_ip", "exit"), ("client", "me"), ("lan", "192.168.1.0/33"), ("resolver", "1.1.1"),
     ("tunnel", ""), ("require", "everything"), ("tunnel", "socks5://wg0")],
)  # fmt: skip
def test_every_option_names_itself(option: str, value: str) -> None:
    with pytest.raises(PolicyError, match=f"--{option.replace('_', '-')}: "):
        Policy.from_options(**{option: [value]})


def test_one_tunnel_takes_all_endpoints() -> None:
    policy = Policy.from_options(
        tunnel=["wg0"], vpn_endpoint=["198.51.100.40:1", "198.51.100.41:1"]
    )
    (tunnel,) = policy.tunnels
    assert tunnel.interface == "wg0"
    assert len(tunnel.endpoints) == 2


def test_an_endpoint_alone_is_a_tunnel() -> None:
    (tunnel,) = Policy.from_options(vpn_endpoint=["198.51.100.40:51820"]).tunnels
    assert tunnel.interface is None


def test_several_tunnels_take_an_endpoint_each_or_say_why_not() -> None:
    policy = Policy.from_options(
        tunnel=["wg0", "tun0"], vpn_endpoint=["198.51.100.40:1", "198.51.100.41:1"]
    )
    assert [tunnel.endpoints[0].text for tunnel in policy.tunnels] == [
        "198.51.100.40:1",
        "198.51.100.41:1",
    ]
    with pytest.raises(PolicyError, match=r"policy init"):
        Policy.from_options(tunnel=["wg0", "tun0"], vpn_endpoint=["198.51.100.40:1"])


def test_required_kinds_may_be_joined_by_commas() -> None:
    assert Policy.from_options(require=["stun,dns", "ipv6"]).require == ("stun", "dns", "ipv6")


def test_a_local_network_may_be_denied() -> None:
    silent = Policy.from_options(lan=["none"])
    assert silent.no_lan
    assert silent.lans == ()
    assert not Policy.from_options(lan=["10.0.0.0/8"]).no_lan
    with pytest.raises(PolicyError, match="exclude each other"):
        Policy.from_options(lan=["none", "10.0.0.0/8"])
    with pytest.raises(PolicyError, match="--client: "):
        Policy.from_options(client=["none"])


def test_uplinks_and_a_tunnel_that_is_always_on_are_given_alike(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('uplinks = ["eth0", "wwan0"]\nalways_on = true\nlans = ["none"]\n')
    given = Policy.from_options(uplink=["eth0", "wwan0"], always_on=True, lan=["none"])
    assert Policy.from_toml(path) == given
    assert given.given() == {"no_lan": ["yes"], "uplinks": ["eth0", "wwan0"], "always_on": ["yes"]}


def test_an_option_that_is_not_there_is_named() -> None:
    with pytest.raises(TypeError, match="no such option: tunel"):
        Policy.from_options(tunel=["wg0"])


@dataclass(frozen=True)
class Extended(Policy):
    """A policy with one row more."""

    hops: tuple[str, ...] = many(parse_interface, "hop", "IFACE", "A hop.", '["wg1"]')


def test_a_field_is_added_by_its_row() -> None:
    assert "hops" in rows(Extended)
    assert "--hop" in [row.option for row in options(Extended)]
    one, two = Extended.from_options(hop=["wg1"]), Extended.from_options(hop=["wg2"])
    assert one.merged(two) == Extended(hops=("wg1", "wg2"))
    assert read_keys(Extended, {"hops": ["wg1"]}, "", Path()) == {"hops": ("wg1",)}
    assert '#hops = ["wg1"]' in policy_template(Extended)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 6000, "#" * 1_000_001])
def test_a_hostile_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=r"not TOML|larger than"):
        Policy.from_toml(path)


def test_options_add_to_a_file() -> None:
    file = Policy.from_options(tunnel=["wg0"], vpn_endpoint=["198.51.100.40:1"], strict=True)
    both = file.merged(Policy.from_options(tunnel=["wg0"], vpn_endpoint=["198.51.100.41:1"]))
    (tunnel,) = both.tunnels
    assert [rule.text for rule in tunnel.endpoints] == ["198.51.100.40:1", "198.51.100.41:1"]
    assert both.strict
    assert file.merged(Policy()) == file
    assert not Policy().merged(Policy(infer=False)).infer


def test_the_template_is_a_policy_that_gives_nothing(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(policy_template(Policy))
    assert Policy.from_toml(path) == Policy()


def test_the_template_uncommented_is_a_policy_that_gives_everything(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(re.sub(r"^#(\[\[|[a-z_]+ = )", r"\1", policy_template(Policy), flags=re.M))
    policy = Policy.from_toml(path)
    (tunnel,) = policy.tunnels
    assert tunnel.interface == "wg0"
    assert tunnel.protocol == "wireguard"
    assert tunnel.resolvers == (ip_address("10.66.0.1"),)
    assert policy.proxies[0].exits == (ip_network("198.51.100.30"),)
    assert policy.clients == (ip_network("192.168.50.42"),)
    assert len(policy.allow) == 2


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("tunnels = 1", "tunnels: no such key; the keys here are tunnel, proxy"),
        ("tunnel = 1", r"tunnel: must be a list; write \[\[tunnel\]\]"),
        ('[[tunnel]]\nfoo = "x"', r"tunnel\[0\].foo: no such key; the keys here are interface"),
        ('[[tunnel]]\nclients = ["x"]', "belongs above the first"),
        ("[[tunnel]]\n", r"tunnel\[0\]: says neither"),
        ('[[tunnel]]\ninterface = "wg0"\nendpoints = ["x:0"]', r"tunnel\[0\].endpoints: "),
        ("[[proxy]]\n", r"proxy\[0\].url: is missing"),
        ('[[proxy]]\nurl = "x"', r"proxy\[0\].url: "),
        ('strict = "perhaps"', "strict: "),
        ('require = ["everything"]', "require: "),
        ('allow = "198.51.100.40"', "allow: must be a list"),
        ('allow = ["everywhere"]', "allow: "),
        ("strict =", "not TOML"),
    ],
)
def test_errors_of_a_file_name_the_file_and_the_key(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=named) as error:
        Policy.from_toml(path)
    assert str(error.value).startswith(str(path))


def test_a_missing_file_is_named_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="policy init"):
        Policy.from_toml(tmp_path / "none.toml")
