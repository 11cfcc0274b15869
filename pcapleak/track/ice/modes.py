"""How far a browser was allowed to look: the modes of RFC 8828 section 5.2.

Silence decides little. Chromium announces no name in Mode 3, and none where nothing is hidden:
with a microphone or camera permission (Mode 1), by default_public_and_private_interfaces, by
WebRtcLocalIpsAllowedUrls, and without multicast DNS. So no mode is 3 by silence alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pcapleak.track.ice.agents import Agent
from pcapleak.track.ice.browsers import Client
from pcapleak.track.ice.engine import EngineGuess
from pcapleak.track.ice.multicast import Multicast
from pcapleak.track.ice.session import Mode
from pcapleak.track.ice.sockets import Socket
from pcapleak.values.packets import SECOND, IPAddress

PROXIES = frozenset({"socks", "http-connect"})

SECURE_NS = 600 * SECOND
"""How long before a session a page may have been loaded."""

CUT_NS = 10 * SECOND
"""How long after a session's first packet a name may be announced that it asked for."""

_RAW = (
    "Mode 2 that hides nothing (default_public_and_private_interfaces, WebRtcLocalIpsAllowedUrls, "
    "or no multicast DNS) and Mode 3 send the same packets: the page reads the raw host address, "
    "or none"
)


def infer_mode(
    agent: Agent,
    guess: EngineGuess,
    clients: Iterable[Client],
    multicast: Multicast,
    cut: Mapping[IPAddress, Sequence[int]],
) -> Mode:
    """The mode of a session, as far as this capture tells; `clients` are its host's browsers,
    `cut` the times of announcements that were cut short."""
    engine = guess.engine
    if engine == "other" or not agent.local:
        return Mode(reasons=["this agent is no browser, so it has no mode"] if agent.local else [])
    proxied = [socket for socket in agent.sockets if PROXIES.intersection(socket.layers)]
    own_names = [name for name in agent.names if name.name not in agent.inherited]
    if proxied and not agent.udp and not own_names:
        seen = "TURN over TCP through the proxy, and no WebRTC UDP"
        if engine == "firefox":
            return Mode(
                reasons=[f"{seen}: in Firefox so in any mode where no server is asked by UDP"]
            )
        return Mode(4, "high" if engine == "chromium" else "medium", [seen])
    networks = {info.id for link in agent.links for info in link.networks}
    if agent.signalled_name and engine != "firefox":
        return Mode(2, "high", ["signalled a host candidate behind a .local name"])
    if networks - {0}:
        named = sorted(networks - {0})
        reason = f"GOOG-NETWORK-INFO names networks {named}: interfaces enumerated"
        return Mode(1, "high", [reason])
    if not networks and (several := _several(agent.udp)) is not None:
        return Mode(1, "high", [several])
    reasons = []
    if networks:
        reasons.append("every check says network 0, cost 999: wildcard sockets, nothing enumerated")
    if agent.names and engine != "firefox":
        if own_names or networks:
            return Mode(2, "high", [*reasons, "announced a .local name while gathering"])
        return Mode(2, "medium", ["its address had a .local name from an earlier session"])
    if not agent.udp:
        return Mode(reasons=["no UDP socket of the session was seen"])
    if engine == "firefox":
        why = (
            "gathered from the default address only; Firefox announces no names, so Mode 3 "
            "(no_host), a permission on a host with one address and raw addresses "
            "(obfuscate_host_addresses off) send the same packets: taken for its default"
        )
        return Mode(2, "low", [why])
    if engine not in ("chromium", "webkit"):
        return Mode(reasons=["no name was announced, and the engine is not known"])
    times = [time for address in agent.addresses for time in cut.get(address, ())]
    if any(agent.began_ns - SECOND <= time <= agent.began_ns + CUT_NS for time in times):
        why = "announced names while gathering, but their packets were cut short by the recorder"
        return Mode(2, "medium", [*reasons, why])
    return _silent(agent, reasons, list(clients), multicast)


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


def _silent(agent: Agent, reasons: list[str], clients: list[Client], multicast: Multicast) -> Mode:
    """libwebrtc gathered and announced no name, or none that was recorded.

    A microphone or camera is granted to secure contexts only, and only to these Chromium
    sends `Sec-CH-UA`: where all its pages came in clear and without, there was no permission.
    """
    if not reasons and agent.is_mute:
        why = "it announces by IPv4 alone, and nothing of the session went over it"
        return Mode(2, "low", ["gathered and announced no .local name", why])
    if not agent.gathers:
        return Mode(reasons=[*reasons, "Mode 2 or 3: how it gathered was not recorded"])
    before = agent.began_ns
    secure = [client.secure_pages for client in clients if client.secure_pages]
    insecure = [client.insecure_pages for client in clients if client.insecure_pages]
    is_secure = any(one.first_ns <= before <= one.last_ns + SECURE_NS for one in secure)
    is_insecure = any(one.first_ns <= before <= one.last_ns + SECURE_NS for one in insecure)
    why = "its page is not a secure context, so it has no microphone or camera permission"
    permitted = not reasons and (is_secure or not is_insecure)
    if not permitted and not reasons:
        reasons = [why]
    if not multicast.is_whole(agent.addresses):
        missing = "no other multicast of this host was recorded whole: a name may have been missed"
        which = "Mode 1, 2 or 3" if permitted else "Mode 2 or 3"
        said = [*reasons, "no .local name was recorded", missing, which]
        return Mode(reasons=said, may_be_permitted=permitted)
    silent = [*reasons, "gathered and announced no .local name"]
    if permitted and is_secure:
        why = "its page is a secure context: probably a microphone or camera permission"
        return Mode(1, "medium", [*silent, why])
    if not permitted:
        return Mode(2, "low", [*silent, _RAW])
    return Mode(reasons=[*silent, "Mode 1 by permission, or one that hides nothing, or Mode 3"])
