"""Reader of STUN and TURN over TCP, back to back or behind RFC 4571's lengths."""

from __future__ import annotations

from pcapleak.decode.media.dtls import decode_dtls
from pcapleak.decode.streams.connection import Connection, Reader
from pcapleak.decode.stun.decoder import MULTIPLEXED, StunMessage, decode_stun
from pcapleak.decode.stun.turn import decode_channel_data
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Service
from pcapleak.values.registries import COOKIE

_MULTIPLEXED = MULTIPLEXED.to_bytes(2, "big")

_TURN_METHODS = frozenset(range(0x003, 0x00D))
_CONNECTION_BIND_SUCCESS = 0x010B


def begins_stun(data: bytes) -> bool:
    """Whether `data` begins with a STUN header."""
    return data[4:8] == COOKIE and data[0] < 0x40


def begins_framed(data: bytes) -> bool:
    """Whether `data` begins with a STUN header behind its length (RFC 4571 section 2)."""
    return (
        data[6:10] == COOKIE
        and data[2] < 0x40
        and int.from_bytes(data[:2], "big") == 20 + int.from_bytes(data[4:6], "big")
    )


def begins_multiplexed(data: bytes) -> bool:
    """Whether `data` begins with a STUN header behind a session of [MS-TURN]."""
    return data[:2] == _MULTIPLEXED and begins_stun(data[12:20])


def services_of(message: StunMessage) -> Service:
    """What a message shows its flow to be."""
    services = Service.STUN
    if message.method in _TURN_METHODS:
        services |= Service.TURN
    if message.is_ice:
        services |= Service.ICE
    return services


class StunReader:
    """STUN messages and, once a TURN message was seen, ChannelData."""

    certain = True

    def __init__(self, framed: bool) -> None:
        self._framed = framed
        self._turn = False

    def read(self, connection: Connection, way: int, data: bytes) -> int:
        """See `Reader`."""
        if self._framed:
            return self._read_framed(connection, way, data)
        if len(data) < 4:
            return -4
        length = int.from_bytes(data[2:4], "big")
        if data[0] < 0x40:
            if len(data) < 8:
                return -8
            if not begins_stun(data):
                return self._search(connection, way, data)
            if len(data) < 20 + length:
                return -20 - length
            self._stun(connection, way, data[: 20 + length])
            return 20 + length
        if data[0] < 0x80 and self._turn:
            # Padded to four bytes over TCP (RFC 8656 section 12.5).
            end = 4 + (length + 3 & ~3)
            if len(data) < end:
                return -end
            connection.emit(way, decode_channel_data(data[: 4 + length]), Service.CHANNEL_DATA)
            return end
        if data[:2] == _MULTIPLEXED and self._turn:
            end = 4 + length
            if len(data) < end:
                return -end
            if begins_multiplexed(data[:end]):
                self._stun(connection, way, data[:end])
            return end
        return self._search(connection, way, data)

    def resumes(self, data: bytes) -> bool:
        """At a header, or where a segment is one channel message."""
        if self._framed:
            return begins_framed(data)
        if begins_stun(data) or (self._turn and begins_multiplexed(data)):
            return True
        length = int.from_bytes(data[2:4], "big")
        return self._turn and data[0] >> 6 == 1 and len(data) == 4 + (length + 3 & ~3)

    def read_cut(self, connection: Connection, way: int, data: bytes) -> None:
        """See `Reader`."""
        if self._framed:
            data = data[2:]
        if begins_stun(data) and len(data) >= 20:
            self._stun(connection, way, data)

    def _read_framed(self, connection: Connection, way: int, data: bytes) -> int:
        if len(data) < 2:
            return -2
        end = 2 + int.from_bytes(data[:2], "big")
        if len(data) < end:
            return -end
        inner = data[2:end]
        if len(inner) >= 20 and begins_stun(inner):
            self._stun(connection, way, inner)
        elif inner[:2] == b"\x16\xfe":
            try:
                connection.emit(way, decode_dtls(inner), Service.DTLS)
            except DecodeError:
                connection.services |= Service.DTLS.value
        return end

    def _stun(self, connection: Connection, way: int, data: bytes) -> None:
        message = decode_stun(data)
        services = services_of(message)
        self._turn |= bool(services & Service.TURN)
        connection.emit(way, message, services)
        if message.message_type == _CONNECTION_BIND_SUCCESS:
            # What follows is the peer's stream (RFC 6062 section 4.4).
            connection.enter("turn", 1 - way, None)

    def _search(self, connection: Connection, way: int, data: bytes) -> int:
        """Skip to the next header in `data`, or give up the place."""
        at = data.find(COOKIE, 5)
        while at >= 0 and data[at - 4] >= 0x40:
            at = data.find(COOKIE, at + 1)
        if at >= 0:
            return at - 4
        connection.lose(way)
        return 0


def opens_stun(data: bytes, ports: tuple[int, int]) -> Reader | None:
    """See `Opens`."""
    if begins_stun(data):
        return StunReader(framed=False)
    return StunReader(framed=True) if begins_framed(data) else None
