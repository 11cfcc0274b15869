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
)
from pcapleak.live.follow import AddressChange, Follower
from pcapleak.live.noticed import Noticed
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
READ_AFTER_S = 0.02
"""Between two reads that leave nothing behind: a step has its fixed cost, and a watch that takes
many small ones leaves no time to the thread that records."""


class LiveSource(Closing):
    """What the devices of this machine send and receive, from now on.

    `names` are the devices to watch; none given means all, also those that come later. Raises
    `PcapleakError` for a name that does not exist, `CaptureRightsError` without the right.
    """

    format = "live"
    ended = False
    loses = True

    def __init__(self, names: tuple[str, ...] = (), expression: str | None = None) -> None:
        self.follower = Follower()
        devices = list(self.follower.devices.values())
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
        self._noticed = Noticed(names)
        self._noticed.begin(devices)
        self.changes = self._noticed.changes
        self.gaps = self._noticed.gaps
        self.notes = self._noticed.notes
        self.expression: str | None = None
        """The filter that packets had to match."""
        self._frames = 0
        self._read_s = 0.0
        self._devices = self.follower.devices
        self._ids: dict[int, int] = {}
        self._ring = PacketRing(expression)
        for device in devices:
            if not names or device.name in names:
                self._interface(device.index)
        self._noticed.ways_out(self.follower.routes, self._devices)

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
        rest_s = min(timeout_s, self._read_s + READ_AFTER_S - time.monotonic())
        if rest_s > 0 and not self._ring.has_more:
            time.sleep(rest_s)
        if not self._ring.wait(0):
            select.select([self._ring.fileno(), self.follower.fileno()], [], [], timeout_s)
        self._note_changes()
        self._read_s = time.monotonic()
        block = self._ring.read()
        batch = None if block is None else self._batch(block)
        self._ring.statistics()
        return batch if batch is not None and len(batch) else None

    def __iter__(self) -> Iterator[RecordBatch]:
        while True:
            batch = self.read(1.0)
            if batch is not None:
                yield batch

    def stop(self) -> None:
        """Nothing is to be done: what was lost is known at any time."""

    def close(self) -> None:
        """Stop the capture."""
        self.follower.close()
        self._ring.close()

    def _note_changes(self) -> None:
        version = self.follower.version
        for change in self.follower.read():
            if isinstance(change, AddressChange):
                self._note_address(change)
            else:
                self._note_device(change)
        if self.follower.lost:
            for change in self._missed_changes():
                self._note_device(change)
        if version != self.follower.version:
            self._noticed.ways_out(self.follower.routes, self._devices)

    def _note_device(self, change: DeviceChange) -> None:
        number = self._ids.get(change.device, -1)
        if number >= 0 and change.present:
            # It may have got another name.
            self.interfaces[number].name = change.name
        self._noticed.device(change)

    def _note_address(self, change: AddressChange) -> None:
        number = self._ids.get(change.device, -1)
        if number >= 0 and change.present:
            self._noticed.address(self.interfaces[number], change.address)

    def _missed_changes(self) -> Iterator[DeviceChange]:
        """What there is now, where notices were lost."""
        now_ns = time.time_ns()
        before = dict(self._devices)
        here = {device.name: device for device in self.follower.renew()}
        for device in here.values():
            yield DeviceChange(
                now_ns, now_ns, device.index, device.name, device.hardware_type, device.is_up
            )
        for index, device in before.items():
            if device.name not in here:
                yield DeviceChange(now_ns, now_ns, index, device.name, device.hardware_type, False)

    def _interface(self, index: int) -> int:
        """The interface id of a device; -1 where it is not watched.

        A device that comes back under its old name is the old interface again.
        """
        if index in self._ids:
            return self._ids[index]
        device = self._devices.get(index)
        if device is None:
            device = Device(index, f"if{index}", "physical", "already gone", 0, False, ())
        if self.names and device.name not in self.names:
            self._ids[index] = -1
            return -1
        for interface in self.interfaces:
            if interface.name == device.name:
                interface.index = index
                self._noticed.interface(interface, device.addresses)
                self._ids[index] = interface.id
                return interface.id
        ethernet = device.hardware_type in WITH_ETHERNET_HEADER
        interface = Interface(
            id=len(self.interfaces),
            capture=0,
            link_type=LINK_TYPE_ETHERNET if ethernet else LINK_TYPE_RAW,
            name=device.name,
            hardware_type=device.hardware_type,
            index=index,
        )
        self.interfaces.append(interface)
        self._noticed.interface(interface, device.addresses)
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
