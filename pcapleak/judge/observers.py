"""Who learned what: each exposed fact with those who could read it."""

from __future__ import annotations

from ipaddress import ip_address

from pcapleak.judge.addresses import classify, is_stable
from pcapleak.judge.context import Scene
from pcapleak.report.document import MAX_FRAMES, Finding, Observer
from pcapleak.values.packets import IPAddress

_LAN, _ISP = "the local network", "the internet provider"
_OPERATOR = "the tunnel's operator"

# For each finding: the channel by which its addresses were shown, and to whom.
_CHANNELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "PL101": ("STUN or TURN answer", (_LAN, _ISP, "the STUN or TURN server", "the page")),
    "PL102": ("WebRTC packets outside", (_LAN, _ISP, "the STUN or TURN server or peer")),
    "PL103": ("gathering on several interfaces", (_ISP, "the STUN server", "the page")),
    "PL104": ("a socket that moved outside", (_LAN, _ISP, "the far end of the socket")),
    "PL107": ("candidate line in clear", ("the page", "everyone on the signalling's way")),
    "PL201": ("UDP outside", (_LAN, _ISP, "the servers addressed")),
    "PL202": ("IPv6 outside", (_LAN, _ISP, "the servers addressed")),
    "PL203": ("DNS outside", (_LAN, _ISP, "the resolver's operator")),
    "PL204": ("TCP outside", (_LAN, _ISP, "the servers addressed")),
    "PL205": ("traffic while the tunnel was down", (_LAN, _ISP, "the servers addressed")),
    "PL206": ("source address on the physical link", (_LAN, _ISP)),
    "PL207": ("source address inside the tunnel", (_OPERATOR,)),
    "PL301": ("multicast DNS", (_LAN,)),
    "PL302": ("multicast DNS", (_LAN,)),
    "PL303": ("multicast DNS", (_OPERATOR,)),
}


def observers(scene: Scene, findings: list[Finding]) -> list[Observer]:
    """The address matrix: every address of the client that was shown, how, and to whom.

    Names looked up outside are a fact of their own.
    """
    facts: dict[str, Observer] = {}
    for finding in findings:
        channel = _CHANNELS.get(finding.id)
        if channel is None:
            continue
        if finding.id == "PL203":
            _note(facts, f"the names looked up: {finding.subject}", channel, finding)
        for text in finding.addresses:
            _note(facts, f"{text} ({_class(scene, text)})", channel, finding)
    return list(facts.values())


def _note(
    facts: dict[str, Observer], fact: str, channel: tuple[str, tuple[str, ...]], finding: Finding
) -> None:
    through, learners = channel
    entry = facts.setdefault(fact, Observer(fact, [], []))
    entry.learned_by += [who for who in learners if who not in entry.learned_by]
    if through not in entry.through:
        entry.through.append(through)
    entry.frames = sorted({*entry.frames, *finding.frames})[:MAX_FRAMES]


def _class(scene: Scene, text: str) -> str:
    """The class of one of the client's addresses, in words."""
    address = ip_address(text)
    if any(address in network for network in scene.inner):
        return "address inside the tunnel"
    if scene.is_exit(address):
        return "exit"
    kind = classify(address)
    if kind == "global IPv6":
        return f"global IPv6, {_interface_id(address)}"
    if kind == "public IPv4":
        return "real public IPv4"
    if kind == "private IPv4":
        return "local network"
    return kind


def _interface_id(address: IPAddress) -> str:
    """How the lower half of an IPv6 address came about, as far as it shows."""
    if is_stable(address):
        return "made from a hardware address"
    low = int(address) & 0xFFFF_FFFF_FFFF_FFFF
    return "given by hand or DHCP" if low < 1 << 32 else "random, stable or temporary"
