"""What a policy is made of: networks, rules for traffic, and the words it may use."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pcapleak.values.endpoints import Network

TransportName = Literal["udp", "tcp", "icmp"]
PROXY_SCHEMES = ("socks", "socks4", "socks4a", "socks5", "socks5h", "http", "https")
TUNNEL_PROTOCOLS = ("wireguard", "openvpn", "ikev2", "esp", "gre", "l2tp", "tcp", "udp", "other")


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
