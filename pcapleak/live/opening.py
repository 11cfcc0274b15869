"""Opens the source of a watch."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pcapleak.errors import PcapleakError
from pcapleak.live.asked import Asked
from pcapleak.live.piped import PipedSource, dumpcap_source, tcpdump_source
from pcapleak.live.routes import unwatched_ways

if TYPE_CHECKING:
    from pcapleak.live.machine import Machine
    from pcapleak.live.scapy_source import ScapySource
    from pcapleak.live.source import LiveSource


def open_source(
    via: str, names: tuple[str, ...], expression: str | None, machine: Machine | None = None
) -> LiveSource | ScapySource | PipedSource:
    """The source called `via`: ring, scapy, dumpcap, tcpdump or - (standard input).

    `expression` is a libpcap filter; `machine` tells what should be watched. Raises
    `PcapleakError` where the source cannot be had.
    """
    if via == "-":
        if names or expression is not None:
            raise PcapleakError(
                "--via - reads what another program records: give --iface and --filter to that"
            )
        return PipedSource("-", None)
    source: LiveSource | ScapySource | PipedSource
    if via == "dumpcap":
        source = dumpcap_source(names, expression)
    elif via == "tcpdump":
        source = tcpdump_source(names, expression)
    elif via == "scapy":
        from pcapleak.live.scapy_source import ScapySource

        source = ScapySource(names, expression)
    else:
        from pcapleak.live.source import LiveSource

        source = LiveSource(names, expression)
        source.expression = expression
        return source  # which follows the machine itself
    source.expression = expression
    if machine is not None and sys.platform != "linux" and isinstance(source, PipedSource):
        source.follow(Asked(machine.devices, machine.routes))
    elif machine is not None and source.names:
        devices = {device.index: device for device in machine.devices}
        source.gaps += unwatched_ways(machine.routes, devices, source.names)
        source.notes += [(time.time_ns(), {"gap": gap}) for gap in source.gaps]
    return source
