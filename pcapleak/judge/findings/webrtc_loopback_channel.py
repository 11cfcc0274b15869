"""PL501: WebRTC messages to a local program that is no ICE agent, or that carry data to it."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.decode.stun.attributes import USERNAME
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import address_filter, make, on_interface, sightings_evidence
from pcapleak.judge.stun_payload import is_data, shown
from pcapleak.judge.webrtc_flows import told_links
from pcapleak.track.ice.link_values import LinkKey
from pcapleak.track.ice.links import Link
from pcapleak.values.addresses import range_kind, unmapped
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import IPAddress

KIND = FindingKind(
    id="PL501",
    name="webrtc-loopback-channel",
    severity=Severity.HIGH,
    is_leak=False,
    exposes=False,
    observers=Observers("STUN to a local program", ("programs on this host",)),
    has_causes=False,
    when=(
        "STUN, TURN or ICE to a loopback address that no agent of this host answers as ICE, or "
        "whose USERNAME carries data."
    ),
    meaning=(
        "A page can have the browser send STUN to any address, loopback included, and chooses "
        "the USERNAME in it. In 2025, trackers were found passing a cookie's value to an app on "
        "the same device this way, past every protection of cookies and private browsing. The "
        "app knows who is logged in, so the visitor is no longer anonymous."
    ),
    confirm=(
        "Filter for stun and (ip.dst == 127.0.0.0/8 or ipv6.dst == ::1) on the loopback "
        "interface and read USERNAME; an ICE agent answers with MESSAGE-INTEGRITY and sends "
        "checks of its own."
    ),
    remedy=(
        "Find the program that listens on the port (ss -ulpn on Linux) and remove it or revoke "
        "its permission; block the page's scripts. In Chromium-based browsers, setting "
        "WebRtcIPHandling to disable_non_proxied_udp sends UDP only to a proxy."
    ),
    sources=(
        "localmess.github.io, June 2025",
        "RFC 8445 section 7.2.2",
        "RFC 8839 section 5.4",
    ),
    weaknesses=(
        "The loopback interface must be recorded. A listener that answers like an ICE agent, with "
        "MESSAGE-INTEGRITY and to short usernames, cannot be told from one. Checks to the host's "
        "own network address count only if the USERNAME holds data: a call within the host makes "
        "such checks too."
    ),
)

MAX_PORTS = 8


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each pair of addresses on each interface."""
    found: dict[tuple[int, IPAddress, bool], list[tuple[LinkKey, Link]]] = {}
    for key, link in told_links(scene):
        if key.layers or not link.asks:
            continue
        destination = unmapped(key.destination.address)
        looped = range_kind(destination) in ("loopback", "unspecified")
        itself = destination == unmapped(key.source.address)
        if not (looped or itself):
            continue
        data = any(map(is_data, link.usernames))
        back = link.back
        if not data and ((itself and not looped) or (back is not None and _is_agent(back))):
            continue
        served = not data and back is not None and bool(back.answers or back.allocations)
        found.setdefault((key.interface, destination, served), []).append((key, link))
    for (interface, address, served), shown_by in found.items():
        ports = sorted({key.destination.port for key, _ in shown_by})
        usernames = list(dict.fromkeys(name for _, link in shown_by for name in link.usernames))
        usernames += [_text(v) for _, link in shown_by for t, v in link.carried if t == USERNAME]
        carrying = [name for name in usernames if is_data(name)]
        names = [scene.state.resolvers.name_of(key.destination.address) for key, _ in shown_by]
        named = next((f" ({name})" for name in names if name), "")
        said = (
            f". USERNAME carries data: {shown(carrying)}"
            if carrying
            else f". USERNAME: {shown(usernames)}"
            if usernames
            else ""
        )
        answer = (
            "a STUN or TURN server answers there"
            if served
            else "nothing answers there, or not as an ICE agent would"
            if not carrying
            else "no ICE agent sends such usernames"
        )
        programs = scene.state.programs
        told = [programs.text(link.flow) for _, link in shown_by]
        heard = [programs.listener(link.flow) for _, link in shown_by if link.forward]
        listening = dict.fromkeys(str(one) for one in heard if one is not None)
        yield make(
            KIND,
            subject=f"{address} on {scene.label(interface)}" + (" (a server)" if served else ""),
            message=f"STUN went to {address}{named} on this host itself, "
            f"{'port' if len(ports) == 1 else 'ports'} "
            f"{', '.join(map(str, ports[:MAX_PORTS]))}{', ...' if len(ports) > MAX_PORTS else ''}: "
            f"{answer}{said}"
            + (f". There listens {' and '.join(listening)}" if listening else "")
            + ".",
            evidence=sightings_evidence(
                [link.seen for _, link in shown_by], [link.flow for _, link in shown_by]
            ),
            interface=scene.label(interface),
            display_filter=on_interface(
                scene, interface, f"stun and {address_filter(address, 'dst')}"
            ),
            severity=Severity.INFO if served else None,
            confidence="certain" if carrying else "high",
            facts=[f"data in STUN: {shown([name])}" for name in carrying[:MAX_PORTS]],
            reasons=[
                *(f"the program: {program}" for program in dict.fromkeys(told) if program),
                *(f"listening: {program}" for program in listening),
                *(f"from {key.source} to {key.destination}" for key, _ in shown_by),
            ],
        )


def _is_agent(back: Link) -> bool:
    """Whether who sent this answered a check as ICE has it, with what only signalling tells."""
    return back.signs


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
