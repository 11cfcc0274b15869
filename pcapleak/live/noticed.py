"""What a watch notices of its machine, as reports and recordings have it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from pcapleak.capture.machine_notes import Note, device_note, interface_note
from pcapleak.live.devices import Device
from pcapleak.live.notebook import TimedNote
from pcapleak.live.routes import Route, unwatched_ways
from pcapleak.values.packets import DeviceChange, Interface


class Noticed:
    """Devices that came and went, addresses that came, ways out that are not watched."""

    def __init__(self, names: Collection[str] = ()) -> None:
        """`names` are what is watched; none means all."""
        self.names = names
        self.changes: list[DeviceChange] = []
        self.gaps: list[str] = []
        self.notes: list[TimedNote] = []
        self._present: dict[str, bool] = {}

    def begin(self, devices: Iterable[Device]) -> None:
        """What there is at the start."""
        self._present = {device.name: device.is_up for device in devices}

    def device(self, change: DeviceChange) -> None:
        """A device came or went."""
        watched = not self.names or change.name in self.names
        # Who tells repeats itself: only coming and going counts.
        if watched and self._present.get(change.name, False) != change.present:
            self._present[change.name] = change.present
            self.changes.append(change)
            self._note(device_note(change))

    def interface(self, interface: Interface, addresses: Iterable[str]) -> None:
        """An interface is watched from now on, as the device that has these addresses."""
        known = interface.addresses
        interface.addresses = (*known, *(one for one in addresses if one not in known))
        self._note(interface_note(interface))

    def address(self, interface: Interface, address: str) -> None:
        """An address is the machine's from then on: what it sent stays its own."""
        if address not in interface.addresses:
            self.interface(interface, (address,))

    def ways_out(self, routes: Iterable[Route], devices: Mapping[int, Device]) -> None:
        """Ways out of the machine may have changed."""
        if not self.names:
            return
        for gap in unwatched_ways(routes, devices, self.names):
            if gap not in self.gaps:
                self.gaps.append(gap)
                self._note({"gap": gap})

    def _note(self, note: Note) -> None:
        self.notes.append((time.time_ns(), note))
