"""The tracker: messages in, sessions out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pcapleak.decode.media.dtls import DtlsHello
from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.decode.stun.turn import ChannelData
from pcapleak.decode.tunnels.socks import SocksRequest
from pcapleak.decode.web.http import HttpRequest
from pcapleak.decode.web.quic import QuicInitial
from pcapleak.decode.web.tls import ClientHello
from pcapleak.track.beginnings import Beginnings
from pcapleak.track.ice.browsers import BrowserEvidence
from pcapleak.track.ice.link_values import Asked, Held, LinkKey
from pcapleak.track.ice.links import Link
from pcapleak.track.ice.multicast import Multicast
from pcapleak.track.ice.page_modes import Told
from pcapleak.track.ice.session import Session
from pcapleak.track.ice.sessions import build_sessions
from pcapleak.track.names import NameTracker
from pcapleak.track.relays import RelayTable
from pcapleak.track.sightings import Budget, Sighting, begun
from pcapleak.track.signalling import SignallingTracker
from pcapleak.values.packets import Context, Direction, Interface

MAX_LINKS = 40_000
"""Links kept: about 2.5 kB each with one of everything they hold, so 100 MB."""

MAX_ARRIVING = 2000
"""Of these for what only arrives, as the recorder marks it, where nothing was ever sent back: a
stranger makes many, and a watch judges all links again and again."""

MAX_SIGHTINGS = 100_000
"""Further usernames, priorities, peers and so on over all links: at most about 850 bytes each
with their frames, so 85 MB at the most."""

MAX_WAITING = 64
"""Requests of one link that an answer is known by: agents have one or two under way."""
FEW_WAITING = 2
MAX_PENDING = 16_384
"""Requests beyond the first `FEW_WAITING` over all links: about 150 bytes each, so 3 MB."""

MAX_HELD = 2048
MAX_HELD_BYTES = 2048
"""Answers before their requests, and the bytes of one: with their decoding about 3 kB each, so
6 MB."""

Message = (
    StunMessage | ChannelData | DtlsHello | HttpRequest | SocksRequest | ClientHello | QuicInitial
)


MAX_PLACES = 16
"""Interfaces, or encapsulations on them, in which an answer's request is looked for; hosts have
a handful."""


class Seen(Protocol):
    """What sessions are joined from, beside this tracker."""

    names: NameTracker
    signalling: SignallingTracker
    interfaces: list[Interface]

    @property
    def multicast(self) -> Multicast:
        """What multicast hosts were recorded sending."""


class IceTracker:
    """State per transport association, never per message, and the browsers behind it."""

    def __init__(self, began: Beginnings | None = None) -> None:
        self._began = Beginnings() if began is None else began
        self.links: dict[LinkKey, Link] = {}
        self.browsers = BrowserEvidence()
        self.forgotten = 0
        """Messages on links beyond `MAX_LINKS` or `MAX_ARRIVING`, counted only."""
        self._arriving: set[LinkKey] = set()
        self._budget = Budget(MAX_SIGHTINGS)
        self._relays = RelayTable()
        self._pending = 0
        self._held = 0
        self._places: tuple[dict[tuple[int, int], None], ...] = ({}, {})
        """Interfaces and encapsulations in which requests were seen: bare ones, and others."""
        self.unasked: Sighting | None = None
        """Answers to no request: their receiver passes over them (RFC 8489 section 6.3)."""

    @property
    def details_forgotten(self) -> int:
        """Usernames, peers and so on beyond `MAX_SIGHTINGS`."""
        return self._budget.refused

    @property
    def relays_forgotten(self) -> int:
        """TURN allocations that gave way to later ones."""
        return self._relays.dropped

    def add(self, context: Context, message: Message) -> None:
        """Take one message, in capture order."""
        if isinstance(message, StunMessage | ChannelData):
            if isinstance(message, StunMessage) and not self._stun(context, message):
                return
            for inside, inner in self._relays.unpack(context, message):
                if isinstance(inner, StunMessage):
                    self._stun(inside, inner)
        elif isinstance(message, DtlsHello):
            self._hello(context, message)
        else:
            self.browsers.add(context, message)

    def sessions(self, seen: Seen, told: Mapping[str, Told] | None = None) -> list[Session]:
        """The sessions as they stand, in the order they began; `told` is what pages say of them,
        by their ids."""
        return build_sessions(
            self.links,
            self.browsers,
            seen.names,
            seen.signalling,
            seen.interfaces,
            seen.multicast,
            told or {},
        )

    def _link(self, context: Context, *, create: bool = True) -> Link | None:
        key = LinkKey(
            context.interface,
            context.transport,
            context.layers,
            context.source,
            context.destination,
            context.carrier,
        )
        link = self.links.get(key)
        if link is None:
            back = self.links.get(key.back)
            if not create or not self._has_room(context, key, back):
                self.forgotten += create
                return None
            link = self.links[key] = Link(key, context, self._budget)
            if key.source == key.destination:
                back = link
            if back is not None:
                link.back, back.back = back, link
        else:
            link.seen.add(context)
        link.touch(context)
        return link

    def _has_room(self, context: Context, key: LinkKey, back: Link | None) -> bool:
        """Whether one more link is kept."""
        if len(self.links) >= MAX_LINKS:
            return False
        if context.direction != Direction.INBOUND:
            self._arriving.discard(key.back)
        elif back is None:
            if len(self._arriving) >= MAX_ARRIVING:
                return False
            self._arriving.add(key)
        return True

    def _stun(self, context: Context, message: StunMessage) -> bool:
        """Take a message; says whether its receiver does."""
        if "icmp-quote" in context.layers:
            return True
        link = self._link(context)
        if link is None:
            return True
        kind = message.message_class
        if kind == "request":
            asked = Asked(link.request(context, message), link.relay_transport)
            places = self._places[context.carrier > 0]
            if len(places) < MAX_PLACES:
                places[context.interface, context.carrier] = None
            self._wait(link, message, asked)
            if self._held:
                self._answer_late(link, message, asked)
        elif kind == "indication":
            link.indication(context, message)
        else:
            known = self._asked(link, message)
            if known is None:
                self._hold(link, context, message)
                return False
            if kind == "success":
                link.success(context, message, known)
            else:
                link.error(context, message)
        return True

    def _asked(self, link: Link, message: StunMessage) -> Asked | None:
        """The request that a message answers. Where a host has two uplinks, it may have gone out
        by another interface than the answer comes in by, or inside another encapsulation; but
        what is inside of one asks for nothing outside of it."""
        back = link.key.back
        places = self._places[back.carrier > 0]
        for interface, carrier in ((back.interface, back.carrier), *places):
            there = self.links.get(back._replace(interface=interface, carrier=carrier))
            if there is not None and message.transaction_id in there.waiting:
                return there.waiting[message.transaction_id]
        return None

    def _wait(self, link: Link, message: StunMessage, asked: Asked) -> None:
        link.waiting = waiting = begun(link.waiting)
        if message.transaction_id not in waiting and len(waiting) >= FEW_WAITING:
            if len(waiting) >= MAX_WAITING or self._pending >= MAX_PENDING:
                del waiting[next(iter(waiting))]
            else:
                self._pending += 1
        waiting[message.transaction_id] = asked

    def _hold(self, link: Link, context: Context, message: StunMessage) -> None:
        """Keep an answer that nobody asked for a while."""
        if self.unasked is None:
            self.unasked = Sighting(context)
        else:
            self.unasked.add(context)
        small = len(message.wire) <= MAX_HELD_BYTES and message.message_class == "success"
        if small and self._held < MAX_HELD and len(link.held) < MAX_WAITING:
            self._held += 1
            link.held = *link.held, Held(context, message, self._began.lately(context))

    def _answer_late(self, link: Link, message: StunMessage, asked: Asked) -> None:
        """Take the answers held for a link that now asks: that to this very request, which a
        recorder had swapped with it, and those to requests before the recording began. Only who
        asks again on the same sockets asked before: a stranger's answer to nobody stays one."""
        back = link.back
        if back is None or not back.held:
            return
        kept: list[Held] = []
        for held in back.held:
            same = held.message.transaction_id == message.transaction_id
            if not same and not (held.lately and held.message.method == message.method):
                kept.append(held)
                continue
            back.success(held.context, held.message, asked, presumed=not same)
            self._held -= 1
            assert self.unasked is not None
            self.unasked.count -= 1
        back.held = kept

    def _hello(self, context: Context, message: DtlsHello) -> None:
        link = self._link(context, create=False)
        if link is not None:
            link.hello(context, message.kind)
