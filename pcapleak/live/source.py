"""Live capture as record batches: the same columns a file gives."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator

import numpy as np

from pcapleak.capture.closing import Closing
from pcapleak.errors import PcapleakError
from pcapleak.live.devices import (
    ARPHRD_ETHER,
    ARPHRD_LOOPBACK,
    Device,
    DeviceMonitor,
    kind_of,
    list_devices,
)
from pcapleak.live.ring import Block, PacketRing
from pcapleak.values.packets import (
    Bool,
    DeviceChange,
    Direction,
    Int32,
    Interface,
    RecordBatch,
    UInt32,
)

LINK_TYPE_ETHERNET = 1
LINK_TYPE_RAW = 101
WITH_ETHERNET_HEADER = (ARPHRD_ETHER, ARPHRD_LOOPBACK)
PACKET_OUTGOING = 4


class LiveSource(Closing):
    """What the devices of this machine send and receive, from now on.

    `names` are the devices to watch; none given means all, also those that come later. Raises
    `PcapleakError` for a name that does not exist, `CaptureRightsError` without the right.
    """

    format = "live"
    ended = False
    loses = True

    def __init__(self, names: tuple[str, ...] = (), expression: str | None = None) -> None:
        devices = list_devices()
        known = {device.name for device in devices}
        for name in names:
            if name not in known:
                raise PcapleakError(
                    f"--iface {name}: no such interface; there are {', '.join(sorted(known))}"
                )
        self.path = "live:" + (",".join(names) or "all")
        self.names = names
        self.interfaces: list[Interface] = []
        self.problems: list[str] = []
        self.bytes_read = 0
        self.changes: list[DeviceChange] = []
        self.gaps: list[str] = []
        self.expression: str | None = None
        """The filter that packets had to match."""
        self._frames = 0
        self._devices = {device.index: device for device in devices}
        self._present = {device.name: device.is_up for device in devices}
        self._ids: dict[int, int] = {}
        self._ring = PacketRing(expression)
        self._monitor = DeviceMonitor()
        for device in devices:
            if not names or device.name in names:
                self._interface(device.index)

    @property
    def received(self) -> int:
        """Packets the kernel captured so far."""
        return self._ring.received

    @property
    def dropped(self) -> int:
        """Packets the kernel could not hand over so far."""
        return self._ring.dropped

    def start(self) -> None:
        """Nothing more is to be done: the ring has been filling since it was made."""

    def read(self, timeout_s: float) -> RecordBatch | None:
        """What has arrived, waiting at most this long; None when nothing has."""
        if not self._ring.wait(0):
            select.select([self._ring.fileno(), self._monitor.fileno()], [], [], timeout_s)
        self._note_changes()
        block = self._ring.read()
        batch = None if block is None else self._batch(block)
        self._ring.statistics()
        return batch if batch is not None and len(batch) else None

    def __iter__(self) -> Iterator[RecordBatch]:
        while True:
            batch = self.read(1.0)
            if batch is not None:
                yield batch

    def close(self) -> None:
        """Stop the capture."""
        self._monitor.close()
        self._ring.close()

    def _note_changes(self) -> None:
        for change in [*self._monitor.read(), *self._missed_changes()]:
            watched = not self.names or change.name in self.names
            # The kernel repeats itself: only coming and going counts.
            if watched and self._present.get(change.name, False) != change.present:
                self._present[change.name] = change.present
                self.changes.append(change)
            # Named here, because it may be gone again before its first packet is read.
            self._devices[change.device] = Device(
                change.device,
                change.name,
                *kind_of(change.name, change.hardware_type),
                change.hardware_type,
                change.present,
                (),
            )

    def _missed_changes(self) -> Iterator[DeviceChange]:
        """What there is now, where notices were lost."""
        if not self._monitor.lost:
            return
        self._monitor.lost = False
        now_ns = time.time_ns()
        here = {device.name: device for device in list_devices()}
        for device in here.values():
            yield DeviceChange(
                now_ns, now_ns, device.index, device.name, device.hardware_type, device.is_up
            )
        for index, device in self._devices.items():
            if device.name not in here:
                yield DeviceChange(now_ns, now_ns, index, device.name, device.hardware_type, False)

    def _learn(self) -> None:
        self._devices |= {device.index: device for device in list_devices()}

    def _interface(self, index: int) -> int:
        """The interface id of a device; -1 where it is not watched.

        A device that comes back under its old name is the old interface again.
        """
        if index in self._ids:
            return self._ids[index]
        if index not in self._devices or not self._devices[index].addresses:
            self._learn()
        device = self._devices.get(index)
        if device is None:
            device = Device(index, f"if{index}", "physical", "already gone", 0, False, ())
        if self.names and device.name not in self.names:
            self._ids[index] = -1
            return -1
        for interface in self.interfaces:
            if interface.name == device.name:
                interface.index = index
                self._ids[index] = interface.id
                return interface.id
        ethernet = device.hardware_type in WITH_ETHERNET_HEADER
        interface = Interface(
            id=len(self.interfaces),
            capture=0,
            link_type=LINK_TYPE_ETHERNET if ethernet else LINK_TYPE_RAW,
            name=device.name,
            addresses=device.addresses,
            hardware_type=device.hardware_type,
            index=index,
        )
        self.interfaces.append(interface)
        self._ids[index] = interface.id
        return interface.id

    def _interfaces_of(self, device: UInt32) -> Int32:
        """Interface ids, a row each."""
        if device.min() == device.max():
            return np.full(len(device), self._interface(int(device[0])), np.int32)
        known, inverse = np.unique(device, return_inverse=True)
        return np.array([self._interface(int(index)) for index in known], np.int32)[inverse]

    def _batch(self, block: Block) -> RecordBatch:
        ids = self._interfaces_of(block.device)
        outgoing = block.packet_type == PACKET_OUTGOING
        hardware = block.hardware_type
        # A packet on the loopback device passes the tap twice, out and in: one is enough.
        wanted = (ids >= 0) & ~(outgoing & (hardware == ARPHRD_LOOPBACK))
        keep: Bool | slice = slice(None) if wanted.all() else wanted
        ethernet = ((hardware == ARPHRD_ETHER) | (hardware == ARPHRD_LOOPBACK))[keep]
        link = block.offset[keep]
        offset = np.where(ethernet, link, block.network_offset[keep])
        skipped = offset - link
        count = len(offset)
        frame = np.arange(self._frames + 1, self._frames + 1 + count, dtype=np.int64)
        self._frames += count
        captured = block.captured_length[keep] - skipped
        self.bytes_read += int(captured.sum())
        return RecordBatch(
            data=block.data,
            offset=offset,
            captured_length=captured,
            original_length=block.original_length[keep] - skipped,
            ts_ns=block.ts_ns[keep],
            frame=frame,
            interface=ids[keep],
            link_type=np.where(ethernet, LINK_TYPE_ETHERNET, LINK_TYPE_RAW).astype(np.int32),
            direction=np.where(outgoing[keep], Direction.OUTBOUND, Direction.INBOUND).astype(
                np.uint8
            ),
        )
