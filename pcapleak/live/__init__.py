"""Capture from the machine's own interfaces (Linux), or from a program that does."""

import sys

from pcapleak.errors import PcapleakError


def need_linux() -> None:
    """Raise `PcapleakError` where the kernel's packet sockets are not Linux's."""
    if not sys.platform.startswith("linux"):
        raise PcapleakError(
            "live: packet sockets are read on Linux only; pipe a capture in instead: "
            "'dumpcap -i IFACE -w - | pcapleak live --via -', or use --via dumpcap"
        )


def need_unix() -> None:
    """Raise `PcapleakError` where no pipe can be waited for, so that nothing can be watched."""
    if sys.platform.startswith("win"):
        raise PcapleakError(
            "live: watching needs Linux or macOS; record with Wireshark or dumpcap, then analyze "
            "the file"
        )


def may_capture() -> bool:
    """Whether this process may open packet sockets."""
    import socket

    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        return False
    return True
