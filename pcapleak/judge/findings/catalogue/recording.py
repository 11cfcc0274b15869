"""PL9xx: what the recording itself lacks."""

from __future__ import annotations

from pcapleak.judge.findings.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "PL901",
        "capture-incomplete",
        "info",
        "Snap length, drops, a missing interface or a cut file limit what can be said.",
        "What was not recorded cannot be judged: the verdict holds only for what is there.",
        "Statistics > Capture File Properties shows drops, snap lengths and interfaces.",
        "Record all of it from before the tunnel comes up: tcpdump -i any -s 0 -w capture.pcap.",
        ("pcapng section 4.6", "tcpdump(1), -s"),
        "Drops are known only where the recorder wrote them down.",
    ),
)
