"""What the network told its hosts: DHCP leases and Router Advertisements."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

from msgspec import Struct, field

from pcapleak.decode.lan.dhcp import DhcpMessage
from pcapleak.decode.lan.ndp import Prefix, RouterAdvertisement
from pcapleak.track.beginnings import Beginnings
from pcapleak.values.packets import Context, IPAddress

MAX_FACTS = 4096
"""Leases, and as many routers, remembered: about 1 kB each, so 8 MB."""
MAX_FRAMES = 16
MAX_ENTRIES = 256
"""Prefixes, routes, routers or resolvers remembered of one router or lease."""
MAX_ALL_ENTRIES = 50_000
"""Over all leases and routers: at most about 600 bytes each, so 30 MB."""

_BROADCAST = IPv4Address(0xFFFF_FFFF)

_Entry = TypeVar("_Entry")


class Lease(Struct):
    """What one DHCP server offered or gave one client on one interface."""

    interface: int
    carrier: int
    """What carried it, an index into the dissector's encapsulations: 0 for nothing."""
    server: IPAddress
    client_hardware: bytes
    address: IPv4Address
    asked: bool = False
    """It answers a request that was recorded; else the recording began in between."""
    acknowledged: bool = False
    network: IPv4Network | None = None
    routers: tuple[IPv4Address, ...] = ()
    resolvers: tuple[IPv4Address, ...] = ()
    classless_routes: tuple[tuple[IPv4Network, IPv4Address], ...] = ()
    """Options 121 and 249: what a rogue server diverts a tunnel's traffic with."""
    first_ns: int = 0
    last_ns: int = 0
    frames: list[int] = field(default_factory=list)


class Router(Struct):
    """What one IPv6 router announced on one interface."""

    interface: int
    carrier: int
    """As a lease's."""
    address: IPAddress
    prefixes: dict[tuple[int, int], Prefix] = field(default_factory=dict)
    """By number and length."""
    first_ns: int = 0
    last_ns: int = 0
    frames: list[int] = field(default_factory=list)


class NetworkTracker:
    """Leases and routers as far as they were seen handed out.

    Hosts take no advertisement that does not pass RFC 4861 section 6.1.2, and no lease that
    answers no request of theirs (RFC 2131 section 4.4.1): neither do we.
    """

    def __init__(self, began: Beginnings | None = None) -> None:
        self._began = Beginnings() if began is None else began
        self._leases: dict[tuple[int, int, IPAddress, bytes, IPv4Address], Lease] = {}
        self._routers: dict[tuple[int, int, IPAddress], Router] = {}
        self._asked: OrderedDict[tuple[int, int, int, bytes], None] = OrderedDict()
        self._entries = 0
        self.messages: dict[int, int] = {}
        """DHCP messages of each flow that has some."""
        self.invalid = 0
        """Advertisements that hosts do not take."""
        self.unasked_leases = 0
        """Offers and acknowledgements that answer no request."""
        self.dropped = 0
        """Leases, routers and what they tell beyond the bounds."""

    def add(
        self, context: Context, message: DhcpMessage | RouterAdvertisement, carrier: int = 0
    ) -> None:
        """Take one message, which packets of the encapsulation `carrier` held."""
        if isinstance(message, RouterAdvertisement):
            if message.valid:
                self._add_router(context, message, carrier)
            else:
                self.invalid += 1
            return
        if context.flow in self.messages or len(self.messages) < MAX_FACTS:
            self.messages[context.flow] = self.messages.get(context.flow, 0) + 1
        asked = context.interface, carrier, message.transaction_id, message.client_hardware
        if message.message_type in ("discover", "request", "inform"):
            self._asked[asked] = None
            if len(self._asked) > MAX_FACTS:
                self._asked.popitem(last=False)
        elif message.message_type in ("offer", "ack"):
            self._add_lease(context, message, carrier, asked in self._asked)

    def leases(self) -> list[Lease]:
        """Every offer and acknowledgement, one for each client, server and address."""
        return list(self._leases.values())

    def routers(self) -> list[Router]:
        """Every IPv6 router."""
        return list(self._routers.values())

    def _add_lease(self, context: Context, message: DhcpMessage, carrier: int, asked: bool) -> None:
        # What came from beyond the link unasked may come from anybody.
        linked = context.destination.address == _BROADCAST or context.source.address.is_private
        if not asked and not (linked and self._began.lately(context)):
            self.unasked_leases += 1
            return
        # The acknowledgement of an INFORM gives no address: the client has one.
        address = message.your_address or message.client_address
        if address is None:
            return
        server = message.server_id or context.source.address
        key = (context.interface, carrier, server, message.client_hardware, address)
        lease = self._leases.get(key)
        if lease is None:
            if len(self._leases) >= MAX_FACTS:
                self.dropped += 1
                return
            lease = self._leases[key] = Lease(*key, first_ns=context.ts_ns)
        lease.asked |= asked
        lease.acknowledged |= message.message_type == "ack"
        if message.subnet_mask is not None:
            try:
                lease.network = IPv4Network((address, str(message.subnet_mask)), strict=False)
            except ValueError:
                lease.network = None
        lease.routers = self._latest(lease.routers, message.routers)
        lease.resolvers = self._latest(lease.resolvers, message.resolvers)
        lease.classless_routes = self._latest(lease.classless_routes, message.classless_routes)
        lease.last_ns = context.ts_ns
        if len(lease.frames) < MAX_FRAMES:
            lease.frames.append(context.frame)

    def _add_router(self, context: Context, message: RouterAdvertisement, carrier: int) -> None:
        key = (context.interface, carrier, context.source.address)
        router = self._routers.get(key)
        if router is None:
            if len(self._routers) >= MAX_FACTS:
                self.dropped += 1
                return
            router = self._routers[key] = Router(*key, first_ns=context.ts_ns)
        router.last_ns = context.ts_ns
        if len(router.frames) < MAX_FRAMES:
            router.frames.append(context.frame)
        if self._entries >= MAX_ALL_ENTRIES or len(router.prefixes) >= MAX_ENTRIES:
            self.dropped += len(message.options)
            return
        for prefix in message.prefixes:
            place = prefix.number, prefix.length
            if place in router.prefixes or self._room(len(router.prefixes)):
                router.prefixes[place] = prefix

    def _latest(self, known: tuple[_Entry, ...], told: tuple[_Entry, ...]) -> tuple[_Entry, ...]:
        """What was told last, as far as there is room."""
        if not told:
            return known
        self._entries -= len(known)
        kept = told[: max(min(MAX_ENTRIES, MAX_ALL_ENTRIES - self._entries), 0)]
        self._entries += len(kept)
        self.dropped += len(kept) < len(told)
        return kept

    def _room(self, kept: int) -> bool:
        """Whether one more is kept where `kept` are already."""
        if kept >= MAX_ENTRIES or self._entries >= MAX_ALL_ENTRIES:
            self.dropped += 1
            return False
        self._entries += 1
        return True
