"""Which browser engine an agent is, and how far it was allowed to look (RFC 8828)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from pcapleak.decode.ice.priority import read_priority
from pcapleak.track.ice.agents import SECOND, Agent, Socket
from pcapleak.track.ice.browsers import BrowserEvidence, Client
from pcapleak.track.ice.hosts import Hosts
from pcapleak.track.ice.session import Engine, Mode
from pcapleak.values.packets import IPAddress

PROXIES = frozenset({"socks", "http-connect"})

_GECKO_UFRAG = re.compile(r"[0-9a-f]{8}")
_LIBWEBRTC_UFRAG = re.compile(r"[A-Za-z0-9+/]{4}")

_TIMERS: dict[int, Engine] = {100: "firefox", 250: "chromium", 500: "other"}
"""First retransmission of a gathering request, in milliseconds: nICEr's, libwebrtc's
(stun_request.cc), and RFC 8489 section 6.2.1's default."""


class EngineGuess(NamedTuple):
    """An engine and why."""

    engine: Engine
    reason: str


def guess_only_browser(browsers: BrowserEvidence) -> EngineGuess | None:
    """The engine of all clients of a capture, if they agree."""
    everyone = _by_statements(browsers.clients.values())
    if everyone is None:
        return None
    return EngineGuess(everyone.engine, f"the only browser in this capture; {everyone.reason}")


def guess_engine(
    agent: Agent, browsers: BrowserEvidence, hosts: Hosts, only: EngineGuess | None
) -> EngineGuess:
    """The engine, by the strongest evidence there is; `only` is the capture's only browser."""
    for evidence in (_by_checks, _by_requests, _by_names, _by_timer):
        guess = evidence(agent)
        if guess is not None and guess.engine != "chromium":
            return guess
        if guess is not None:
            return _refine(guess, _clients(agent, browsers, hosts))
    said = _by_statements(_clients(agent, browsers, hosts))
    if said is not None:
        return said
    if only is not None:
        return only
    if agent.gathers:
        reason = "bare Binding requests, as both Chromium and Firefox send; nothing tells which"
        return EngineGuess("unknown", reason)
    return EngineGuess("unknown", "nothing in this capture tells the engine")


def _clients(agent: Agent, browsers: BrowserEvidence, hosts: Hosts) -> list[Client]:
    mine = set(agent.addresses)
    mine.update(announcer for name in agent.names for announcer in name.announcers)
    everywhere = {other for address in mine for other in hosts.addresses(address)}
    found = (browsers.clients.get(address) for address in sorted(everywhere, key=_order))
    return [client for client in found if client is not None]


def _order(address: IPAddress) -> tuple[int, int]:
    return address.version, int(address)


def _refine(guess: EngineGuess, clients: list[Client]) -> EngineGuess:
    """libwebrtc is Chromium's and WebKit's: a User-Agent field tells which."""
    said = _by_statements(clients)
    if said is not None and said.engine == "webkit":
        return EngineGuess("webkit", f"{guess.reason}; {said.reason}")
    return guess


def _by_checks(agent: Agent) -> EngineGuess | None:
    links = agent.links
    if any(link.vendor for link in links):
        return EngineGuess("other", "MS-IMPLEMENTATION-VERSION in its checks: Microsoft's ICE")
    fragments = [fragment for socket in agent.sockets for fragment in socket.fragments]
    if any(link.goog for link in links):
        if any(not _LIBWEBRTC_UFRAG.fullmatch(fragment) for fragment in fragments):
            reason = "GOOG-NETWORK-INFO in its checks, with a username fragment set by hand"
            return EngineGuess("other", reason)
        return EngineGuess("chromium", "GOOG-NETWORK-INFO in its checks: libwebrtc")
    if not fragments:
        return None
    if all(_GECKO_UFRAG.fullmatch(fragment) for fragment in fragments):
        reason = "username fragments of 8 hexadecimal digits and no vendor attributes in checks"
        return EngineGuess("firefox", reason)
    priorities = [priority for link in links for priority in link.priorities]
    schemes = {read_priority(priority)[0].scheme for priority in priorities}
    if schemes == {"firefox"} and any(link.indications for link in links):
        return EngineGuess("firefox", "nICEr's priorities, and Binding indications as keep-alive")
    length = len(fragments[0])
    return EngineGuess("other", f"checks without GOOG-NETWORK-INFO, username fragment of {length}")


def _by_requests(agent: Agent) -> EngineGuess | None:
    for link in agent.links:
        if link.foreign is not None:
            return EngineGuess("other", f"{link.foreign}, which no browser sends")
    return None


def _by_names(agent: Agent) -> EngineGuess | None:
    for name in agent.names:
        if name.engine is not None and name.name not in agent.inherited:
            engine, reason = name.engine
            return EngineGuess("chromium" if engine == "chromium" else "firefox", reason)
    return None


def _by_timer(agent: Agent) -> EngineGuess | None:
    for link in agent.links:
        if len(link.retries) < 2:
            continue
        gap_ms = (link.retries[1][1] - link.retries[0][1]) / 1e6
        for expected, engine in _TIMERS.items():
            if abs(gap_ms - expected) <= expected / 5:
                reason = f"first retransmission after {gap_ms:.0f} ms"
                return EngineGuess(engine, reason)
    return None


def _by_statements(clients: Iterable[Client]) -> EngineGuess | None:
    """What clients say of themselves, if they agree; a User-Agent before services."""
    found: dict[str, dict[Engine, str]] = {"user-agent": {}, "service": {}}
    for client in clients:
        for statement in client.statements:
            example = client.examples[statement]
            found[statement.how].setdefault(statement.engine, example)
    agents, services = found["user-agent"], found["service"]
    if len(agents) == 1:
        ((engine, example),) = agents.items()
        return EngineGuess(engine, f"User-Agent {example!r}")
    if len(services) == 1 and not agents:
        ((engine, example),) = services.items()
        return EngineGuess(engine, f"asks for {example}, a service of the browser's own")
    return None


def infer_mode(agent: Agent, guess: EngineGuess, browsers: BrowserEvidence, hosts: Hosts) -> Mode:
    """The RFC 8828 section 5.2 mode, as far as this capture tells."""
    if guess.engine == "other" or not agent.local:
        return Mode(reasons=["modes are browsers'; this agent is none"] if agent.local else [])
    proxied = [socket for socket in agent.sockets if PROXIES.intersection(socket.layers)]
    own_names = [name for name in agent.names if name.name not in agent.inherited]
    if proxied and not agent.udp and not own_names:
        seen = "TURN over TCP through the proxy, and no WebRTC UDP"
        if guess.engine == "firefox":
            return Mode(
                reasons=[f"{seen}: in Firefox so in any mode where no server is asked by UDP"]
            )
        return Mode(4, "high" if guess.engine == "chromium" else "medium", [seen])
    networks = {info for link in agent.links for info in link.networks}
    if agent.signalled_name and guess.engine != "firefox":
        return Mode(2, "high", ["signalled a host candidate behind a `.local` name"])
    if networks:
        return _by_networks(agent, {info.id for info in networks})
    if (several := _several(agent.udp)) is not None:
        return Mode(1, "high", [several])
    if agent.names and guess.engine != "firefox":
        if own_names:
            return Mode(2, "high", ["announced a `.local` name while gathering"])
        return Mode(2, "medium", ["its address had a `.local` name from an earlier session"])
    if not agent.udp:
        return Mode(reasons=["no UDP socket of the session was seen"])
    if guess.engine == "firefox":
        why = "gathered from the default address only; Firefox announces no names, so Mode 3 and "
        return Mode(2, "medium", [why + "a permission on a host with one address look the same"])
    if guess.engine == "chromium":
        return _unannounced(agent, browsers, hosts)
    return Mode(reasons=["no name was announced, and the engine is not known"])


def _by_networks(agent: Agent, ids: set[int]) -> Mode:
    if ids != {0}:
        reason = f"GOOG-NETWORK-INFO names networks {sorted(ids - {0})}: interfaces enumerated"
        return Mode(1, "high", [reason])
    wildcard = "every check says network 0, cost 999: wildcard sockets, nothing enumerated"
    if agent.names:
        return Mode(2, "high", [wildcard, "announced a `.local` name while gathering"])
    if agent.gathers:
        return Mode(3, "medium", [wildcard, "no `.local` name was announced"])
    return Mode(reasons=[wildcard, "Mode 2 or 3: how it gathered was not recorded"])


def _several(sockets: list[Socket]) -> str | None:
    """More than one address of a family, each with a port of its own, to one server."""
    for version in (4, 6):
        seen: dict[object, dict[int, str]] = {}
        for socket in sockets:
            if socket.local.address.version == version and socket.gathers:
                for server in socket.destinations:
                    ports = seen.setdefault(server, {})
                    ports[socket.local.port] = str(socket.local.address)
        for addresses in seen.values():
            distinct = sorted(set(addresses.values()))
            if len(distinct) > 1:
                return f"gathers from {', '.join(distinct)}, each with a socket of its own"
    return None


SECURE_NS = 600 * SECOND
"""How long before a session a page may have been loaded."""


def _unannounced(agent: Agent, browsers: BrowserEvidence, hosts: Hosts) -> Mode:
    """Chromium gathered and announced no name: Mode 1 (permission) or Mode 3 (policy).

    A microphone or camera is granted to secure contexts only, and only to these Chromium
    sends `Sec-CH-UA`: where all its pages came in clear and without, there was no permission.
    """
    silent = "Chromium gathered and announced no `.local` name"
    if agent.is_mute:
        why = "it announces by IPv4 alone, and nothing of the session went over it"
        return Mode(2, "low", [silent, why])
    clients = _clients(agent, browsers, hosts)
    secure = [client.secure_pages for client in clients if client.secure_pages]
    insecure = [client.insecure_pages for client in clients if client.insecure_pages]
    before = agent.began_ns
    if any(one.first_ns <= before <= one.last_ns + SECURE_NS for one in secure):
        why = "its page is a secure context: probably a microphone or camera permission"
        return Mode(1, "medium", [silent, why])
    if any(one.first_ns <= before <= one.last_ns + SECURE_NS for one in insecure):
        why = "its page is no secure context, so it can have no microphone or camera permission"
        return Mode(3, "medium", [silent, why])
    return Mode(reasons=[f"{silent}: Mode 1 by permission, or Mode 3 by policy"])
