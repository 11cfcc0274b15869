"""Keeps the test suite off the network: an audit hook that no library can go round in Python.

Connections and datagrams may go to this machine only, and no name is looked up but its own.
What tests send in network namespaces is sent by programs of their own.
"""

from __future__ import annotations

import socket
import sys
from ipaddress import ip_address

offences: list[str] = []
"""What was tried, for the end of the session: the attempt itself may be caught by somebody."""

_NAMES = frozenset((None, "", "localhost", b"localhost", socket.gethostname()))
_LOOKUPS = frozenset(
    ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")
)
_SENDING = frozenset(("socket.connect", "socket.sendto", "socket.sendmsg"))


class WouldSendError(AssertionError):
    """Something of the suite would have reached the network."""


def _stays_here(address: object) -> bool:
    """Whether a socket address is of this machine: a path, a loopback address."""
    if not isinstance(address, tuple):
        return True  # AF_UNIX, or a socket that was connected before
    host = address[0]
    if host in _NAMES:
        return True
    try:
        found = ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified


def _is_number(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event in _SENDING:
        if getattr(arguments[0], "family", None) in (socket.AF_NETLINK, socket.AF_PACKET):
            return
        if _stays_here(arguments[1]):
            return
    elif event in _LOOKUPS:
        host = arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0]
        if host in _NAMES or _is_number(host):
            return
    else:
        return
    offence = f"{event}{tuple(map(str, arguments[:2]))}"
    offences.append(offence)
    raise WouldSendError(f"the test suite would have reached the network: {offence}")


def watch() -> None:
    """Install the hook; it cannot be removed."""
    sys.addaudithook(_hook)
