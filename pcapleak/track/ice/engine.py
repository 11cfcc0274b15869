"""Which browser engine an agent is, how surely, and from what."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from pcapleak.decode.ice.priority import read_priority
from pcapleak.track.ice.agents import Agent
from pcapleak.track.ice.browsers import BrowserEvidence, Client
from pcapleak.track.ice.hosts import Hosts
from pcapleak.track.ice.session import Engine
from pcapleak.values.evidence import Confidence
from pcapleak.values.packets import IPAddress

_GECKO_UFRAG = re.compile(r"[0-9a-f]{8}")
_LIBWEBRTC_UFRAG = re.compile(r"[A-Za-z0-9+/]{4}")

_TIMERS: dict[int, Engine] = {100: "firefox", 250: "chromium", 500: "other"}
"""First retransmission of a gathering request, in milliseconds: nICEr's, libwebrtc's
(stun_request.cc), and RFC 8489 section 6.2.1's default."""

_LETTERED = "transaction ids of base64's letters, as libwebrtc makes them"
_RANDOM = "transaction ids of random bytes: not libwebrtc, so neither Chromium nor WebKit"
_UNMEASURED = "what is said of WebKit was read in its source, not measured"


class EngineGuess(NamedTuple):
    """An engine, how surely, and why."""

    engine: Engine
    reason: str
    confidence: Confidence | None = None


def guess_only_browser(browsers: BrowserEvidence) -> EngineGuess | None:
    """The engine of all clients of a capture, if they agree."""
    everyone = _by_statements(browsers.clients.values(), None)
    if everyone is None:
        return None
    return everyone._replace(reason=f"the only browser in this capture; {everyone.reason}")


def guess_engine(
    agent: Agent, browsers: BrowserEvidence, hosts: Hosts, only: EngineGuess | None
) -> EngineGuess:
    """The engine, by the strongest evidence there is; `only` is the capture's only browser.

    What browsers of the same address say of themselves (User-Agent) may be another program's
    than this agent: alone it is low.
    """
    for evidence in (_by_checks, _by_requests, _by_ids, _by_names, _by_timer):
        guess = evidence(agent)
        if guess is not None and guess.engine != "chromium":
            return guess
        if guess is not None:
            return _refine(guess, _by_statements(clients_of(agent, browsers, hosts), True))
    said = _by_statements(clients_of(agent, browsers, hosts), agent.lettered)
    if said is None and only is not None and _possible(only.engine, agent.lettered):
        said = only
    if said is not None:
        return said
    if agent.lettered is False:
        return EngineGuess("unknown", _RANDOM)
    return EngineGuess("unknown", "nothing in this capture tells the engine")


def _possible(engine: Engine, lettered: bool | None) -> bool:
    """Whether an engine makes such transaction ids."""
    return lettered is None or lettered == (engine in ("chromium", "webkit"))


def clients_of(agent: Agent, browsers: BrowserEvidence, hosts: Hosts) -> list[Client]:
    """The browsers that spoke from any address of the agent's host."""
    clients = browsers.clients
    if not clients:
        return []
    known = [address for address in _everywhere(agent, hosts) if address in clients]
    known.sort(key=lambda address: (address.version, int(address)))
    return [clients[address] for address in known]


def _everywhere(agent: Agent, hosts: Hosts) -> set[IPAddress]:
    """All addresses of the agent's host."""
    mine = set(agent.addresses).union(*(name.announcers for name in agent.names))
    return set[IPAddress]().union(*map(hosts.addresses, mine))


def _refine(guess: EngineGuess, said: EngineGuess | None) -> EngineGuess:
    """libwebrtc is Chromium's and WebKit's: a User-Agent field tells which."""
    if said is None:
        return guess
    if said.engine == "webkit":
        return EngineGuess("webkit", f"{guess.reason}; {said.reason}; {_UNMEASURED}", "low")
    return guess._replace(reason=f"{guess.reason}; {said.reason}", confidence="high")


def _by_checks(agent: Agent) -> EngineGuess | None:
    links = agent.links
    if any(link.vendor for link in links):
        reason = "MS-IMPLEMENTATION-VERSION in its checks: Microsoft's ICE"
        return EngineGuess("other", reason, "high")
    fragments = [fragment for socket in agent.sockets for fragment in socket.fragments]
    if any(link.goog for link in links):
        if any(not _LIBWEBRTC_UFRAG.fullmatch(fragment) for fragment in fragments):
            reason = "GOOG-NETWORK-INFO in its checks, with a username fragment set by hand"
            return EngineGuess("other", reason, "medium")
        return EngineGuess("chromium", "GOOG-NETWORK-INFO in its checks: libwebrtc", "high")
    if not fragments:
        return None
    if all(_GECKO_UFRAG.fullmatch(fragment) for fragment in fragments):
        reason = "username fragments of 8 hexadecimal digits and no vendor attributes in checks"
        return EngineGuess("firefox", reason, "high")
    priorities = {priority for link in links for priority in link.priorities}
    schemes = {read_priority(priority)[0].scheme for priority in priorities}
    if schemes == {"firefox"} and any(link.indications for link in links):
        reason = "nICEr's priorities, and Binding indications as keep-alive"
        return EngineGuess("firefox", reason, "medium")
    length = len(fragments[0])
    reason = f"checks without GOOG-NETWORK-INFO, username fragment of {length}"
    return EngineGuess("other", reason, "high")


def _by_requests(agent: Agent) -> EngineGuess | None:
    for link in agent.links:
        if link.foreign is not None:
            return EngineGuess("other", f"{link.foreign}, which no browser sends", "high")
    return None


def _by_ids(agent: Agent) -> EngineGuess | None:
    if not agent.lettered:
        return None
    announced = [name for name in agent.names if name.engine is not None]
    if any(name.engine and name.engine[0] == "chromium" for name in announced):
        reason = f"announced its name unasked, with an NSEC record; {_LETTERED}"
        return EngineGuess("chromium", reason, "high")
    return EngineGuess("chromium", _LETTERED, "medium")


def _by_names(agent: Agent) -> EngineGuess | None:
    for name in agent.names:
        if name.engine is not None and name.name not in agent.inherited:
            engine, reason = name.engine
            if engine == "chromium":
                return EngineGuess("chromium", reason, "high")
            return EngineGuess("firefox", reason, "medium")
    return None


def _by_timer(agent: Agent) -> EngineGuess | None:
    for link in agent.links:
        if len(link.retries) < 2:
            continue
        gap_ms = (link.retries[1][1] - link.retries[0][1]) / 1e6
        for expected, engine in _TIMERS.items():
            if abs(gap_ms - expected) <= expected / 5 and _possible(engine, agent.lettered):
                reason = f"first retransmission after {gap_ms:.0f} ms"
                return EngineGuess(engine, reason, "medium")
    return None


def _by_statements(clients: Iterable[Client], lettered: bool | None) -> EngineGuess | None:
    """What clients say of themselves, if those agree that can have sent such transaction ids; a
    User-Agent before services."""
    found: dict[str, dict[Engine, str]] = {"user-agent": {}, "service": {}}
    for client in clients:
        for statement in client.statements:
            if _possible(statement.engine, lettered):
                example = client.examples[statement]
                found[statement.how].setdefault(statement.engine, example)
    agents, services = found["user-agent"], found["service"]
    if len(agents) == 1:
        ((engine, example),) = agents.items()
        return EngineGuess(engine, f"User-Agent {example!r}", "low")
    if len(services) == 1 and not agents:
        ((engine, example),) = services.items()
        return EngineGuess(engine, f"asks for {example}, a service of the browser's own", "low")
    return None
