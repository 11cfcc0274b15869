"""A policy as a TOML file: the keys, their checks, and a commented template."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pcapleak.errors import PolicyError
from pcapleak.policy.policy import (
    Policy,
    RequireKind,
    Tunnel,
    parse_address,
    parse_interface,
    parse_network,
    parse_proxy,
    parse_rule,
)

TunnelProtocol = Literal[
    "wireguard", "openvpn", "ikev2", "esp", "gre", "l2tp", "tcp", "udp", "other"
]


class _Table(BaseModel):
    """A table takes the keys it knows and no other: a misspelt key must not be passed over."""

    model_config = ConfigDict(extra="forbid")


class _TunnelTable(_Table):
    interface: str | None = None
    endpoints: list[str] = Field(default_factory=list)
    protocol: TunnelProtocol | None = None
    addresses: list[str] = Field(default_factory=list)
    resolvers: list[str] = Field(default_factory=list)
    exits: list[str] = Field(default_factory=list)
    routes: list[str] = Field(default_factory=list)


class _ProxyTable(_Table):
    url: str
    exits: list[str] = Field(default_factory=list)


class _PolicyTable(_Table):
    tunnel: list[_TunnelTable] = Field(default_factory=list)
    proxy: list[_ProxyTable] = Field(default_factory=list)
    clients: list[str] = Field(default_factory=list)
    lans: list[str] = Field(default_factory=list)
    resolvers: list[str] = Field(default_factory=list)
    exits: list[str] = Field(default_factory=list)
    allow: list[str] = Field(default_factory=list)
    strict: bool = False
    require: list[RequireKind] = Field(default_factory=list)
    infer: bool = True
    timezone: str | None = None
    languages: list[str] = Field(default_factory=list)
    geo_databases: list[str] = Field(default_factory=list)
    geo_maps: list[str] = Field(default_factory=list)


def read_policy(path: Path) -> Policy:
    """The policy in a TOML file. Raises `PolicyError`."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(
            f"{path}: cannot be read ({error.strerror}); "
            "`pcapleak policy init` writes one to begin with"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(
            f"{path}: not TOML ({error}); `pcapleak policy init` shows the form"
        ) from error
    try:
        table = _PolicyTable.model_validate(data)
    except ValidationError as error:
        raise PolicyError("\n".join(f"{path}: {line}" for line in _explain(error))) from error
    try:
        return _policy(table, path.parent)
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from error


def _policy(table: _PolicyTable, folder: Path) -> Policy:
    return Policy(
        tunnels=tuple(_tunnel(entry, f"tunnel[{i}]") for i, entry in enumerate(table.tunnel)),
        proxies=tuple(
            parse_proxy(
                entry.url,
                f"proxy[{i}].url",
                tuple(parse_network(text, f"proxy[{i}].exits") for text in entry.exits),
            )
            for i, entry in enumerate(table.proxy)
        ),
        exits=tuple(parse_network(text, "exits") for text in table.exits),
        clients=tuple(parse_network(text, "clients") for text in table.clients),
        lans=tuple(parse_network(text, "lans") for text in table.lans),
        resolvers=tuple(parse_address(text, "resolvers") for text in table.resolvers),
        allow=tuple(parse_rule(text, "allow") for text in table.allow),
        strict=table.strict,
        require=tuple(dict.fromkeys(table.require)),
        infer=table.infer,
        timezone=table.timezone,
        languages=tuple(dict.fromkeys(table.languages)),
        geo_databases=tuple(str(folder / name) for name in table.geo_databases),
        geo_maps=tuple(str(folder / name) for name in table.geo_maps),
    )


def _tunnel(entry: _TunnelTable, where: str) -> Tunnel:
    if entry.interface is None and not entry.endpoints:
        raise PolicyError(
            f"{where}: says neither `interface` nor `endpoints`, so no packet can be its; "
            'give one, such as interface = "wg0"'
        )
    return Tunnel(
        interface=None
        if entry.interface is None
        else parse_interface(entry.interface, f"{where}.interface"),
        endpoints=tuple(parse_rule(text, f"{where}.endpoints") for text in entry.endpoints),
        protocol=entry.protocol,
        addresses=tuple(parse_network(text, f"{where}.addresses") for text in entry.addresses),
        resolvers=tuple(parse_address(text, f"{where}.resolvers") for text in entry.resolvers),
        exits=tuple(parse_network(text, f"{where}.exits") for text in entry.exits),
        routes=tuple(parse_network(text, f"{where}.routes") for text in entry.routes),
    )


_KEYS = {
    "tunnel": _TunnelTable.model_fields,
    "proxy": _ProxyTable.model_fields,
}


def _explain(error: ValidationError) -> list[str]:
    """Each problem as `key: what is wrong; how to mend it`."""
    lines = []
    for problem in error.errors():
        place = problem["loc"]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)[1:]
        known = _KEYS.get(str(place[0])) if len(place) > 1 else None
        names = ", ".join(known if known is not None else _PolicyTable.model_fields)
        if problem["type"] == "extra_forbidden":
            hint = (
                f"; `{place[-1]}` belongs above the first [[table]]"
                if known is not None and place[-1] in _PolicyTable.model_fields
                else ""
            )
            lines.append(f"{key}: no such key; the keys here are {names}{hint}")
        elif problem["type"] == "missing":
            lines.append(f"{key}: is missing; {key.rpartition('.')[0]} needs it")
        elif problem["type"] == "list_type":
            table = f"write [[{key}]]" if key in _KEYS else f'write {key} = ["..."]'
            lines.append(f"{key}: must be a list; {table}")
        else:
            message = problem["msg"]
            lines.append(f"{key}: {message[0].lower()}{message[1:]}, not {problem['input']!r}")
    return lines


def policy_template() -> str:
    """A policy file with every key, each explained, all but the form commented out."""
    return TEMPLATE


TEMPLATE = """\
# What this host's traffic is meant to do: pcapleak judges captures by it.
#   pcapleak analyze capture.pcapng --policy policy.toml
# Everything left out is looked for in the capture, and the report says what was found there.

# This host's own addresses on physical interfaces, and the local network.
#clients = ["192.168.50.42"]
#lans = ["192.168.50.0/24"]

# Resolvers that may be asked outside, and exceptions: HOST[:PORT][/proto], CIDR, *:PORT, or
# process:NAME where the capture names programs (live, or pcapng with process information).
#resolvers = []
#allow = ["203.0.113.80:443/tcp", "*:123/udp"]

# With a proxy, is TCP beside it a leak too? (Many proxy only the browser.)
strict = false

# Kinds of traffic that must have been seen before "no leak" is said:
# stun, dns, ipv6, quic, tcp, mdns
require = []

# Whether tunnels and proxies may be learned from the capture where no table below gives one.
infer = true

# What a page would read of this client, and files that tell where addresses are (paths from
# this file's folder): held against exit, WebRTC address and resolver (docs/coherence.md).
#timezone = "Europe/Berlin"
#languages = ["de-DE", "de", "en"]
#geo_databases = ["GeoLite2-Country.mmdb", "GeoLite2-ASN.mmdb"]
#geo_maps = ["places.toml"]

# A tunnel (VPN). Give a table for each. Traffic belongs inside; only its carrier may go beside it.
#[[tunnel]]
#interface = "wg0"                        # as `ip link` or `ifconfig` lists it
#endpoints = ["198.51.100.40:51820/udp"]  # the VPN server; every one it may move to on reconnect
#protocol = "wireguard"                   # or openvpn, ikev2, esp, gre, l2tp, tcp, udp, other
#addresses = ["10.66.0.2"]                # this host's addresses inside the tunnel
#resolvers = ["10.66.0.1"]                # the tunnel's resolver: any other one is a DNS leak
#exits = ["198.51.100.40"]                # where its traffic comes out; a range for an exit pool
#routes = []                              # split tunnel: only these ranges are meant to go inside

# A proxy. Give a table for each.
#[[proxy]]
#url = "socks5://198.51.100.30:1080"      # socks4, socks4a, socks5, socks5h, http or https
#exits = ["198.51.100.30"]
"""
