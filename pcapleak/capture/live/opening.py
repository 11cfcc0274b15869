"""Opens the source of a watch."""

from __future__ import annotations

from pcapleak.capture.live import need_linux
from pcapleak.capture.live.piped import PipedSource, dumpcap_source, tcpdump_source
from pcapleak.capture.live.scapy_source import ScapySource
from pcapleak.capture.live.source import LiveSource
from pcapleak.errors import PcapleakError


def open_source(
    via: str, names: tuple[str, ...], expression: str | None
) -> LiveSource | ScapySource | PipedSource:
    """The source called `via`: ring, scapy, dumpcap, tcpdump or - (standard input).

    `expression` is a libpcap filter. Raises `PcapleakError` where the source cannot be had.
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
    else:
        need_linux()
        source = ScapySource(names, expression) if via == "scapy" else LiveSource(names, expression)
    source.expression = expression
    return source
