"""Where packets come from and go to: loaded without numpy, which the command line's help spares."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Endpoint(NamedTuple):
    """A transport address."""

    address: IPAddress
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"
