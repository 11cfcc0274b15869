"""Opens the source of a watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcapleak.errors import PcapleakError
from pcapleak.live.piped import PipedSource, dumpcap_source, tcpdump_source

if TYPE_CHECKING:
    from pcapleak.live.scapy_source import ScapySource
    from pcapleak.live.source import LiveSource


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
    elif via == "scapy":
        from pcapleak.live.scapy_source import ScapySource

        source = ScapySource(names, expression)
    else:
        from pcapleak.live.source import LiveSource

        source = LiveSource(names, expression)
    source.expression = expression
    return source
