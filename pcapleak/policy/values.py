"""What a policy is made of: networks, rules for traffic, and the words it may use."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Final, Literal, NamedTuple

from pcapleak.values.endpoints import Endpoint, IPAddress, Network

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


NOWHERE: Final = ip_network("0.0.0.0/32")
"""No packet is sent to it or from it by a host that has an address."""


class NamedServer(Rule):
    """A server by its name (`HOST[:PORT][/proto]`): it matches nothing until its addresses are
    known."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The name alone, in lower case."""
        return self.text.partition("/")[0].partition(":")[0].rstrip(".").lower()

    def at(self, address: IPAddress) -> Rule:
        """The rule for one of its addresses."""
        host = str(address) if self.port is None else str(Endpoint(address, self.port))
        text = host if self.protocol is None else f"{host}/{self.protocol}"
        return Rule(ip_network(address), self.port, self.protocol, text)
