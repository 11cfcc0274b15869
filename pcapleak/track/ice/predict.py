"""A candidate's priority and foundation, as its engine computes them."""

from __future__ import annotations

from pcapleak.decode.ice.foundation import libwebrtc_foundation
from pcapleak.decode.ice.priority import libwebrtc_priority
from pcapleak.track.ice.agents import Agent
from pcapleak.track.ice.session import Candidate, Engine, Mode
from pcapleak.track.ice.sockets import Socket
from pcapleak.track.names import NameRecord
from pcapleak.values.packets import IPAddress

TYPE_PREFERENCE = {"host": 126, "prflx": 110, "srflx": 100, "relay": 3}
TCP_PREFERENCE = {"host": 90, "prflx": 80, "srflx": 100, "relay": 1}
"""libwebrtc's p2p_constants.h; a relay's is that of the way to the server."""


class Base:
    """A local UDP or TCP socket, by port: a wildcard socket may use several addresses."""

    __slots__ = ("links", "local", "names", "socket", "sockets")

    def __init__(self, sockets: list[Socket]) -> None:
        self.sockets = sockets
        self.socket = sockets[0]
        """The one that was seen first."""
        self.local = self.socket.local
        """Its transport address as first seen."""
        self.links = [link for socket in sockets for link in socket.out]
        """What it sent."""
        self.names: list[NameRecord] = []

    @property
    def gathers_host(self) -> bool:
        """Whether it is more than a TURN client's socket."""
        return any(link.bare is not None or link.checks is not None for link in self.links)

    @property
    def asked(self) -> bool:
        """Whether it asked a STUN server."""
        return any(link.bare is not None for link in self.links)

    @property
    def checked_preference(self) -> int | None:
        """Local preference and component as a check's PRIORITY tells them."""
        seen = [priority for link in self.links for priority in link.priorities]
        return min(seen) & 0xFF_FFFF if seen else None


def is_wildcard(agent: Agent, engine: Engine, mode: Mode) -> bool:
    """Whether the agent's sockets are bound to no address, and it hides the one that its
    packets have: libwebrtc in modes 2 and 3 of RFC 8828."""
    networks = {info.id for link in agent.links for info in link.networks}
    undecided = mode.mode is None and (networks == {0} or not mode.may_be_permitted)
    return engine in ("chromium", "webkit") and (mode.mode in (2, 3) or undecided)


class Prediction:
    """What one session's engine computes for its candidates."""

    def __init__(self, agent: Agent, engine: Engine, mode: Mode) -> None:
        self.agent = agent
        self.engine = engine
        self.mode = mode.mode
        self.is_sure = mode.confidence not in (None, "low")
        self.wildcard = is_wildcard(agent, engine, mode)

    def complete(
        self, candidate: Candidate, base: Base | None, address: IPAddress, turn: int | None = 0
    ) -> None:
        """Fill in what follows from the engine: `address` is what the candidate's class and
        foundation are computed of, `turn` a relay's rank in the page's list, the last one's 1,
        or None where it is not known."""
        self._prioritise(candidate, base, address, turn)
        candidate.foundation = self._foundation(candidate, address)
        if candidate.type == "host" and candidate.mdns_name is None:
            candidate.is_hidden = self._hides
        if self.mode == 1 and base is not None:
            networks = [info for link in base.links for info in link.networks]
            candidate.network = networks[0] if networks else None

    @property
    def _hides(self) -> bool | None:
        """Whether a host address of which no name was seen is hidden behind one."""
        if self.engine == "firefox":
            return True
        if self.engine not in ("chromium", "webkit") or self.mode == 1:
            return False
        # Where names were announced this one was missed; by a silence that was recorded whole,
        # nothing is hidden.
        if self.agent.names or self.is_sure:
            return True
        return None if self.mode is None else False

    def _prioritise(
        self, candidate: Candidate, base: Base | None, address: IPAddress, turn: int | None
    ) -> None:
        """Fill in the priority: from a check's PRIORITY, whose lower bits are the candidate's,
        or by libwebrtc's formula; Firefox's rank of an interface is in checks alone."""
        over_tcp = candidate.protocol == "tcp" or (
            candidate.type == "relay" and base is not None and base.socket.transport == "tcp"
        )
        preference = (TCP_PREFERENCE if over_tcp else TYPE_PREFERENCE)[candidate.type]
        local = base.checked_preference if base is not None else None
        # Others rank candidates of other types by rules of their own, as libnice and libjuice do.
        if self.engine == "unknown" or (self.engine == "other" and candidate.type != "prflx"):
            return
        if local is not None and candidate.type in ("host", "srflx", "prflx"):
            if self.engine == "firefox" and candidate.type == "srflx":
                local |= 31 << 8
            candidate.priority = preference << 24 | local
            candidate.priority_source = "observed"
        elif self.wildcard or (self.engine in ("chromium", "webkit") and self.mode is not None):
            rank = None if self.wildcard or self.mode == 4 else self._rank(base)
            if turn is None or (rank is None and self.mode == 1):
                return
            candidate.priority = libwebrtc_priority(
                preference,
                _address_class(address),
                interface_rank=rank,
                relay_preference=turn,
            )
            candidate.priority_source = "predicted"

    def _rank(self, base: Base | None) -> int | None:
        """The interface's rank in Mode 1: what a check from the same address said, or where
        one address of each family gathered, IPv6 first, as of equal adapters."""
        if base is None:
            return None
        address = base.local.address
        for socket in self.agent.udp:
            if socket.local.address == address:
                for link in socket.out:
                    for priority in link.priorities:
                        return 127 - (priority >> 16 & 0xFF)
        if sorted(one.version for one in self.agent.addresses) == [4, 6]:
            return 0 if address.version == 6 else 1
        return None

    def _foundation(self, candidate: Candidate, hidden: IPAddress) -> str | None:
        """libwebrtc's foundation follows from the base and the tie-breaker of the checks."""
        ties = self.agent.tie_breakers
        if self.engine not in ("chromium", "webkit") or len(ties) != 1:
            return None
        if candidate.type == "host":
            base: object = hidden
        elif candidate.type == "srflx":
            base = candidate.related_address
        else:
            return None
        (tie,) = ties
        return libwebrtc_foundation(
            candidate.type, str(base), candidate.protocol, "", tie_breaker=tie
        )


def _address_class(address: IPAddress) -> int:
    """libwebrtc's IPAddressPrecedence (rtc_base/ip_address.cc)."""
    if address.version == 4:
        return 30
    value = int(address)
    if value == 1:
        return 60
    if value >> 121 == 0xFC >> 1:
        return 50
    if value >> 112 == 0x2002:
        return 20
    if value >> 96 == 0x2001_0000:
        return 10
    if value >> 32 == 0xFFFF:
        return 30
    return 40
