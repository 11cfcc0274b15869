"""Capture from the machine's own interfaces (Linux), or from a program that does."""

import sys

from pcapleak.errors import PcapleakError


def need_linux() -> None:
    """Raise `PcapleakError` where the kernel's packet sockets are not Linux's."""
    if sys.platform != "linux":
        raise PcapleakError(
            "live: packet sockets are read on Linux only; pipe a capture in instead: "
            "'dumpcap -i IFACE -w - | pcapleak live --via -', or use --via dumpcap"
        )


def may_capture() -> bool:
    """Whether this process may open packet sockets."""
    if sys.platform != "linux":
        return False
    import socket

    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        return False
    return True
