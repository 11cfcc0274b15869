"""The machine's devices, addresses and routes, asked for again and again: on systems whose notices
nobody here follows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pcapleak.live import elsewhere
from pcapleak.live.devices import Device
from pcapleak.live.follow import AddressChange
from pcapleak.live.routes import Route
from pcapleak.values.packets import DeviceChange

ASK_EVERY_S = 2.0
SHARE_OF_TIME = 0.05
"""Of the time, that asking may take: scapy makes a packet of each route."""
LAST_S = 2.0
"""How long the last answer may take."""


class _Answer(NamedTuple):
    ts_ns: int
    devices: list[Device]
    routes: list[Route]


class Asked:
    """What the machine has now; `read` brings it up to date and tells what changed.

    `follow.Follower` tells the same of Linux. A thread asks, so that nothing waits for it.
    """

    def __init__(self, devices: Sequence[Device], routes: Sequence[Route]) -> None:
        """What there is at the start."""
        self.devices = {device.index: device for device in devices}
        """By index; those that are gone stay."""
        self.routes = list(routes)
        self.version = 0
        """Counts what may change the way out: routes, devices and their addresses."""
        self._last = self._answer = _Answer(time.time_ns(), list(devices), self.routes)
        self._failure = ""
        self._ending = threading.Event()
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin to ask, once rights were dropped."""
        threading.Thread(target=self._ask_again, daemon=True).start()

    def read(self) -> list[DeviceChange | AddressChange]:
        """What has changed since the last call: devices that came and went, addresses that came."""
        last, now = self._last, self._answer
        if now is last:
            return []
        self._last = now
        self.devices |= {device.index: device for device in now.devices}
        self.routes = now.routes
        self.version += (last.devices, set(last.routes)) != (now.devices, set(now.routes))
        return list(_changes(last, now))

    def end(self) -> None:
        """Let no question follow but the last one."""
        self._ending.set()

    def wait(self) -> str:
        """Wait for the last answer; why there is none, else nothing."""
        return self._failure if self._ended.wait(LAST_S) else "that took too long"

    def _ask_again(self) -> None:
        """In the thread: ask until the end, and once more then."""
        is_last = False
        while not is_last:
            is_last = self._ending.is_set()
            began_s = time.thread_time()
            try:
                self._answer = _ask()
                self._failure = ""
            except Exception as error:
                # What scapy and psutil raise where a device goes meanwhile is not documented.
                self._failure = f"{type(error).__name__}: {error}"
            took_s = time.thread_time() - began_s
            if not is_last:
                self._ending.wait(max(ASK_EVERY_S, took_s / SHARE_OF_TIME))
        self._ended.set()


def _ask() -> _Answer:
    routes = elsewhere.read_routes()
    if not routes:
        # Those of loopback are always there: scapy gives none where it could not read them.
        raise OSError("no route can be read")
    devices = elsewhere.list_devices()
    return _Answer(time.time_ns(), devices, routes)


def _changes(before: _Answer, now: _Answer) -> Iterator[DeviceChange | AddressChange]:
    was = {device.name: device for device in before.devices}
    here = {device.name: device for device in now.devices}
    for name, device in (was | here).items():
        is_up = name in here and device.is_up
        if is_up != (name in was and was[name].is_up):
            yield DeviceChange(
                before.ts_ns, now.ts_ns, device.index, name, device.hardware_type, is_up
            )
        known = was[name].addresses if name in was else ()
        for address in device.addresses:
            if address not in known:
                yield AddressChange(now.ts_ns, device.index, address, True)
