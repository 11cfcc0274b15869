"""Opens the source of a watch."""

from __future__ import annotations

from pcapleak.capture.live import need_linux
from pcapleak.capture.live.source import LiveSource


def open_source(via: str, names: tuple[str, ...], expression: str | None) -> LiveSource:
    """The source called `via`: ring, scapy, dumpcap, tcpdump or - (standard input).

    Raises `PcapleakError` where it cannot be had.
    """
    need_linux()
    return LiveSource(names)
