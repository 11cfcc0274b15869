"""A tunnel program without a name: a tun device, and a carrier that looks like QUIC or TLS.

`LOOK serve DEVICE HOST:PORT CERTIFICATE KEY` and `LOOK connect DEVICE SERVER:PORT [DIRECT
UPLINK]`; `tls4` spreads packets over four connections. What goes to the address DIRECT the program
sends over the uplink itself, as rules of TUN proxies have it. Nothing is secret here: packets are
covered with one random byte string, as bytes of a cipher look.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import queue
import secrets
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 1, 0x1000
_COVER = bytes(range(7, 256)) * 8


def _covered(packet: bytes) -> bytes:
    size = len(packet)
    return (int.from_bytes(packet, "big") ^ int.from_bytes(_COVER[:size], "big")).to_bytes(
        size, "big"
    )


def _device(name: str) -> int:
    handle = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return handle


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _both_ways(
    device: int,
    send: Callable[[bytes], None],
    receive: Callable[[], bytes],
    direct: Callable[[bytes], bool] | None = None,
) -> None:
    def outward() -> None:
        while True:
            packet = os.read(device, 65535)
            if direct is None or not direct(packet):
                send(_covered(packet))

    threading.Thread(target=outward, daemon=True).start()
    print("ready", flush=True)
    while True:
        packet = _covered(receive())
        if packet:
            # What comes before the device is up is lost, as it is in any tunnel.
            with suppress(OSError):
                os.write(device, packet)


def quic(role: str, device: str, endpoint: str, *_: str) -> None:
    """Datagrams with QUIC's short header, after a few with its long one."""
    carrier = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer: list[tuple[str, int]] = []
    if role == "serve":
        carrier.bind(_endpoint(endpoint))
    else:
        peer.append(_endpoint(endpoint))
        connection = secrets.token_bytes(8)
        long = (
            b"\xc3\x00\x00\x00\x01\x08"
            + connection
            + b"\x00\x00\x44\x9e"
            + secrets.token_bytes(1180)
        )
        carrier.sendto(long, peer[0])
    begin = secrets.token_bytes(8)

    def send(packet: bytes) -> None:
        if peer:
            head = bytes([0x40 | secrets.randbelow(64)]) + begin + secrets.token_bytes(2)
            carrier.sendto(head + packet + secrets.token_bytes(16), peer[-1])

    def receive() -> bytes:
        data, sender = carrier.recvfrom(65535)
        if role == "serve" and sender not in peer:
            peer.append(sender)
        return b"" if data[0] & 0x80 else data[11:-16]

    _both_ways(_device(device), send, receive)


def _directly(address: str, uplink: str) -> Callable[[bytes], bool]:
    """Sends datagrams to an address over the uplink; answers are not handed on."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, uplink.encode())
    wanted = socket.inet_aton(address)

    def take(packet: bytes) -> bool:
        if packet[16:20] != wanted or packet[9] != socket.IPPROTO_UDP:
            return False
        start = 4 * (packet[0] & 15)
        port = int.from_bytes(packet[start + 2 : start + 4], "big")
        sender.sendto(packet[start + 8 :], (address, port))
        return True

    return take


def _tls(count: int, role: str, device: str, endpoint: str, *files: str) -> None:
    carriers: list[ssl.SSLSocket] = []
    direct = None
    if role == "serve":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        listener = socket.create_server(_endpoint(endpoint))
        print("ready", flush=True)
        handle = _device(device)
        for _ in range(count):
            carriers.append(context.wrap_socket(listener.accept()[0], server_side=True))
    else:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for _ in range(count):
            connection = socket.create_connection(_endpoint(endpoint))
            carriers.append(context.wrap_socket(connection, server_hostname="cdn.example"))
        handle = _device(device)
        direct = _directly(*files) if files else None
    received: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read(carrier: ssl.SSLSocket) -> None:
        stream = carrier.makefile("rb")
        while len(length := stream.read(2)) == 2:
            received.put(stream.read(int.from_bytes(length, "big")))
        os._exit(0)

    for carrier in carriers:
        carrier.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=read, args=(carrier,), daemon=True).start()
    turns = itertools.cycle(carriers)

    def send(packet: bytes) -> None:
        next(turns).sendall(len(packet).to_bytes(2, "big") + packet)

    _both_ways(handle, send, received.get, direct)


def tls(*words: str) -> None:
    """Packets behind their lengths in one TLS connection."""
    _tls(1, *words)


def tls4(*words: str) -> None:
    """The same in four."""
    _tls(4, *words)


if __name__ == "__main__":
    {"quic": quic, "tls": tls, "tls4": tls4}[sys.argv[1]](*sys.argv[2:])
