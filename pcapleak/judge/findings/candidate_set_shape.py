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
        "The candidate set is not what a browser with nothing set produces: relay candidates "
        "only, no host candidate, raw host addresses, or a server's view equal to the interface."
    ),
    meaning=(
        "Which candidates a page gets depends on browser, settings and network; an unusual set "
        "marks a hardened or unusual client, or a machine in a data centre."
    ),
    confirm="Read the candidates of the session in the report.",
    remedy=(
        "None needed where it is the price of hiding addresses; take camera and microphone "
        "permissions back, and entries from WebRtcLocalIpsAllowedUrls, where raw addresses show."
    ),
    sources=("RFC 8828 section 5.2", "RFC 8828 section 7"),
    weaknesses=(
        "Packets do not show all candidates that a page reads. A page may ask for relay "
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
            message=f"The candidates are {name}: {_SHAPES[name]}.",
            evidence=Evidence(
                frames,
                len(frames),
                min(one.first_ns for one in alike),
                max(one.last_ns for one in alike),
            ),
            interface=None,
            display_filter="stun",
            confidence="medium",
            reasons=alike[0].shape.reasons,
        )


_SHAPES = {
    "relay-only": "a page gets no address but the relay's, as where all other ways are barred",
    "srflx-only": "no host candidate beside what servers saw, as a policy or Mode 3 has it",
    "srflx-equals-interface": "servers see the interface's own address: a server or a tunnel, "
    "seldom a home",
    "raw-host": "host addresses are not hidden behind names: camera or microphone was granted, "
    "or it is no browser",
}
