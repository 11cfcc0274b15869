"""Examples for the help of each command."""

from __future__ import annotations

EXAMPLES = {
    "analyze": (
        "pcapleak analyze own.pcapng",
        "pcapleak analyze test.pcapng --tunnel wg0 --require stun",
        "pcapleak analyze test.pcapng --proxy socks5://198.51.100.30:1080",
        "pcapleak analyze day1.pcapng day2.pcapng --merge --html report.html",
    ),
    "batch": (
        "pcapleak batch captures/ --html fleet.html",
        "pcapleak batch 'runs/*.pcapng' --tunnel wg0 --results results/",
    ),
    "live": (
        "sudo pcapleak live",
        "sudo pcapleak live --iface eth0 --iface wg0 --tunnel wg0 --until-leak",
        "sudo pcapleak live --jsonl events.jsonl --record packets/",
    ),
    "guard": (
        "sudo pcapleak guard -- chromium https://example.org",
        "sudo pcapleak guard --tunnel wg0 -- curl https://example.org",
    ),
    "interfaces": ("pcapleak interfaces",),
    "decode": (
        "pcapleak decode own.pcapng --filter stun,mdns",
        "pcapleak decode --hex 000100002112a442000102030405060708090a0b",
    ),
    "diff": ("pcapleak diff before.json after.json",),
    "explain": ("pcapleak explain PL101", "pcapleak explain webrtc"),
    "candidate": ("pcapleak candidate 'candidate:1 1 udp 1677729535 203.0.113.7 40150 typ srflx'",),
    "geo": ("pcapleak geo 203.0.113.7 2001:db8::1",),
    "redact": ("pcapleak redact own.pcapng for-strangers.pcapng",),
    "schema": ("pcapleak schema > report.schema.json", "pcapleak schema --events"),
    "policy": ("pcapleak policy init policy.toml",),
    "page": ("pcapleak page test.html",),
}


def epilog(command: str) -> str | None:
    """The examples of a command as the end of its help, a line each."""
    lines = EXAMPLES.get(command)
    return None if lines is None else "\n\n".join(("Examples:", *lines))
