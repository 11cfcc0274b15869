"""Whose addresses are whose: the recording host's, another client's, a server's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_interface

from pcapleak.model import Interface, IPAddress
from pcapleak.tracking.ice.links import Link
from pcapleak.tracking.names import NameRecord


class Hosts:
    """What the capture tells of the hosts behind addresses."""

    def __init__(
        self,
        links: Iterable[Link],
        names: Iterable[NameRecord],
        interfaces: Sequence[Interface],
    ) -> None:
        inbound: set[IPAddress] = set()
        self.recorder: set[IPAddress] = set()
        """Addresses of the host that recorded."""
        self.clients: set[IPAddress] = set()
        """Addresses that gathered, or announced a name."""
        peers: set[IPAddress] = set()
        for link in links:
            source = link.key.source.address
            if link.outbound:
                self.recorder.add(source)
            elif link.inbound:
                inbound.add(source)
            if link.key.layers[-1:] == ("turn",):
                continue
            if link.bare is not None or link.allocates is not None:
                self.clients.add(source)
            elif link.checks is not None:
                peers.add(source)
        self.recorder -= inbound
        for interface in interfaces:
            self.recorder.update(ip_interface(text).ip for text in interface.addresses)
        self._announced: dict[IPAddress, set[IPAddress]] = {}
        """Addresses announced by an address: the same host has them."""
        for name in names:
            if name.uuid is None:
                continue
            for announcer in name.announcers:
                known = self._announced.setdefault(announcer, set())
                known.update(address for address in name.addresses if not address.is_unspecified)
                self.clients.add(announcer)
                self.clients |= known
        if not self.clients:
            # Without gathering, the private end of a conversation is the near one.
            near = {peer for peer in peers if peer.is_private}
            self.clients = near or peers
        self.clients |= self.recorder & peers

    def is_local(self, address: IPAddress) -> bool:
        """Whether a client whose sessions are told lives at this address."""
        return address in self.clients or address in self.recorder

    def same(self, one: IPAddress, other: IPAddress) -> bool:
        """Whether the capture shows that both addresses are one host's."""
        if one == other or (one in self.recorder and other in self.recorder):
            return True
        if other in self._announced.get(one, ()) or one in self._announced.get(other, ()):
            return True
        return any(one in known and other in known for known in self._announced.values())
