"""Messages in the datagrams of a SOCKS 5 UDP relay (RFC 1928 section 7)."""

from __future__ import annotations

from pcapleak.decode.dns.message import DnsMessage, decode_dns
from pcapleak.decode.media.demux import demultiplex
from pcapleak.decode.stun.decoder import StunMessage, decode_stun
from pcapleak.decode.tunnels.socks import decode_socks_udp
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Context, Endpoint

DNS_PORT = 53


def relayed_message(
    context: Context, data: bytes
) -> tuple[Context, StunMessage | DnsMessage] | None:
    """The STUN or DNS message in a relay's datagram, with the far end it names.

    Ten bytes shaped like the header prove nothing, so only a message that proves itself counts.
    """
    try:
        datagram = decode_socks_udp(data)
    except DecodeError:
        return None
    payload = datagram.payload
    message: StunMessage | DnsMessage
    if datagram.fragment:
        return None
    if datagram.port == DNS_PORT and len(payload) >= 12:
        message = decode_dns(payload)
        if message.problems or not message.questions:
            return None
    else:
        guess = demultiplex(payload)
        if guess.protocol != "stun" or guess.confidence == "medium":
            return None
        message = decode_stun(payload)
    source, destination = context.source, context.destination
    if not isinstance(datagram.destination, str):
        far = Endpoint(datagram.destination, datagram.port)
        # The client speaks first; the relay answers in the same form.
        source, destination = (source, far) if context.forward else (far, destination)
    inner = context._replace(
        source=source,
        destination=destination,
        layers=(*context.layers, "socks"),
        outer=(context.source, context.destination),
    )
    return inner, message
