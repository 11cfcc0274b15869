"""Datagrams inside a TLS connection: the wrapping of WireGuard that wstunnel and its like do.

`serve HOST:PORT TARGET:PORT CERTIFICATE KEY` takes connections and sends what comes to TARGET;
`connect LOCAL:PORT SERVER:PORT` takes datagrams and sends them through a connection.
"""

from __future__ import annotations

import asyncio
import ssl
import sys


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket whose datagrams go down a stream, each behind its length."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.transport: asyncio.DatagramTransport | None = None
        self.peer: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Keep the socket."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Send one down the stream."""
        self.peer = addr
        self.writer.write(len(data).to_bytes(2, "big") + data)


async def _pump(
    reader: asyncio.StreamReader, socket: Datagrams, target: tuple[str, int] | None
) -> None:
    while True:
        length = int.from_bytes(await reader.readexactly(2), "big")
        data = await reader.readexactly(length)
        peer = target or socket.peer
        if peer is not None and socket.transport is not None:
            socket.transport.sendto(data, None if target else peer)


async def serve(listen: str, target: str, certificate: str, key: str) -> None:
    """Take connections; each has a socket of its own towards the target."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_datagram_endpoint(
            lambda: Datagrams(writer), remote_addr=_endpoint(target)
        )
        await _pump(reader, socket, _endpoint(target))

    server = await asyncio.start_server(accept, *_endpoint(listen), ssl=context)
    print("ready", flush=True)
    await server.serve_forever()


async def connect(local: str, server: str) -> None:
    """Take datagrams and send them through one connection."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        *_endpoint(server), ssl=context, server_hostname="wrapped.example"
    )
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_datagram_endpoint(
        lambda: Datagrams(writer), local_addr=_endpoint(local)
    )
    print("ready", flush=True)
    await _pump(reader, socket, None)


if __name__ == "__main__":
    arguments = sys.argv[2:]
    asyncio.run(serve(*arguments) if sys.argv[1] == "serve" else connect(*arguments))
