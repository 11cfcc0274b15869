"""PL901: what the recording itself lacks."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import make
from pcapleak.values.evidence import NO_EVIDENCE
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.words import sentences

KIND = FindingKind(
    id="PL901",
    name="capture-incomplete",
    severity=Severity.INFO,
    is_leak=False,
    exposes=False,
    observers=Observers("", ()),
    has_causes=False,
    when=(
        "The snap length, dropped packets, a missing interface or a truncated file limits what "
        "can be said."
    ),
    meaning=(
        "What was not recorded cannot be judged: the verdict holds only for what is in the capture."
    ),
    confirm=(
        "Wireshark's Statistics > Capture File Properties shows drops, snap lengths and interfaces."
    ),
    remedy=(
        "Record every interface in full, starting before the tunnel comes up: `tcpdump -i any -s "
        "0 -w capture.pcap`."
    ),
    sources=("pcapng section 4.6", "tcpdump(1), -s"),
    weaknesses="Drops are known only if the recorder wrote them to the file.",
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each limit."""
    for sentence in (*scene.recorded.gaps, *scene.recorded.limits):
        yield make(
            KIND,
            subject=sentence.split(":")[0],
            message=sentences(sentence),
            evidence=NO_EVIDENCE,
            interface=None,
            display_filter="",
        )
