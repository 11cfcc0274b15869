"""What one transport address sent to another: STUN, TURN and DTLS, counted, not kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice

from pcapleak.decode.stun.attributes import (
    FINGERPRINT,
    GOOG_NETWORK_INFO,
    ICE_CONTROLLING,
    MESSAGE_INTEGRITY,
    MESSAGE_INTEGRITY_SHA256,
    MS_IMPLEMENTATION_VERSION,
    NONCE,
    PRIORITY,
    SOFTWARE,
)
from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.decode.stun.values import NetworkInfo
from pcapleak.track.ice.carried import BINDINGS, CHECKS, TURN, carry, odd_nonce
from pcapleak.track.ice.foreign import foreign_allocation, foreign_request
from pcapleak.track.ice.link_values import (
    ALLOCATE,
    BINDING,
    CHANNEL_BIND,
    CONNECT,
    CREATE_PERMISSION,
    GOOG_PING,
    REFRESH,
    SEND,
    Allocation,
    Asked,
    Held,
    LinkKey,
)
from pcapleak.track.sightings import NOTHING, Budget, Sighting, begun, see
from pcapleak.values.packets import Context, Direction, Endpoint

MAX_VALUES = 32
"""Different usernames, priorities, mapped addresses and so on kept for one link."""

MAX_PEERS = 256
"""Peers kept for one TURN client."""

FEW_PEERS = 1
"""Peers of one message that are looked at where no new ones can be kept: the first of a link is
kept all the same, and most messages name one."""

MAX_TEXT = 763
"""Bytes that SOFTWARE may have, and more than USERNAME may (RFC 8489 sections 14.14, 14.3)."""

MAX_SAID = 256
"""Bytes of a message that is compared with the last one; checks have about 100."""

RETRIES = 4
"""Times of sending one request that tell the retransmission timer."""


class Link:
    """Everything seen of one direction. Facts that were not seen are None or empty."""

    __slots__ = (
        "again", "allocates", "allocations", "answers", "back", "bare", "budget", "carried",
        "check_answers", "checks", "connects", "errors", "flow", "foreign", "forward", "goog",
        "held", "hellos", "inbound", "indications", "key", "lettered", "networks", "nominated",
        "outbound", "outer", "peers", "permissions", "presumed", "priorities", "relay_transport",
        "retries", "roles", "seen", "signed", "signs", "software", "tie_breakers", "usernames",
        "vendor", "waiting",
    )  # fmt: skip

    def __init__(self, key: LinkKey, context: Context, budget: Budget) -> None:
        self.key = key
        self.back: Link | None = None
        """The other direction, once something was seen of it."""
        self.budget = budget
        self.flow = context.flow
        self.forward = context.forward
        self.outer = context.outer
        self.seen = Sighting(context)
        self.outbound = 0
        self.inbound = 0
        self.bare: Sighting | None = None
        """Binding requests without ICE's attributes: gathering, or keep-alives to a server."""
        self.foreign: str | None = None
        """What about a bare request or an allocation no browser does."""
        self.retries: Sequence[tuple[bytes, int]] = ()
        """The first sendings of the first bare request."""
        self.checks: Sighting | None = None
        self.signed: tuple[bytes, int] | None = None
        """The first check and its frame, of `MAX_SAID` bytes at the most: signalling may show
        the password that it was made with later."""
        self.usernames: Mapping[str, Sighting] = NOTHING
        self.tie_breakers: Mapping[int, Sighting] = NOTHING
        self.roles: Mapping[str, Sighting] = NOTHING
        self.priorities: Mapping[int, Sighting] = NOTHING
        self.networks: Mapping[NetworkInfo, Sighting] = NOTHING
        self.nominated: Sighting | None = None
        self.goog = False
        self.lettered: bool | None = None
        """Whether the transaction id of its first request is of base64's letters, as libwebrtc
        makes them: of random bytes one in 17 million is."""
        self.vendor = False
        """Microsoft's ICE wrote this."""
        self.indications: Sighting | None = None
        """Binding indications: keep-alives of agents that follow RFC 8445 section 11."""
        self.answers: Mapping[Endpoint, Sighting] = NOTHING
        """What this server told of a bare request's sender."""
        self.check_answers: Mapping[Endpoint, Sighting] = NOTHING
        """What this peer told of a check's sender."""
        self.signs = False
        """Whether it signed one of these, as who knows the password of the signalling does."""
        self.errors: Mapping[tuple[int, int], Sighting] = NOTHING
        """By method and error code."""
        self.allocates: Sighting | None = None
        self.relay_transport = "udp"
        self.allocations: Mapping[Allocation, Sighting] = NOTHING
        self.permissions: Mapping[Endpoint, Sighting] = NOTHING
        """Peers this TURN client named."""
        self.peers: Mapping[Endpoint, Sighting] = NOTHING
        """Peers this TURN server named."""
        self.connects: Mapping[Endpoint, Sighting] = NOTHING
        """Peers this TURN client had the server connect to (RFC 6062)."""
        self.carried: Mapping[tuple[int, bytes], Sighting] = NOTHING
        """Values of attributes that could carry data, by type, cut short:
        free text, and types that are not known. Usernames of checks are in `usernames`."""
        self.software: str | None = None
        self.hellos: Mapping[str, Sighting] = NOTHING
        self.waiting: Mapping[bytes, Asked] = NOTHING
        """Its latest requests by transaction: an answer counts with its request only."""
        self.held: Sequence[Held] = ()
        """Answers whose request was not seen, as far as it may yet be."""
        self.presumed: AbstractSet[Endpoint] = _NOBODY
        """What answers told whose request is older than the recording, and no other."""
        self.again: Mapping[str, tuple[bytes, list[Sighting]]] = NOTHING
        """By kind of message: what the last one said, and where that was counted. Agents check
        a pair every second or so, in the same words."""

    def touch(self, context: Context) -> None:
        """Count a packet of this link, whatever it holds."""
        if context.direction == Direction.OUTBOUND:
            self.outbound += 1
        elif context.direction == Direction.INBOUND:
            self.inbound += 1

    def request(self, context: Context, message: StunMessage) -> str:
        """Take a request; says what kind it is, for the answer that comes."""
        method = message.method
        if self.lettered is None:
            self.lettered = not message.transaction_id.translate(None, _BASE64)
        if method in (BINDING, GOOG_PING):
            if message.has(PRIORITY) or message.is_ice or ":" in (message.username or ""):
                self._check(context, message)
                return "check"
            self.bare = _counted(self.bare, context)
            if self.foreign is None:
                self.foreign = foreign_request(message)
            if self.software is None and message.has(SOFTWARE):
                self.software = _cut(message.software)
            self._carry(context, message, BINDINGS)
            retries = self.retries
            if len(retries) < RETRIES and (not retries or retries[0][0] == message.transaction_id):
                self.retries = *retries, (message.transaction_id, context.ts_ns)
            return "bare"
        self._carry(context, message, TURN)
        if method == ALLOCATE:
            self.allocates = _counted(self.allocates, context)
            if self.foreign is None:
                self.foreign = foreign_allocation(message)
            if message.requested_transport == 6:
                self.relay_transport = "tcp"
            return "allocate"
        if method == REFRESH:
            return "refresh"
        if method in (CREATE_PERMISSION, CHANNEL_BIND, CONNECT):
            self._permit(context, message)
        return "turn"

    def _check(self, context: Context, message: StunMessage) -> None:
        said = _said(message)
        if said is not None and self._again("check", said, context):
            return
        # Each view of a message is computed when it is read, so each is read once.
        budget = self.budget
        self.checks = _counted(self.checks, context)
        counted: list[Sighting | None] = [self.checks]
        if self.signed is None and len(message.wire) <= MAX_SAID:
            self.signed = message.wire, context.frame
        username = message.username
        if username is not None:
            username = username[:MAX_TEXT]
            self.usernames = usernames = begun(self.usernames)
            counted.append(see(usernames, username, context, MAX_VALUES, budget))
        tie_breaker = message.tie_breaker
        if tie_breaker is not None:
            self.tie_breakers = tie_breakers = begun(self.tie_breakers)
            counted.append(see(tie_breakers, tie_breaker, context, MAX_VALUES, budget))
            role = "controlling" if message.has(ICE_CONTROLLING) else "controlled"
            self.roles = roles = begun(self.roles)
            counted.append(see(roles, role, context, 2, budget))
        priority = message.priority
        if priority is not None:
            self.priorities = priorities = begun(self.priorities)
            counted.append(see(priorities, priority, context, MAX_VALUES, budget))
        if message.has(GOOG_NETWORK_INFO):
            self.goog = True
            network = message.network_info
            if network is not None:
                self.networks = networks = begun(self.networks)
                counted.append(see(networks, network, context, MAX_VALUES, budget))
        elif message.method == GOOG_PING:
            self.goog = True
        if message.has(MS_IMPLEMENTATION_VERSION):
            self.vendor = True
        if message.use_candidate:
            self.nominated = _counted(self.nominated, context)
            counted.append(self.nominated)
        counted += self._carry(context, message, CHECKS)
        self._remember("check", said, counted)

    def _again(self, kind: str, said: bytes, context: Context) -> bool:
        """Count a message that says what the last of its kind said, if this one does."""
        last = self.again.get(kind)
        if last is None or last[0] != said:
            return False
        for sighting in last[1]:
            sighting.add(context)
        return True

    def _remember(self, kind: str, said: bytes | None, counted: list[Sighting | None]) -> None:
        kept = [sighting for sighting in counted if sighting is not None]
        # What the bounds refused is refused, and counted, each time.
        if said is not None and len(kept) == len(counted):
            self.again = again = begun(self.again)
            again[kind] = said, kept

    def _carry(
        self, context: Context, message: StunMessage, plain: frozenset[int]
    ) -> list[Sighting | None]:
        if plain.issuperset(message.first):
            return []
        self.carried = carried = begun(self.carried)
        return carry(carried, context, message, plain, self.budget)

    def _permit(self, context: Context, message: StunMessage) -> None:
        self.permissions = self._see_peers(self.permissions, context, message)
        if message.method == CONNECT:
            self.connects = self._see_peers(self.connects, context, message)

    def _see_peers(
        self, table: Mapping[Endpoint, Sighting], context: Context, message: StunMessage
    ) -> Mapping[Endpoint, Sighting]:
        """`table` with the peers that a message names."""
        most = None if self.budget.left else FEW_PEERS
        for peer in islice(message.peers(), most):
            table = own = begun(table)
            see(own, peer, context, MAX_PEERS, self.budget)
        if most is not None:
            self.budget.refused += max(0, message.peer_count - most)
        return table

    def indication(self, context: Context, message: StunMessage) -> None:
        """Take an indication."""
        self._carry(context, message, TURN)
        if message.method == BINDING:
            self.indications = _counted(self.indications, context)
            return
        if message.method == SEND:
            self.permissions = self._see_peers(self.permissions, context, message)
        else:
            self.peers = self._see_peers(self.peers, context, message)

    def told(self) -> Iterator[tuple[Endpoint, Sighting]]:
        """What the sender of this link told its receiver of the receiver's address."""
        yield from self.answers.items()
        yield from self.check_answers.items()
        for allocation, sighting in self.allocations.items():
            if allocation.mapped is not None:
                yield allocation.mapped, sighting

    def success(
        self, context: Context, message: StunMessage, asked: Asked, *, presumed: bool = False
    ) -> None:
        """Take a success response to a request that `request` said the kind of; `presumed` where
        that is older than the recording."""
        kind, relay_transport = asked
        mapped = message.mapped_address
        if mapped is not None:
            if not presumed:
                if mapped in self.presumed:
                    self.presumed -= {mapped}
            elif len(self.presumed) < MAX_VALUES and all(mapped != one for one, _ in self.told()):
                self.presumed |= {mapped}
        if kind == "check" and not self.signs:
            self.signs = _may_be_signed(message)
        said = _said(message)
        if said is not None and self._again(kind, said, context):
            return
        carried = self._carry(context, message, CHECKS)
        if self.software is None and message.has(SOFTWARE):
            self.software = _cut(message.software)
        if kind == "allocate":
            relayed = message.relayed_address
            if relayed is not None:
                allocation = Allocation(relayed, mapped, relay_transport)
                self.allocations = allocations = begun(self.allocations)
                see(allocations, allocation, context, MAX_VALUES, self.budget)
        elif mapped is not None and kind in ("bare", "check"):
            if kind == "bare":
                self.answers = table = begun(self.answers)
            else:
                self.check_answers = table = begun(self.check_answers)
            seen = see(table, mapped, context, MAX_VALUES, self.budget)
            if mapped.address.version == 4 and message.has_cookie:
                # Other addresses are hidden by the transaction id too (RFC 8489 section 14.2).
                self._remember(kind, said, [seen, *carried])

    def error(self, context: Context, message: StunMessage) -> None:
        """Take an error response."""
        self._carry(context, message, CHECKS)
        nonce = odd_nonce(message) if message.has(NONCE) else None
        if nonce is not None:
            self.carried = carried = begun(self.carried)
            see(carried, (NONCE, nonce), context, MAX_VALUES, self.budget)
        error = message.error
        if error is not None:
            self.errors = errors = begun(self.errors)
            see(errors, (message.method, error.code), context, MAX_VALUES, self.budget)

    def hello(self, context: Context, kind: str) -> None:
        """Take a DTLS hello."""
        self.hellos = hellos = begun(self.hellos)
        see(hellos, kind, context, MAX_VALUES, self.budget)

    @property
    def asks(self) -> bool:
        """Whether the source acted as a client or an agent, not only as a server."""
        return self.bare is not None or self.allocates is not None or self.checks is not None


def _said(message: StunMessage) -> bytes | None:
    """What two messages that say the same have in common: the type and the attributes that
    MESSAGE-INTEGRITY signs. None where more follows it than FINGERPRINT, or it is long."""
    at = message.first.get(MESSAGE_INTEGRITY)
    if at is None or at > MAX_SAID:
        return None
    offsets = message.offsets
    if offsets[-1] != at and (offsets[-2] != at or offsets[-1] != message.first.get(FINGERPRINT)):
        return None
    return message.wire[:2] + message.wire[20:at]


def _may_be_signed(message: StunMessage) -> bool:
    """Whether it has a signature, or could have had one where it is cut short; dialects older
    than RFC 5245 have none."""
    signed = message.has(MESSAGE_INTEGRITY) or message.has(MESSAGE_INTEGRITY_SHA256)
    return signed or bool(message.problems) or not message.has_cookie


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:MAX_TEXT]


_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
"""What libwebrtc makes transaction ids of (StunMessage::GenerateTransactionId); nICEr, aioice,
pion, libnice, libjuice and werift take random bytes."""


_NOBODY: frozenset[Endpoint] = frozenset()
"""One for all links, 216 bytes each."""


def _counted(sighting: Sighting | None, context: Context) -> Sighting:
    if sighting is None:
        return Sighting(context)
    sighting.add(context)
    return sighting
