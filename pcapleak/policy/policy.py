"""What traffic was meant to do: the policy a capture is judged by, as the user gave it.

A `Policy` holds only what was given, by options, a TOML file or code. What can be learned from
the capture is added by `pcapleak.judge`, and the report says of each field which it was.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

from pcapleak.errors import PolicyError
from pcapleak.values.packets import Endpoint, IPAddress

Network = IPv4Network | IPv6Network
TransportName = Literal["udp", "tcp", "icmp"]
RequireKind = Literal["stun", "dns", "ipv6", "quic", "tcp", "mdns"]
REQUIRE_KINDS: tuple[RequireKind, ...] = ("stun", "dns", "ipv6", "quic", "tcp", "mdns")
PROXY_SCHEMES = ("socks", "socks4", "socks4a", "socks5", "socks5h", "http", "https")
TUNNEL_PROTOCOLS = ("wireguard", "openvpn", "ikev2", "esp", "gre", "l2tp", "tcp", "udp", "other")

T = TypeVar("T")


class Rule(NamedTuple):
    """Traffic to some addresses (`HOST[:PORT][/proto]`, `CIDR[:PORT][/proto]`, `*:PORT`), or of
    a program (`process:NAME`) where the capture names programs."""

    network: Network | None
    """None: any address."""
    port: int | None = None
    protocol: TransportName | None = None
    text: str = ""
    """As it was written."""
    process: str | None = None


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy: its scheme (of `PROXY_SCHEMES`), where it listens, where its traffic comes out."""

    scheme: str
    endpoint: Endpoint
    exits: tuple[Network, ...] = ()
    reasons: tuple[str, ...] = ()
    """Which setting of the machine names it, where the user did not."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.endpoint}"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One tunnel. Whatever is not given is looked for in the capture."""

    interface: str | None = None
    endpoints: tuple[Rule, ...] = ()
    """Where the carrier goes: the only public address the physical interface should meet."""
    protocol: str | None = None
    """One of `TUNNEL_PROTOCOLS`."""
    addresses: tuple[Network, ...] = ()
    """The client's own addresses inside."""
    resolvers: tuple[IPAddress, ...] = ()
    exits: tuple[Network, ...] = ()
    routes: tuple[Network, ...] = ()
    """Destinations meant to go through it; none given means all (a full tunnel)."""
    reasons: tuple[str, ...] = ()
    """Why it is believed to be one, where the machine's settings told it and not the user."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user said. Empty fields are inferred, unless `infer` is off."""

    tunnels: tuple[Tunnel, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    exits: tuple[Network, ...] = ()
    """Addresses where any tunnel's or proxy's traffic may come out."""
    clients: tuple[Network, ...] = ()
    lans: tuple[Network, ...] = ()
    resolvers: tuple[IPAddress, ...] = ()
    """Resolvers that may be asked outside the tunnel or proxy."""
    allow: tuple[Rule, ...] = ()
    strict: bool = False
    """With a proxy: TCP beside it is a leak too."""
    require: tuple[RequireKind, ...] = ()
    """Kinds of traffic that must have been seen for a verdict of `no-leak`."""
    infer: bool = True
    """Whether tunnels and proxies may be learned from the capture where none is given."""
    timezone: str | None = None
    """The client's time zone (Europe/Berlin), where a page would read it."""
    languages: tuple[str, ...] = ()
    """The client's languages, most wanted first."""
    geo_databases: tuple[str, ...] = ()
    """MaxMind-format files that tell where addresses are, before the embedded tables."""
    geo_maps: tuple[str, ...] = ()
    """TOML files that give places to ranges, before any database."""

    @property
    def is_empty(self) -> bool:
        """Neither a tunnel nor a proxy was given."""
        return not self.tunnels and not self.proxies

    def digest(self) -> str:
        """SHA-256 of all its fields, in hexadecimal: equal for equal policies."""
        text = json.dumps(asdict(self), default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def merged(self, other: Policy) -> Policy:
        """This policy with everything `other` gives added to it (a file, then options)."""
        return Policy(
            tunnels=_merge_tunnels(self.tunnels, other.tunnels),
            strict=self.strict or other.strict,
            infer=self.infer and other.infer,
            timezone=other.timezone or self.timezone,
            languages=other.languages or self.languages,
            **{
                field.name: _unique((*getattr(self, field.name), *getattr(other, field.name)))
                for field in fields(self)
                if field.name not in ("tunnels", "strict", "infer", "timezone", "languages")
            },
        )

    @classmethod
    def from_options(
        cls,
        *,
        proxy: Sequence[str] = (),
        tunnel: Sequence[str] = (),
        vpn_endpoint: Sequence[str] = (),
        exit_ip: Sequence[str] = (),
        client: Sequence[str] = (),
        lan: Sequence[str] = (),
        resolver: Sequence[str] = (),
        allow: Sequence[str] = (),
        strict: bool = False,
        require: Sequence[str] = (),
        infer: bool = True,
        timezone: str | None = None,
        language: Sequence[str] = (),
        geo_db: Sequence[str] = (),
        geo_map: Sequence[str] = (),
    ) -> Policy:
        """The policy behind command-line options.

        Raises `PolicyError` naming the option, what is wrong with its value, and a right one.
        """
        return cls(
            tunnels=_pair(tunnel, [parse_rule(text, "--vpn-endpoint") for text in vpn_endpoint]),
            proxies=_unique(parse_proxy(text, "--proxy") for text in proxy),
            exits=_unique(parse_network(text, "--exit-ip") for text in exit_ip),
            clients=_unique(parse_network(text, "--client") for text in client),
            lans=_unique(parse_network(text, "--lan") for text in lan),
            resolvers=_unique(parse_address(text, "--resolver") for text in resolver),
            allow=_unique(parse_rule(text, "--allow") for text in allow),
            strict=strict,
            require=_unique(
                parse_kind(kind, "--require") for text in require for kind in text.split(",")
            ),
            infer=infer,
            timezone=timezone,
            languages=_unique(tag for text in language for tag in text.split(",")),
            geo_databases=_unique(geo_db),
            geo_maps=_unique(geo_map),
        )

    @classmethod
    def from_toml(cls, path: str | Path) -> Policy:
        """The policy a TOML file holds (`pcapleak policy init` shows every key).

        Raises `PolicyError` naming the file, the key and how to mend it.
        """
        from pcapleak.policy.file import read_policy

        return read_policy(Path(path))


def _pair(interfaces: Sequence[str], endpoints: Sequence[Rule]) -> tuple[Tunnel, ...]:
    names = _unique(parse_interface(name, "--tunnel") for name in interfaces)
    if len(names) <= 1:
        if not names and not endpoints:
            return ()
        return (Tunnel(interface=names[0] if names else None, endpoints=_unique(endpoints)),)
    if len(endpoints) in (0, len(names)):
        return tuple(
            Tunnel(interface=name, endpoints=tuple(endpoints[i : i + 1]))
            for i, name in enumerate(names)
        )
    raise PolicyError(
        f"--vpn-endpoint: {len(endpoints)} endpoints for {len(names)} tunnels leave open which "
        "belongs to which; give one for each --tunnel in the same order, or write a policy file "
        "(`pcapleak policy init`) with a [[tunnel]] table for each"
    )


def _merge_tunnels(mine: tuple[Tunnel, ...], other: tuple[Tunnel, ...]) -> tuple[Tunnel, ...]:
    """Tunnels of one interface become one."""
    merged: dict[str | None, Tunnel] = {}
    for tunnel in (*mine, *other):
        known = merged.get(tunnel.interface)
        if known is None:
            merged[tunnel.interface] = tunnel
            continue
        merged[tunnel.interface] = Tunnel(
            interface=tunnel.interface,
            protocol=tunnel.protocol or known.protocol,
            endpoints=_unique((*known.endpoints, *tunnel.endpoints)),
            addresses=_unique((*known.addresses, *tunnel.addresses)),
            resolvers=_unique((*known.resolvers, *tunnel.resolvers)),
            exits=_unique((*known.exits, *tunnel.exits)),
            routes=_unique((*known.routes, *tunnel.routes)),
        )
    return tuple(merged.values())


def _unique(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def parse_address(text: str, where: str) -> IPAddress:
    """An IP address; `where` names the option or key in the error."""
    try:
        return ip_address(text.strip().strip("[]"))
    except ValueError:
        raise PolicyError(
            f"{where}: {text!r} is not an IP address{_name_hint(text)}; "
            "write one such as 198.51.100.40 or 2001:db8::40"
        ) from None


def parse_network(text: str, where: str) -> Network:
    """An address or a CIDR range; host bits are cut off."""
    try:
        return ip_network(text.strip().strip("[]"), strict=False)
    except ValueError:
        raise PolicyError(
            f"{where}: {text!r} is neither an IP address nor a range{_name_hint(text)}; "
            "write one such as 192.168.1.0/24 or 2001:db8::/64"
        ) from None


def parse_interface(text: str, where: str) -> str:
    """An interface's name. Windows' have spaces: Local Area Connection 2."""
    name = text.strip()
    if not name or not name.isprintable() or "://" in name:
        raise PolicyError(
            f"{where}: {text!r} is not an interface's name; write it as `ip link` or `ifconfig` "
            "lists it, such as wg0, tun0 or utun4"
        )
    return name


def parse_kind(text: str, where: str) -> RequireKind:
    """A kind of traffic for `require`."""
    for kind in REQUIRE_KINDS:
        if text.strip().lower() == kind:
            return kind
    raise PolicyError(f"{where}: {text!r} is no kind of traffic; use {', '.join(REQUIRE_KINDS)}")


_PROTOCOL = re.compile(r"/(udp|tcp|icmp)$", re.IGNORECASE)
_BRACKETED = re.compile(r"^\[([^\]]+)\](?::(.*))?$")


def parse_rule(text: str, where: str) -> Rule:
    """A rule: an address, a range, `*` or nothing; then `:PORT` and `/udp`, `/tcp`, `/icmp`."""
    body = text.strip()
    if body.startswith("process:"):
        return _process_rule(body, where)
    named = _PROTOCOL.search(body)
    protocol = None if named is None else _transport(named[1])
    place = body if named is None else body[: named.start()]
    port_text: str | None = None
    if bracketed := _BRACKETED.match(place):
        host, port_text = bracketed[1], bracketed[2]
    elif place.count(":") > 1:
        host = place
    else:
        host, colon, after = place.partition(":")
        port_text = after if colon else None
    port = None if port_text is None else _port(port_text, text, where)
    network = None if host in ("", "*") else _rule_network(host, text, where)
    if network is None and port is None and protocol is None:
        raise PolicyError(f"{where}: {text!r} says nothing to match; {RULE_HELP}")
    return Rule(network, port, protocol, body)


def _process_rule(text: str, where: str) -> Rule:
    name = text.removeprefix("process:").strip()
    if not name:
        raise PolicyError(f"{where}: {text!r} names no program; write process:chronyd")
    if where != "--allow" and not where.startswith("allow"):
        raise PolicyError(f"{where}: {text!r} is a program, not an address; {RULE_HELP}")
    return Rule(None, None, None, text, name)


RULE_HELP = (
    "write HOST[:PORT][/udp|/tcp|/icmp], such as 198.51.100.40:51820/udp, 10.0.0.0/8, "
    "[2001:db8::40]:443/tcp or *:123/udp"
)


def _rule_network(host: str, text: str, where: str) -> Network:
    try:
        return ip_network(host, strict=False)
    except ValueError:
        raise PolicyError(
            f"{where}: {host!r} in {text!r} is not an IP address or range{_name_hint(host)}; "
            f"{RULE_HELP}"
        ) from None


def _transport(text: str) -> TransportName:
    match text.lower():
        case "udp":
            return "udp"
        case "tcp":
            return "tcp"
        case _:
            return "icmp"


def _port(text: str, whole: str, where: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise PolicyError(f"{where}: {text!r} in {whole!r} is not a port; use a number from 1 to 65535")


def parse_proxy(text: str, where: str, exits: tuple[Network, ...] = ()) -> Proxy:
    """A proxy's URL. A user name and password in it are left out: they are nobody's business."""
    example = "write it as socks5://198.51.100.30:1080 or http://198.51.100.30:8080"
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError:
        raise PolicyError(f"{where}: {text!r} is not a proxy's URL; {example}") from None
    if url.scheme.lower() not in PROXY_SCHEMES:
        bare = text.strip().rpartition("://")[2]
        raise PolicyError(
            f"{where}: {text!r} does not say which kind of proxy it is; write it as "
            f"socks5://{bare} or http://{bare}"
        )
    if not url.hostname or port is None or port == 0:
        raise PolicyError(f"{where}: {text!r} lacks an address or a port; {example}")
    host = "127.0.0.1" if url.hostname == "localhost" else url.hostname
    return Proxy(url.scheme.lower(), Endpoint(parse_address(host, where), port), exits)


def _name_hint(text: str) -> str:
    """Said of a host name, which a passive tool does not look up."""
    if re.search(r"[g-z]", text, re.IGNORECASE):
        return " (pcapleak sends nothing, so it looks no name up)"
    return ""
