"""PL406: a candidate set that no plain browser produces."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import make
from pcapleak.track.ice.session import Session
from pcapleak.values.evidence import Evidence
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity

KIND = FindingKind(
    id="PL406",
    name="candidate-set-shape",
    severity=Severity.LOW,
    is_leak=False,
    exposes=False,
    observers=Observers("the set of candidates", ("the page",)),
    has_causes=False,
    when=(
        "A browser with default settings does not produce this set of candidates: only relay "
        "candidates, no host candidate, raw host addresses, or a server-reflexive address equal "
        "to the interface's own."
    ),
    meaning=(
        "Which candidates a page gets depends on the browser, its settings and the network. An "
        "unusual set marks a hardened or unusual client, or a machine in a data centre."
    ),
    confirm="Read the session's candidates in the report.",
    remedy=(
        "Nothing needs fixing if this is the price of hiding addresses. If raw addresses show, "
        "revoke camera and microphone permissions and remove the page's entries from "
        "WebRtcLocalIpsAllowedUrls."
    ),
    sources=("RFC 8828 section 5.2", "RFC 8828 section 7"),
    weaknesses=(
        "Packets do not show every candidate that a page reads. A page may ask for relay "
        "candidates only, and any client may have a public address of its own."
    ),
)


_UNUSUAL = ("relay-only", "srflx-only", "srflx-equals-interface", "raw-host")
"""Shapes that a browser at home, with nothing set and no camera granted, does not gather."""


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each shape that no plain browser's candidates have."""
    shapes: dict[str, list[Session]] = {}
    for session in scene.state.sessions:
        shape = session.shape
        # Names that only signalling shows (Firefox's) hide addresses too.
        sure = session.engine == "other" or session.mode.mode == 1
        if shape.shape in _UNUSUAL and (sure or shape.shape != "raw-host"):
            shapes.setdefault(shape.shape, []).append(session)
    for name, alike in shapes.items():
        frames = sorted(
            {frame for session in alike for one in session.candidates for frame in one.frames}
        )
        clients = dict.fromkeys(str(one) for session in alike for one in session.client_addresses)
        yield make(
            KIND,
            subject=f"{name} of {', '.join(list(clients)[:4])}",
            message=f"The candidate set is {name}: {_SHAPES[name]}.",
            evidence=Evidence(
                frames,
                len(frames),
                min(one.first_ns for one in alike),
                max(one.last_ns for one in alike),
            ),
            interface=None,
            display_filter="stun or classicstun or mdns",
            confidence="medium",
            reasons=alike[0].shape.reasons,
        )


_SHAPES = {
    "relay-only": "the page gets only the relay's address, as if every other path was blocked",
    "srflx-only": "no host candidate, only what servers saw, as with Mode 3 or a managed policy",
    "srflx-equals-interface": "servers see the interface's own address, which is typical of a "
    "server or a tunnel and rare in a home",
    "raw-host": "host addresses are not hidden behind names, so the page has camera or "
    "microphone permission, or this is not a browser",
}
