"""Who learned what: each exposed fact with those who could read it."""

from __future__ import annotations

from pcapleak.judge.context import Scene
from pcapleak.judge.judgement import Observed
from pcapleak.values.addresses import classify, is_stable
from pcapleak.values.evidence import MAX_FRAMES
from pcapleak.values.findings import Finding
from pcapleak.values.packets import IPAddress


def observers(scene: Scene, findings: list[Finding]) -> list[Observed]:
    """The address matrix: every address and other fact that findings show, how, and to whom."""
    known: dict[str, Observed] = {}
    for finding in findings:
        shown = [f"{address} ({_class(scene, address)})" for address in finding.addresses]
        for fact in (*finding.facts, *shown):
            through, learned_by = finding.kind.observers
            entry = known.setdefault(fact, Observed(fact))
            entry.learned_by += [who for who in learned_by if who not in entry.learned_by]
            if through not in entry.through:
                entry.through.append(through)
            entry.frames = sorted({*entry.frames, *finding.evidence.frames})[:MAX_FRAMES]
    return list(known.values())


def _class(scene: Scene, address: IPAddress) -> str:
    """The class of one of the client's addresses, in words."""
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
    return "set by hand or by DHCP" if low < 1 << 32 else "random, stable or temporary"
