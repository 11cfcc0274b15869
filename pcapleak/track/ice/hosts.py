"""Whose addresses are whose: the recording host's, another client's, a server's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_interface

from pcapleak.track.ice.links import Link
from pcapleak.track.names import NameRecord
from pcapleak.values.addresses import is_private
from pcapleak.values.packets import Interface, IPAddress


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
        """Addresses of those whose sessions are told: they gathered, announced a name, or sent
        checks from a private address."""
        checks: list[Link] = []
        from_outside: list[Link] = []
        for link in links:
            source = link.key.source.address
            if link.outbound:
                self.recorder.add(source)
            elif link.inbound:
                inbound.add(source)
            if link.key.layers[-1:] == ("turn",):
                continue
            if link.bare is not None or link.allocates is not None:
                if is_private(link.key.destination.address) and not is_private(source):
                    from_outside.append(link)
                else:
                    self.clients.add(source)
            elif link.checks is not None:
                checks.append(link)
                if is_private(source):
                    self.clients.add(source)
        # What asks a client behind a NAT is its peer: some calls check by bare requests.
        asked = [one for one in from_outside if one.key.destination.address not in self.clients]
        self.clients.update(link.key.source.address for link in asked)
        self.recorder -= inbound
        for interface in interfaces:
            self.recorder.update(ip_interface(text).ip for text in interface.addresses)
        self._announced: dict[IPAddress, set[IPAddress]] = {}
        """Addresses announced by an address: the same host has them."""
        self._announcers: dict[IPAddress, set[IPAddress]] = {}
        """Who announced an address."""
        for name in names:
            if name.uuid is None:
                continue
            announcers = set(name.announcers)
            shown = {address for address in name.addresses if not address.is_unspecified}
            for announcer in announcers:
                self._announced.setdefault(announcer, {announcer}).update(shown)
                self._announcers.setdefault(announcer, set()).add(announcer)
            if announcers:
                for address in shown:
                    self._announcers.setdefault(address, set()).update(announcers)
                self.clients.update(announcers, shown)
        self._add_checkers(checks)

    def _add_checkers(self, checks: list[Link]) -> None:
        """Of two public addresses that only checked each other, the near one is the one that
        began; a server (ICE lite) never checks. A check that reached a private address came
        from outside."""
        local = self.clients | self.recorder
        far = [link for link in checks if link.key.source.address not in local]
        for link in sorted(far, key=lambda one: one.seen.first_ns):
            source, destination = link.key.source.address, link.key.destination.address
            if source not in local and destination not in local and not is_private(destination):
                local.add(source)
                self.clients.add(source)

    def is_local(self, address: IPAddress) -> bool:
        """Whether a client whose sessions are told lives at this address."""
        return address in self.clients or address in self.recorder

    def same(self, one: IPAddress, other: IPAddress) -> bool:
        """Whether the capture shows that both addresses are one host's."""
        if one == other or (one in self.recorder and other in self.recorder):
            return True
        announcers = self._announcers.get(one)
        return announcers is not None and not announcers.isdisjoint(self._announcers.get(other, ()))

    def apart(self, one: IPAddress, other: IPAddress) -> bool:
        """Whether the capture shows that they are two hosts': others announced them, by the
        same version of IP, in which a host announces all its names."""
        first, second = self._announcers.get(one, set()), self._announcers.get(other, set())
        versions = {each.version for each in first} & {each.version for each in second}
        return bool(versions) and not self.same(one, other) and first.isdisjoint(second)

    def addresses(self, one: IPAddress) -> set[IPAddress]:
        """Every address known to be of the same host."""
        others = map(self._announced.__getitem__, self._announcers.get(one, ()))
        return {one}.union(*others, self.recorder if one in self.recorder else ())
