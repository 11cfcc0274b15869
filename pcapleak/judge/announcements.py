"""Names announced by multicast DNS: what findings about them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import make, on_interface, sightings_evidence
from pcapleak.track.names import NameRecord
from pcapleak.track.sightings import Sighting
from pcapleak.values.findings import Finding, FindingKind
from pcapleak.values.packets import IPAddress


def webrtc_names(scene: Scene) -> list[NameRecord]:
    """The names that browsers made up for their candidates, in order of first sight."""
    return sorted(
        (record for record in scene.state.names.records.values() if record.uuid is not None),
        key=lambda record: (record.first_ns or 0, record.name),
    )


def misplaced(
    scene: Scene,
    kind: FindingKind,
    interfaces: Iterable[int],
    is_misplaced: Callable[[IPAddress, IPAddress], bool],
    told: str,
    doubtful: Callable[[IPAddress], bool],
) -> Iterator[Finding]:
    """Names that carry an address of one network into another: one finding for each interface
    and address.

    `is_misplaced` is asked with the address and its announcer; `told` says what `{address}` is
    and who learns it; `doubtful` whether that is a guess.
    """
    watched = set(interfaces)
    found: dict[tuple[int, IPAddress], list[tuple[NameRecord, Sighting]]] = {}
    for record in webrtc_names(scene):
        for (interface, announcer, address), sighting in record.placed.items():
            if (
                interface in watched
                and not address.is_unspecified
                and is_misplaced(address, announcer)
            ):
                found.setdefault((interface, address), []).append((record, sighting))
    for (interface, address), shown in found.items():
        names = list(dict.fromkeys(record.name for record, _ in shown))
        label = scene.label(interface)
        reasons = [f"{len(names)} names: {', '.join(names[:4])}"] if len(names) > 1 else []
        guessed = doubtful(address)
        if guessed:
            reasons.append(
                "it is not an address of the sender's network, and the tunnel was not recorded"
            )
        yield make(
            kind,
            subject=f"{address} on {label}",
            message=f"{names[0]} was announced on {label} with {told.format(address=address)}.",
            evidence=sightings_evidence([sighting for _, sighting in shown]),
            interface=label,
            display_filter=on_interface(
                scene,
                interface,
                f"mdns and dns.{'a' if address.version == 4 else 'aaaa'} == {address}",
            ),
            confidence="medium" if guessed else "certain",
            addresses=[address],
            reasons=reasons,
        )
