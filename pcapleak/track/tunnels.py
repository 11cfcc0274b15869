"""Tunnels by their handshakes, and proxies by their requests.

Only what proves a tunnel counts here: both halves of a handshake, paired by what the protocol
pairs them by. Traffic that is merely shaped like a tunnel's (Zoom's media looks like WireGuard
data) leaves no trace but its flow's `Service` bit.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from pcapleak.decode.tunnels.ike import IkeMessage
from pcapleak.decode.tunnels.openvpn import OpenVpnMessage
from pcapleak.decode.tunnels.socks import SocksReply, SocksRequest
from pcapleak.decode.tunnels.wireguard import WireGuardMessage
from pcapleak.decode.web.http import HttpRequest, HttpResponse
from pcapleak.track.proxies import Proxy, ProxyTable
from pcapleak.values.addresses import is_private
from pcapleak.values.packets import Context, Endpoint

TunnelKind = Literal["wireguard", "openvpn", "ikev1", "ikev2"]
TUNNEL_NAMES: dict[TunnelKind, str] = {
    "wireguard": "WireGuard",
    "openvpn": "OpenVPN",
    "ikev1": "IKEv1",
    "ikev2": "IKEv2",
}
IKE_AUTH = 35
_IKE_OPENING = frozenset((2, 4, 34))
_IKE_CLOSING = frozenset((32, IKE_AUTH, 36))

MAX_TUNNELS = 4096
"""Pairs of endpoints remembered; about 1.6 kB each with their first messages, so 7 MB."""
MAX_HANDSHAKES = 4096
"""Handshakes of one tunnel: more than five days of WireGuard's rekeying every two minutes."""
MAX_ALL_HANDSHAKES = 50_000
"""Over all tunnels: about 300 bytes each, so 15 MB."""
MAX_ALL_ATTEMPTS = 200_000
"""Attempts beyond the first of each, over all tunnels: 40 bytes each, so 8 MB."""
MAX_PENDING = 16
"""Initiations of one tunnel that wait for an answer: about 6 kB, so 24 MB for all."""
MAX_FRAMES = 16


class Handshake(Struct):
    """A handshake seen completed."""

    started_ns: int
    completed_ns: int
    frames: tuple[int, int]
    """The frames of its first and last message."""
    proof: str
    """Why the two belong together."""
    index: bytes = b""
    """The session's id where the protocol has one in clear."""


class Tunnel(Struct):
    """What was seen of one tunnel on one interface."""

    kind: TunnelKind
    interface: int
    transport: str
    client: Endpoint
    """The end that sent the first handshake message; if one end alone is private, that one."""
    server: Endpoint
    handshakes: list[Handshake] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    """Times of initiations, answered or not; retries show a tunnel that cannot come up."""
    first_ns: int = 0
    last_ns: int = 0
    """Of its handshake messages; its data's times are its flows'."""
    frames: list[int] = field(default_factory=list)
    flows: list[int] = field(default_factory=list)
    refused: int = 0
    """Cookie replies: the responder was under load."""

    @property
    def confirmed(self) -> bool:
        """Whether a handshake was seen completed."""
        return bool(self.handshakes)


class _Pending(Struct):
    """Initiations without an answer yet, by the id an answer must name."""

    started: dict[bytes, tuple[int, int, Endpoint]] = field(default_factory=dict)

    def put(self, key: bytes, context: Context) -> None:
        if key not in self.started:
            if len(self.started) >= MAX_PENDING:
                del self.started[next(iter(self.started))]
            self.started[key] = (context.ts_ns, context.frame, context.source)

    def take(self, key: bytes, context: Context) -> tuple[int, int] | None:
        """The initiation that `context`'s sender answers."""
        found = self.started.get(key)
        if found is None or found[2] == context.source:
            return None
        del self.started[key]
        return found[0], found[1]


_TunnelKey = tuple[str, int, int, frozenset[object]]


def _endpoints(context: Context) -> frozenset[object]:
    return frozenset((context.source, context.destination))


class TunnelTracker:
    """Tunnels by (kind, interface, encapsulation, endpoints), and proxies by theirs."""

    def __init__(self) -> None:
        self._tunnels: dict[_TunnelKey, Tunnel] = {}
        self._pending: dict[_TunnelKey, _Pending] = {}
        self._proxies = ProxyTable()
        self._handshakes = 0
        self._attempts = 0
        self._dropped = 0

    def add(
        self,
        context: Context,
        message: WireGuardMessage
        | OpenVpnMessage
        | IkeMessage
        | SocksRequest
        | SocksReply
        | HttpRequest
        | HttpResponse,
    ) -> None:
        """Take one message."""
        if isinstance(message, WireGuardMessage):
            self._add_wireguard(context, message)
        elif isinstance(message, OpenVpnMessage):
            self._add_openvpn(context, message)
        elif isinstance(message, IkeMessage):
            self._add_ike(context, message)
        else:
            self._proxies.add(context, message)

    def tunnels(self) -> list[Tunnel]:
        """Every tunnel of which a handshake message was seen, in order of first sight."""
        return list(self._tunnels.values())

    def proxies(self) -> list[Proxy]:
        """Every proxy that was asked for something, in order of first sight."""
        return self._proxies.proxies()

    @property
    def dropped(self) -> int:
        """Messages of tunnels and proxies beyond the bounds."""
        return self._dropped + self._proxies.dropped

    def _tunnel(
        self, context: Context, kind: TunnelKind, ends: frozenset[object]
    ) -> tuple[Tunnel, _Pending] | None:
        """The tunnel between `ends`, whatever identifies them in its protocol."""
        key = (kind, context.interface, context.carrier, ends)
        tunnel = self._tunnels.get(key)
        if tunnel is None:
            if len(self._tunnels) >= MAX_TUNNELS:
                self._dropped += 1
                return None
            client, server = context.source, context.destination
            if is_private(server.address) and not is_private(client.address):
                # Either end may rekey: of a recording that began late the server's may come first.
                client, server = server, client
            tunnel = self._tunnels[key] = Tunnel(
                kind, context.interface, context.transport, client, server, first_ns=context.ts_ns
            )
            self._pending[key] = _Pending()
        tunnel.last_ns = context.ts_ns
        if len(tunnel.frames) < MAX_FRAMES:
            tunnel.frames.append(context.frame)
        if context.flow not in tunnel.flows and len(tunnel.flows) < MAX_FRAMES:
            tunnel.flows.append(context.flow)
        return tunnel, self._pending[key]

    def _attempt(self, tunnel: Tunnel, context: Context) -> None:
        if tunnel.attempts:
            if len(tunnel.attempts) >= MAX_HANDSHAKES or self._attempts >= MAX_ALL_ATTEMPTS:
                return
            self._attempts += 1
        tunnel.attempts.append(context.ts_ns)

    def _completed(
        self, tunnel: Tunnel, context: Context, start: tuple[int, int], proof: str, index: bytes
    ) -> None:
        if len(tunnel.handshakes) < MAX_HANDSHAKES and self._handshakes < MAX_ALL_HANDSHAKES:
            self._handshakes += 1
            tunnel.handshakes.append(
                Handshake(start[0], context.ts_ns, (start[1], context.frame), proof, index)
            )
        elif not tunnel.handshakes:
            self._dropped += 1

    def _add_wireguard(self, context: Context, message: WireGuardMessage) -> None:
        if message.kind == "data":
            return
        found = self._tunnel(context, "wireguard", _endpoints(context))
        if found is None:
            return
        tunnel, pending = found
        if message.kind == "initiation":
            assert message.sender_index is not None
            self._attempt(tunnel, context)
            pending.put(message.sender_index.to_bytes(4, "big"), context)
            return
        if message.kind == "cookie":
            tunnel.refused += 1
            return
        assert message.receiver_index is not None
        index = message.receiver_index.to_bytes(4, "big")
        start = pending.take(index, context)
        if start is not None:
            proof = f"response to the initiation with index {message.receiver_index:#010x}"
            self._completed(tunnel, context, start, proof, index)

    def _add_openvpn(self, context: Context, message: OpenVpnMessage) -> None:
        if not message.kind.startswith("hard-reset"):
            return
        found = self._tunnel(context, "openvpn", _endpoints(context))
        if found is None:
            return
        tunnel, pending = found
        session = message.session_id or b""
        if message.kind == "hard-reset-client":
            tunnel.client, tunnel.server = context.source, context.destination
            self._attempt(tunnel, context)
            pending.put(session, context)
            return
        if not tunnel.attempts:
            tunnel.client, tunnel.server = context.destination, context.source
        if message.remote_session_id is not None:
            start = pending.take(message.remote_session_id, context)
            if start is not None:
                proof = f"server reset names the client's session {message.remote_session_id.hex()}"
                self._completed(tunnel, context, start, proof, session)
            return
        # tls-crypt hides which session is acknowledged: the last one asked for then.
        last = next(reversed(pending.started), None)
        start = None if last is None else pending.take(last, context)
        if start is not None:
            proof = "server reset after a client reset, ids hidden"
            self._completed(tunnel, context, start, proof, session)

    def _add_ike(self, context: Context, message: IkeMessage) -> None:
        """Completed by the first answer that needs what the exchange agreed on: IKE_AUTH's in
        version 2, quick mode's second message in version 1. CREATE_CHILD_SA rekeys."""
        kind: TunnelKind = "ikev2" if message.version == 2 else "ikev1"
        # After NAT detection both ends move to port 4500 (RFC 7296 section 2.23).
        ends = frozenset((context.source.address, context.destination.address))
        found = self._tunnel(context, kind, ends)
        if found is None:
            return
        tunnel, pending = found
        spi = message.initiator_spi
        if not any(message.responder_spi):
            if message.exchange in _IKE_OPENING and not message.is_response:
                if not tunnel.handshakes:
                    tunnel.client, tunnel.server = context.source, context.destination
                self._attempt(tunnel, context)
                pending.put(spi, context)
            return
        if message.exchange not in _IKE_CLOSING:
            return
        number = spi + bytes((message.exchange,)) + message.message_id.to_bytes(4, "big")
        start = pending.take(number, context)
        if start is None:
            if not message.is_response:
                pending.put(number, context)
            return
        opened = pending.started.pop(spi, None)
        if opened is not None:
            start = opened[:2]
            tunnel.client, tunnel.server = context.destination, context.source
        elif (
            message.exchange == IKE_AUTH
            and tunnel.handshakes
            and tunnel.handshakes[-1].index == spi
        ):
            return  # EAP takes several rounds; the first one counts.
        proof = f"{message.exchange_name} answered for SPI {spi.hex()}"
        self._completed(tunnel, context, start, proof, spi)
