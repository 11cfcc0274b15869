"""What traffic was meant to do: the policy a capture is judged by, as the user gave it.

A `Policy` holds only what was given, by options, a TOML file or code. What can be learned from
the capture is added by `pcapleak.judge`, and the report says of each field which it was. Each
attribute's default is its row of the table of fields (`pcapleak.policy.fields`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from pcapleak.errors import PolicyError
from pcapleak.policy.fields import (
    COHERENCE,
    Field,
    keyword,
    listed,
    many,
    one,
    options,
    read_texts,
    rows,
    switch,
    tables,
    unique,
    word,
)
from pcapleak.policy.file import read_policy
from pcapleak.policy.parsers import (
    parse_address,
    parse_allowed,
    parse_interface,
    parse_kind,
    parse_network,
    parse_protocol,
    parse_proxy_url,
    parse_server,
    parse_text,
)
from pcapleak.policy.values import Rule, TransportName
from pcapleak.values.endpoints import Endpoint, IPAddress, Network
from pcapleak.values.findings import TrafficKind

__all__ = [
    "Network",
    "Policy",
    "Proxy",
    "Rule",
    "TransportName",
    "Tunnel",
    "parse_proxy",
]

Owner = TypeVar("Owner", bound="Tunnel | Policy")

_URL = Field(
    "A proxy that should carry everything, as socks5://HOST:PORT or http://HOST:PORT.",
    '"socks5://198.51.100.30:1080"',
    "--proxy",
    "URL",
    key="url",
    parse=parse_proxy_url,
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy: its scheme (of `PROXY_SCHEMES`), where it listens, where its traffic comes out."""

    scheme: str
    endpoint: Endpoint = field(metadata={"field": _URL})
    exits: tuple[Network, ...] = many(
        parse_network, "", "", "Where its traffic exits.", '["198.51.100.30"]'
    )
    reasons: tuple[str, ...] = ()
    """Which setting of the machine names it, where the user did not."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.endpoint}"

    @classmethod
    def from_keys(cls, values: Mapping[str, Any], where: str) -> Proxy:
        """The proxy of a [[proxy]] table."""
        if "endpoint" not in values:
            raise PolicyError(f"{where}.url: is missing; {where} needs it")
        scheme, endpoint = values["endpoint"]
        return cls(scheme, endpoint, values.get("exits", ()))


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One tunnel. Whatever is not given is looked for in the capture."""

    interface: str | None = one(
        parse_interface,
        "tunnel",
        "IFACE",
        "A tunnel's interface, such as wg0.",
        '"wg0"',
    )
    endpoints: tuple[Rule, ...] = many(
        parse_server,
        "vpn-endpoint",
        "HOST:PORT",
        "A VPN server: the only public address a tunnel may reach. A name is resolved by the "
        "capture's own DNS answers, or /etc/hosts.",
        '["198.51.100.40:51820/udp"]',
    )
    """Where the carrier goes: the only public address the physical interface should meet."""
    protocol: str | None = one(
        parse_protocol,
        "",
        "",
        "Its protocol: wireguard, openvpn, ikev2, esp, gre, l2tp, tcp, udp or other.",
        '"wireguard"',
    )
    """One of `TUNNEL_PROTOCOLS`."""
    addresses: tuple[Network, ...] = many(
        parse_network, "", "", "This host's addresses inside the tunnel.", '["10.66.0.2"]'
    )
    """The client's own addresses inside."""
    resolvers: tuple[IPAddress, ...] = many(
        parse_address, "", "", "Its resolver; using any other is a DNS leak.", '["10.66.0.1"]'
    )
    exits: tuple[Network, ...] = many(
        parse_network,
        "",
        "",
        "Where its traffic exits; a range for a pool of exits.",
        '["198.51.100.40"]',
    )
    routes: tuple[Network, ...] = many(
        parse_network, "", "", "A split tunnel: only these ranges are meant to go inside.", "[]"
    )
    """Destinations meant to go through it; none given means all (a full tunnel)."""
    reasons: tuple[str, ...] = ()
    """Why it is believed to be one, where the machine's settings told it and not the user."""

    @classmethod
    def from_keys(cls, values: Mapping[str, Any], where: str) -> Tunnel:
        """The tunnel of a [[tunnel]] table."""
        tunnel = cls(**values)
        if tunnel.interface is None and not tunnel.endpoints:
            raise PolicyError(
                f"{where}: says neither `interface` nor `endpoints`, so no packet can be its; "
                'give one, such as interface = "wg0"'
            )
        return tunnel


def _merge_tunnels(mine: tuple[Tunnel, ...], other: tuple[Tunnel, ...]) -> tuple[Tunnel, ...]:
    """Tunnels of one interface become one."""
    merged: dict[str | None, Tunnel] = {}
    for tunnel in (*mine, *other):
        known = merged.get(tunnel.interface)
        merged[tunnel.interface] = tunnel if known is None else _merged(known, tunnel)
    return tuple(merged.values())


def _merged(mine: Owner, other: Owner) -> Owner:
    """Two of a kind, row by row; `other` was given later."""
    changed: dict[str, Any] = {
        name: row.merged(getattr(mine, name), getattr(other, name))
        for name, row in rows(type(mine)).items()
    }
    return replace(mine, **changed)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user said. Empty fields are inferred, unless `infer` is off."""

    tunnels: tuple[Tunnel, ...] = tables(
        Tunnel,
        "tunnel",
        "A tunnel (VPN); one table for each. Traffic belongs inside; only its carrier may go "
        "outside.",
        _merge_tunnels,
    )
    proxies: tuple[Proxy, ...] = tables(Proxy, "proxy", "A proxy; one table for each.")
    exits: tuple[Network, ...] = many(
        parse_network,
        "exit-ip",
        "ADDRESS",
        "The address the tunnel or proxy shows to the world; seeing it is no leak.",
        '["198.51.100.40"]',
    )
    """Addresses where any tunnel's or proxy's traffic may come out."""
    clients: tuple[Network, ...] = many(
        parse_network, "client", "ADDRESS", "An address of the client.", '["192.168.50.42"]'
    )
    lans: tuple[Network, ...] = many(
        parse_network,
        "lan",
        "CIDR",
        "A local network to talk to freely; `none` allows none.",
        '["192.168.50.0/24"]',
    )
    no_lan: bool = word("lans", "none")
    """No network is local, whatever the capture shows."""
    uplinks: tuple[str, ...] = many(
        parse_interface,
        "uplink",
        "IFACE",
        "An interface that leads outside, such as eth0; a router's or recorder's other "
        "interfaces are inside.",
        '["eth0"]',
        later=True,
    )
    """Interfaces on whose far side the world is."""
    resolvers: tuple[IPAddress, ...] = many(
        parse_address,
        "resolver",
        "ADDRESS",
        "A DNS resolver that may be used outside the tunnel.",
        '["192.168.50.1"]',
    )
    """Resolvers that may be asked outside the tunnel or proxy."""
    allow: tuple[Rule, ...] = many(
        parse_allowed,
        "allow",
        "RULE",
        "Traffic meant to go outside, as HOST, CIDR, HOST:PORT, HOST:PORT/udp or *:PORT, or"
        " process:NAME where the capture names programs.",
        '["203.0.113.80:443/tcp", "*:123/udp"]',
    )
    strict: bool = switch("strict", "With a proxy: TCP outside it is a leak.")
    """With a proxy: TCP beside it is a leak too."""
    always_on: bool = switch(
        "always-on",
        "The tunnel should have been up all the time: traffic before it came up is a leak.",
        later=True,
    )
    """What left before the tunnel came up is judged as if it had been up."""
    require: tuple[TrafficKind, ...] = many(
        parse_kind,
        "require",
        "KIND",
        "No verdict of `no leak` unless this traffic was seen: stun, dns, ipv6, quic, tcp, "
        "mdns, udp or icmp.",
        "[]",
        commas=True,
    )
    """Kinds of traffic that must have been seen for a verdict of `no-leak`."""
    infer: bool = switch("no-infer", "Judge only by what is given.", default=True)
    """Whether tunnels and proxies may be learned from the capture where none is given."""
    timezone: str | None = one(
        parse_text,
        "timezone",
        "ZONE",
        "The client's time zone as pages read it, such as Europe/Berlin.",
        '"Europe/Berlin"',
        panel=COHERENCE,
    )
    """The client's time zone (Europe/Berlin), where a page would read it."""
    languages: tuple[str, ...] = many(
        parse_text,
        "language",
        "TAG",
        "A language the browser asks for, such as de-DE, most preferred first.",
        '["de-DE", "de", "en"]',
        commas=True,
        replaces=True,
        panel=COHERENCE,
    )
    """The client's languages, most wanted first."""
    geo_databases: tuple[str, ...] = many(
        parse_text,
        "geo-db",
        "FILE",
        "A MaxMind-format database, consulted before the system's and the built-in tables.",
        '["GeoLite2-Country.mmdb", "GeoLite2-ASN.mmdb"]',
        paths=True,
        panel=COHERENCE,
    )
    """MaxMind-format files that tell where addresses are, before the embedded tables."""
    geo_maps: tuple[str, ...] = many(
        parse_text,
        "geo-map",
        "FILE",
        "A TOML file that assigns places to address ranges, for labs and teaching.",
        '["places.toml"]',
        paths=True,
        panel=COHERENCE,
    )
    """TOML files that give places to ranges, before any database."""

    hosts: tuple[tuple[str, IPAddress], ...] = ()
    """What /etc/hosts says of VPN servers given by name (`pcapleak.policy.servers`)."""
    known_by: tuple[str, ...] = ()
    """How the addresses of those were learned."""

    def __post_init__(self) -> None:
        if self.no_lan and self.lans:
            raise PolicyError("lans: `none` and a network exclude each other; leave one out")

    @property
    def is_empty(self) -> bool:
        """Neither a tunnel nor a proxy was given."""
        return not self.tunnels and not self.proxies

    def digest(self) -> str:
        """SHA-256 of all its fields, in hexadecimal: equal for equal policies, and the same in
        later versions, because fields that came later count only where they are given."""
        values = asdict(self)
        counted = {
            name: values[name]
            for name, row in rows(type(self)).items()
            if not row.later or values[name] != row.default
        }
        text = json.dumps(counted, default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def merged(self, other: Self) -> Self:
        """This policy with everything `other` gives added to it (a file, then options)."""
        return _merged(self, other)

    def with_tunnels(self, more: Sequence[Tunnel]) -> Self:
        """This policy with tunnels that were found since, and what is new of the known ones."""
        return replace(self, tunnels=_merge_tunnels(self.tunnels, tuple(more)))

    def given(self) -> dict[str, list[str]]:
        """The fields that were given, but for tunnels and proxies, as text."""
        return {
            name: list(map(_text, value)) if row.many else [_text(value)]
            for name, row in rows(type(self)).items()
            if row.table is None and (value := getattr(self, name)) != row.default
        }

    @classmethod
    def from_options(cls, **given: Sequence[str] | str | bool | None) -> Self:
        """The policy behind command-line options, by their names in Python: `--exit-ip` is
        `exit_ip=["198.51.100.40"]`, `--no-infer` is `infer=False`.

        Raises `PolicyError` naming the option, what is wrong with its value, and a right one.
        """
        known = {keyword(row) for row in options(cls)}
        if unknown := given.keys() - known:
            raise TypeError(f"no such option: {', '.join(sorted(unknown))}")
        texts = {name: listed(given.get(name)) for name in known}
        values: dict[str, Any] = {}
        for name, row in rows(cls).items():
            if row.option is None:
                continue
            if row.parse is None:
                values[name] = bool(given.get(keyword(row), row.default))
                continue
            given_texts = texts[keyword(row)]
            if row.commas:
                given_texts = [part for text in given_texts for part in text.split(",")]
            values |= read_texts(cls, name, given_texts, row.option)
        return cls(
            tunnels=_pair(texts["tunnel"], texts["vpn_endpoint"]),
            proxies=unique(parse_proxy(text, "--proxy") for text in texts["proxy"]),
            **values,
        )

    @classmethod
    def from_toml(cls, path: str | Path) -> Policy:
        """The policy a TOML file holds (`pcapleak policy init` shows every key).

        Raises `PolicyError` naming the file, the key and how to mend it.
        """
        return read_policy(cls, Path(path))


def parse_proxy(text: str, where: str) -> Proxy:
    """A proxy's URL. A user name and password in it are left out: they are nobody's business."""
    return Proxy(*parse_proxy_url(text, where))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.text if isinstance(value, Rule) else str(value)


def _pair(interfaces: Sequence[str], endpoints: Sequence[str]) -> tuple[Tunnel, ...]:
    names = unique(parse_interface(name, "--tunnel") for name in interfaces)
    servers = [parse_server(text, "--vpn-endpoint") for text in endpoints]
    if len(names) <= 1:
        if not names and not servers:
            return ()
        return (Tunnel(interface=names[0] if names else None, endpoints=unique(servers)),)
    if len(servers) in (0, len(names)):
        return tuple(
            Tunnel(interface=name, endpoints=tuple(servers[i : i + 1]))
            for i, name in enumerate(names)
        )
    raise PolicyError(
        f"--vpn-endpoint: with {len(servers)} endpoints for {len(names)} tunnels it is unclear "
        "which belongs to which; give one for each --tunnel in the same order, or write a "
        "policy file (`pcapleak policy init`) with a [[tunnel]] table for each"
    )
