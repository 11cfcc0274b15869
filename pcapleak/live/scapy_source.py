"""Listening through scapy's sockets, undissected: for systems without the kernel's ring."""

from __future__ import annotations

import select
import socket
import time
from typing import Any

import numpy as np

from pcapleak.errors import PcapleakError
from pcapleak.live.devices import list_devices
from pcapleak.live.notebook import TimedNote
from pcapleak.live.source import LINK_TYPE_ETHERNET, LINK_TYPE_RAW, WITH_ETHERNET_HEADER
from pcapleak.values.packets import DeviceChange, Interface, RecordBatch

BUFFER_BYTES = 32 << 20
"""Of each socket, beyond the system's limit where that is allowed."""
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_STATISTICS, PACKET_IGNORE_OUTGOING = 263, 6, 23
MAX_BATCH = 4096
MAX_PACKET = 65535 + 64
PADDING = 128


class ScapySource:
    """What scapy's listening sockets receive; devices that come later are not heard.

    Raises `PcapleakError` for a wrong name or filter, `CaptureRightsError` without the right.
    """

    format = "live"
    ended = False
    loses = True

    def __init__(self, names: tuple[str, ...], expression: str | None) -> None:
        import scapy.arch  # noqa: F401  (it fills in `conf.L2listen`)
        from scapy.config import conf
        from scapy.error import Scapy_Exception

        from pcapleak.live.ring import CaptureRightsError

        self.path = "live:" + (",".join(names) or "all")
        self.names = names
        self.interfaces: list[Interface] = []
        self.problems: list[str] = []
        self.changes: list[DeviceChange] = []
        self.gaps: list[str] = []
        self.notes: list[TimedNote] = []
        self.expression: str | None = None
        """The filter that packets had to match."""
        self.bytes_read = 0
        self.received = 0
        self.dropped = 0
        self._sockets: dict[int, tuple[Any, Interface]] = {}
        devices = {device.name: device for device in list_devices()}
        for name in names or [device.name for device in devices.values() if device.is_up]:
            if name not in devices:
                raise PcapleakError(
                    f"--iface {name}: no such interface; there are {', '.join(sorted(devices))}"
                )
            device = devices[name]
            try:
                listener = conf.L2listen(iface=name, filter=expression, promisc=False)
            except PermissionError:
                raise CaptureRightsError from None
            except (Scapy_Exception, OSError) as error:
                raise PcapleakError(f"--via scapy on {name}: {error}") from error
            inner: socket.socket = listener.ins
            inner.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
            ethernet = device.hardware_type in WITH_ETHERNET_HEADER
            if device.kind == "loopback":
                # Each packet would be heard going out and coming in.
                inner.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            interface = Interface(
                id=len(self.interfaces),
                capture=0,
                link_type=LINK_TYPE_ETHERNET if ethernet else LINK_TYPE_RAW,
                name=name,
                addresses=device.addresses,
                hardware_type=device.hardware_type,
                index=device.index,
            )
            self.interfaces.append(interface)
            self._sockets[inner.fileno()] = (listener, interface)

    def start(self) -> None:
        """Nothing more is to be done."""

    def read(self, timeout_s: float) -> RecordBatch | None:
        """What has arrived, waiting at most this long."""
        packets: list[tuple[int, bytes, int]] = []
        ready = select.select(list(self._sockets), [], [], timeout_s)[0]
        for number in ready:
            listener, interface = self._sockets[number]
            while len(packets) < MAX_BATCH:
                try:
                    _, data, time_s = listener.recv_raw(MAX_PACKET)
                except OSError:
                    # The device is down or gone: it says so once, and then stays silent.
                    self._vanish(number, interface)
                    break
                if data:
                    packets.append((int(time_s * 1e9), data, interface.id))
                if not select.select([number], [], [], 0)[0]:
                    break
            self._count_drops(number)
        self.received += len(packets)
        return self._batch(sorted(packets, key=lambda packet: packet[0])) if packets else None

    def stop(self) -> None:
        """Nothing is to be done: what was lost is known at any time."""

    def close(self) -> None:
        """Stop listening."""
        for listener, _ in self._sockets.values():
            listener.close()

    def _vanish(self, number: int, interface: Interface) -> None:
        listener, _ = self._sockets.pop(number)
        listener.close()
        now_ns = time.time_ns()
        self.changes.append(
            DeviceChange(
                now_ns, now_ns, interface.index or 0, interface.label,
                interface.hardware_type or 0, False,
            )
        )  # fmt: skip
        self.problems.append(f"{interface.label} vanished and cannot be heard again this way")

    def _count_drops(self, number: int) -> None:
        if number in self._sockets:
            inner: socket.socket = self._sockets[number][0].ins
            raw = inner.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
            self.dropped += int.from_bytes(raw[4:8], "little")

    def _batch(self, packets: list[tuple[int, bytes, int]]) -> RecordBatch:
        sizes = np.array([len(data) for _, data, _ in packets], np.int64)
        stop = np.cumsum(sizes)
        self.bytes_read += int(stop[-1])
        first = self.received - len(packets) + 1
        ids = np.array([number for _, _, number in packets], np.int32)
        links = np.array([interface.link_type for interface in self.interfaces], np.int32)
        return RecordBatch(
            data=np.frombuffer(
                b"".join([*(data for _, data, _ in packets), bytes(PADDING)]), np.uint8
            ),
            offset=stop - sizes,
            captured_length=sizes,
            original_length=sizes,
            ts_ns=np.array([ts_ns for ts_ns, _, _ in packets], np.int64),
            frame=np.arange(first, first + len(packets), dtype=np.int64),
            interface=ids,
            link_type=links[ids],
        )
