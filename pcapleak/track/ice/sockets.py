"""Local transport addresses that gathered or checked, with what came back to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from pcapleak.track.ice.link_values import LinkKey
from pcapleak.track.ice.links import Link
from pcapleak.values.packets import Endpoint


class Socket:
    """A local transport address that gathered or checked, on all interfaces it left by."""

    __slots__ = (
        "answered", "first_ns", "fragments", "gathers", "last_ns", "layers", "lettered", "local",
        "out", "peer_fragments", "relayed", "tie_breakers", "transport",
    )  # fmt: skip

    def __init__(self, transport: str, layers: tuple[str, ...], local: Endpoint) -> None:
        self.transport = transport
        self.layers = layers
        self.local = local
        self.out: list[Link] = []
        self.answered: list[tuple[Link, Link]] = []
        """Those of `out` to which something came back, with the link that it came by."""

    def sum_up(self) -> None:
        """Derive what is asked often, once all links are in."""
        self.first_ns = min([link.seen.first_ns for link in self.out])
        """When it began."""
        self.last_ns = max([link.seen.last_ns for link in self.out])
        """When it, or what answered it, was last seen."""
        self.gathers = False
        """Whether it asked a STUN or TURN server."""
        self.lettered = agreed([link.lettered for link in self.out])
        """Whether its transaction ids are libwebrtc's; None where its links disagree."""
        self.fragments: dict[str, None] = {}
        """Its own username fragments: what stands after the colon (RFC 8445 section 7.2.2)."""
        self.peer_fragments: dict[str, None] = {}
        """Those of the agents it checked: what stands before the colon."""
        self.tie_breakers = union([link.tie_breakers for link in self.out])
        """Tie-breakers it sent."""
        self.relayed: set[Endpoint] = set()
        """What was allocated for it."""
        for link in self.out:
            if link.bare is not None or link.allocates is not None:
                self.gathers = True
            for username in link.usernames:
                peer, _, own = username.partition(":")
                if own:
                    self.fragments[own] = None
                    if peer:
                        self.peer_fragments[peer] = None
        for _, back in self.answered:
            self.last_ns = max(self.last_ns, back.seen.last_ns)
            for allocation in back.allocations:
                self.relayed.add(allocation.relayed)

    @property
    def interfaces(self) -> set[int]:
        """Interfaces it left by."""
        return {link.key.interface for link in self.out}

    @property
    def destinations(self) -> set[Endpoint]:
        """Whom it asked or checked."""
        return {link.key.destination for link in self.out}

    @property
    def mapped(self) -> set[Endpoint]:
        """What it was told of itself."""
        return {
            mapped for _, back in self.answered for mapped in (*back.answers, *back.check_answers)
        }


def agreed(answers: Collection[bool | None]) -> bool | None:
    """The one answer that was given, if there is one."""
    if len(answers) == 1:
        return next(iter(answers))
    given = {answer for answer in answers if answer is not None}
    return given.pop() if len(given) == 1 else None


def union(parts: Sequence[Collection[int]]) -> Collection[int]:
    """What is in one of the parts, and where there is one part alone, as mostly, itself."""
    return parts[0] if len(parts) == 1 else set[int]().union(*parts)


def collect_sockets(links: Mapping[LinkKey, Link]) -> list[Socket]:
    """One socket for each transport address that asked something."""
    sockets: dict[tuple[str, tuple[str, ...], Endpoint], Socket] = {}
    strays = _strays(links)
    for key, link in links.items():
        if not link.asks:
            continue
        place = (key.transport, key.layers, key.source)
        socket = sockets.get(place)
        if socket is None:
            socket = sockets[place] = Socket(*place)
        socket.out.append(link)
        back = link.back or (strays.get(key.back) if strays else None)
        if back is not None:
            socket.answered.append((link, back))
    for socket in sockets.values():
        socket.sum_up()
    at_once = Counter([socket.first_ns for socket in sockets.values()])
    return sorted(
        sockets.values(),
        key=lambda one: (one.first_ns, str(one.local) if at_once[one.first_ns] > 1 else ""),
    )


def _strays(links: Mapping[LinkKey, Link]) -> dict[LinkKey, Link]:
    """Answers that came in by another interface than their requests went out by, as routes of
    two uplinks have it: by the key that they would have had."""
    elsewhere: dict[tuple[object, ...], list[LinkKey]] = {}
    for key, link in links.items():
        if link.asks and link.back is None:
            elsewhere.setdefault((key.transport, key.layers, *key[3:]), []).append(key)
    if not elsewhere:
        return {}
    found: dict[LinkKey, Link] = {}
    for key, link in links.items():
        if (link.answers or link.allocations or link.check_answers) and link.back is None:
            for asked in elsewhere.get((key.transport, key.layers, *key.back[3:]), ()):
                found.setdefault(asked.back, link)
    return found
