"""The tracker: messages in, sessions out."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from pcapleak.decode.media.dtls import DtlsHello
from pcapleak.decode.stun.attributes import FINGERPRINT, MESSAGE_INTEGRITY
from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.decode.stun.turn import ChannelData
from pcapleak.decode.tunnels.socks import SocksRequest
from pcapleak.decode.web.http import HttpRequest
from pcapleak.decode.web.quic import QuicInitial
from pcapleak.decode.web.tls import ClientHello
from pcapleak.track.ice.browsers import BrowserEvidence
from pcapleak.track.ice.links import ALLOCATE, BINDING, GOOG_PING, Link, LinkKey
from pcapleak.track.ice.session import Session
from pcapleak.track.ice.sessions import build_sessions
from pcapleak.track.names import NameTracker
from pcapleak.track.relays import RelayTable
from pcapleak.track.sightings import Budget
from pcapleak.track.signalling import SignallingTracker
from pcapleak.values.packets import Context, Interface

MAX_LINKS = 40_000
"""Links kept: about 2.5 kB each with one of everything they hold, so 100 MB."""

MAX_SIGHTINGS = 100_000
"""Further usernames, priorities, peers and so on over all links: at most about 850 bytes each
with their frames, so 85 MB at the most."""

MAX_PENDING = 16_384
"""Requests that wait for an answer: about 300 bytes each, so 5 MB."""

Message = (
    StunMessage | ChannelData | DtlsHello | HttpRequest | SocksRequest | ClientHello | QuicInitial
)


class Seen(Protocol):
    """What sessions are joined from, beside this tracker."""

    names: NameTracker
    signalling: SignallingTracker
    interfaces: list[Interface]


class IceTracker:
    """State per transport association, never per message, and the browsers behind it."""

    def __init__(self) -> None:
        self.links: dict[LinkKey, Link] = {}
        self.browsers = BrowserEvidence()
        self.forgotten = 0
        """Messages on links beyond `MAX_LINKS`, counted only."""
        self._budget = Budget(MAX_SIGHTINGS)
        self._relays = RelayTable()
        self._pending: OrderedDict[tuple[int, bool, bytes], tuple[str, str]] = OrderedDict()

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
            if isinstance(message, StunMessage):
                self._stun(context, message)
            for inside, inner in self._relays.unpack(context, message):
                if isinstance(inner, StunMessage):
                    self._stun(inside, inner)
        elif isinstance(message, DtlsHello):
            self._hello(context, message)
        else:
            self.browsers.add(context, message)

    def sessions(self, seen: Seen) -> list[Session]:
        """The sessions as they stand, in the order they began."""
        return build_sessions(self, seen.names, seen.signalling, seen.interfaces)

    def _link(self, context: Context, *, create: bool = True) -> Link | None:
        key = LinkKey(
            context.interface,
            context.transport,
            context.layers,
            context.source,
            context.destination,
        )
        link = self.links.get(key)
        if link is None:
            if not create or len(self.links) >= MAX_LINKS:
                self.forgotten += create
                return None
            link = self.links[key] = Link(key, context, self._budget)
        else:
            link.seen.add(context)
        link.touch(context)
        return link

    def _stun(self, context: Context, message: StunMessage) -> None:
        if "icmp-quote" in context.layers:
            return
        link = self._link(context)
        if link is None:
            return
        kind = message.message_class
        if kind == "request":
            self._wait(context, message, link.request(context, message), link.relay_transport)
        elif kind == "indication":
            link.indication(context, message)
        elif kind == "success":
            asked, relay = self._answered(context, message)
            link.success(context, message, asked, relay)
        else:
            link.error(context, message)

    def _wait(self, context: Context, message: StunMessage, kind: str, transport: str) -> None:
        pending = self._pending
        pending[context.flow, context.forward, message.transaction_id] = kind, transport
        if len(pending) > MAX_PENDING:
            pending.popitem(last=False)

    def _answered(self, context: Context, message: StunMessage) -> tuple[str, str]:
        """What the answered request was. Where it was not seen, what the answer looks like:
        ICE's carry MESSAGE-INTEGRITY and FINGERPRINT (RFC 8445 section 7.2.4)."""
        asked = context.flow, not context.forward, message.transaction_id
        known = self._pending.get(asked)
        if known is not None:
            return known
        if message.method == ALLOCATE:
            return "allocate", "udp"
        if message.method not in (BINDING, GOOG_PING):
            return "turn", "udp"
        if message.has(MESSAGE_INTEGRITY) and message.has(FINGERPRINT):
            return "check", "udp"
        return "bare", "udp"

    def _hello(self, context: Context, message: DtlsHello) -> None:
        link = self._link(context, create=False)
        if link is not None:
            link.hello(context, message.kind)
