"""Ordinary traffic of a client, and single things that go beside its tunnel.

`use SECONDS` asks names, a STUN server and a web server by the routes there are, down and up;
`dns`, `stun` and `ipv6` do one such thing past every route, by the device eth0. `serve` answers
at the web server's address, over IPv4 and IPv6. `socks SECONDS HOST PORT` fetches through a SOCKS
proxy, and with `udp` behind it asks names and a STUN server through its relay.
"""

from __future__ import annotations

import random
import secrets
import socket
import sys
import threading
import time
from contextlib import suppress

from .network import RESOLVER, STUN, WEB, WEB6

PORT = 8443


def _datagram(payload: bytes, server: tuple[str, int], device: str | None = None) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        if device is not None:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        one.settimeout(1.5)
        one.sendto(payload, server)
        with suppress(TimeoutError):
            return one.recv(2048)
        return b""


def _query() -> bytes:
    name = random.choice((b"www", b"stun", b"turn"))
    head = secrets.token_bytes(2) + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    return head + bytes([len(name)]) + name + b"\x07example\x00\x00\x01\x00\x01"


def _binding() -> bytes:
    return b"\x00\x01\x00\x00\x21\x12\xa4\x42" + secrets.token_bytes(12)


def _fetch(server: str, up: int, down: int, device: str | None = None) -> None:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as one:
        if device is not None:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        one.settimeout(3)
        one.connect((server, PORT))
        _exchange(one, up, down)


def _exchange(one: socket.socket, up: int, down: int) -> None:
    one.sendall(b"%08d%08d" % (up, down) + secrets.token_bytes(up))
    left = down
    while left > 0:
        got = one.recv(65536)
        if not got:
            return
        left -= len(got)


def use(seconds: str) -> None:
    """The client's day."""
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        _datagram(_query(), (RESOLVER, 53))
        with suppress(OSError):
            _fetch(WEB, random.randrange(200, 6000), random.randrange(2000, 120_000))
        _datagram(_binding(), (STUN, 3478))
        time.sleep(random.uniform(0.05, 0.3))


def _place(server: str, port: int) -> bytes:
    """Where to, as SOCKS writes it (RFC 1928 section 5)."""
    return b"\x01" + socket.inet_aton(server) + port.to_bytes(2, "big")


def _asked(proxy: tuple[str, int], command: int, place: bytes) -> tuple[socket.socket, int]:
    """A connection on which a SOCKS proxy granted a command, and the port that it told."""
    one = socket.create_connection(proxy, timeout=5)
    one.sendall(b"\x05\x01\x00")
    one.recv(2, socket.MSG_WAITALL)
    one.sendall(bytes((5, command, 0)) + place)
    answer = one.recv(10, socket.MSG_WAITALL)
    if answer[:2] != b"\x05\x00":
        raise OSError(f"the proxy said {answer!r}")
    return one, int.from_bytes(answer[8:10], "big")


def socks(seconds: str, host: str, port: str, *kinds: str) -> None:
    """What a program does through a proxy."""
    proxy, until = (host, int(port)), time.monotonic() + float(seconds)
    control, relay = (None, 0)
    if "udp" in kinds:
        control, relay = _asked(proxy, 3, _place("0.0.0.0", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(1.5)
        print("ready", flush=True)
        while time.monotonic() < until:
            with suppress(OSError):
                one, _ = _asked(proxy, 1, _place(WEB, PORT))
                with one:
                    _exchange(one, random.randrange(200, 6000), random.randrange(2000, 120_000))
            for far, payload in (((RESOLVER, 53), _query()), ((STUN, 3478), _binding())):
                if control is not None:
                    datagrams.sendto(b"\0\0\0" + _place(*far) + payload, (host, relay))
                    with suppress(TimeoutError):
                        datagrams.recv(2048)
            time.sleep(random.uniform(0.05, 0.3))
    if control is not None:
        control.close()


def dns() -> None:
    """One question beside the tunnel."""
    _datagram(_query(), (RESOLVER, 53), "eth0")


def stun() -> None:
    """One Binding request beside the tunnel."""
    _datagram(_binding(), (STUN, 3478), "eth0")


def ipv6() -> None:
    """One connection beside the tunnel."""
    _fetch(WEB6, 400, 3000, "eth0")


def serve() -> None:
    """Take so many bytes, give so many."""

    def answer(one: socket.socket) -> None:
        with one, suppress(OSError, ValueError):
            head = one.recv(16, socket.MSG_WAITALL)
            left = int(head[:8])
            while left > 0:
                left -= len(one.recv(65536)) or left
            one.sendall(secrets.token_bytes(int(head[8:16])))

    def listen(address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.create_server((address, PORT), family=family)
        while True:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    for address in (WEB, WEB6):
        threading.Thread(target=listen, args=(address,), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
