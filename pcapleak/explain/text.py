"""Decoded messages put into words and into JSON, for `pcapleak decode`."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import assert_never

from msgspec import Struct

from pcapleak.decode.dns.message import (
    DnsMessage,
    MxData,
    NsecData,
    OptData,
    Question,
    Record,
    SoaData,
    SrvData,
    SvcbData,
    type_name,
)
from pcapleak.decode.ice.priority import read_priority
from pcapleak.decode.ice.terms import network_meaning
from pcapleak.decode.lan.dhcp import DhcpMessage
from pcapleak.decode.lan.ndp import RouterAdvertisement
from pcapleak.decode.media.demux import demultiplex
from pcapleak.decode.media.dtls import DtlsHello
from pcapleak.decode.media.rtp import RtcpPacket, RtpPacket
from pcapleak.decode.messages import Message
from pcapleak.decode.stun import attributes as attr
from pcapleak.decode.stun.attributes import comprehension_required
from pcapleak.decode.stun.decoder import RawAttribute, StunMessage
from pcapleak.decode.stun.turn import ChannelData
from pcapleak.decode.stun.types import error_name
from pcapleak.decode.stun.values import Delta, ErrorCode, NetworkInfo
from pcapleak.decode.tunnels.ike import IkeMessage
from pcapleak.decode.tunnels.openvpn import OpenVpnMessage
from pcapleak.decode.tunnels.socks import SocksReply, SocksRequest
from pcapleak.decode.tunnels.wireguard import WireGuardMessage
from pcapleak.decode.web.http import HttpRequest, HttpResponse
from pcapleak.decode.web.quic import QuicInitial
from pcapleak.decode.web.sip import SipMessage
from pcapleak.decode.web.tls import ClientHello
from pcapleak.decode.web.websocket import WebSocketMessage
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Endpoint

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]

MAX_PARTS = 32
"""Attributes or records told in a summary: a message can hold 16 000 of them."""

_RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


_RECORD = ("name", "type", "rclass", "cache_flush", "ttl_s", "data", "raw")
"""What is told of a DNS record."""


def to_json(value: object) -> JsonValue:
    """Any decoded value: bytes as hexadecimal, addresses as text, tuples with names as objects.

    Raises:
        TypeError: a kind of value that no decoder gives.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Endpoint | IPv4Address | IPv6Address | IPv4Network | IPv6Network):
        return str(value)
    if isinstance(value, StunMessage):
        return stun_fields(value)
    if isinstance(value, DnsMessage):
        return dns_fields(value)
    if isinstance(value, Record):
        return {name: to_json(getattr(value, name)) for name in _RECORD}
    if isinstance(value, tuple):
        names: tuple[str, ...] | None = getattr(value, "_fields", None)
        if names is not None:
            return {name: to_json(item) for name, item in zip(names, value, strict=True)}
        return [to_json(item) for item in value]
    if isinstance(value, Struct):
        return {name: to_json(getattr(value, name)) for name in value.__struct_fields__}
    raise TypeError(f"no JSON form for {type(value).__name__}")


def message_fields(message: object) -> dict[str, JsonValue]:
    """The message as a JSON object."""
    converted = to_json(message)
    return converted if isinstance(converted, dict) else {"payload": converted}


def stun_fields(message: StunMessage) -> dict[str, JsonValue]:
    """A STUN message as a JSON object: header, attributes in wire order, what they mean."""
    attributes: list[JsonValue] = []
    for raw in message.attributes:
        kind = message.kind(raw.type)
        entry: dict[str, JsonValue] = {
            "type": f"0x{raw.type:04x}",
            "name": kind.name if kind else None,
            "source": kind.source if kind else None,
            "required": comprehension_required(raw.type),
            "offset": raw.offset,
            "raw": raw.value.hex(),
        }
        try:
            entry["value"] = to_json(message.decode(raw))
        except DecodeError as error:
            entry["problem"] = error.reason
        attributes.append(entry)
    found: dict[str, JsonValue] = {
        "type": f"0x{message.message_type:04x}",
        "class": message.message_class,
        "method": message.method_name,
        "length": message.length,
        "cookie": message.has_cookie,
        "transaction_id": message.transaction_id.hex(),
        "attributes": attributes,
        "fingerprint": message.fingerprint,
    }
    if message.priority is not None:
        found["priority_readings"] = [reading.text for reading in read_priority(message.priority)]
    if message.network_info is not None:
        found["network"] = network_meaning(message.network_info)
    return found


def dns_fields(message: DnsMessage) -> dict[str, JsonValue]:
    """A DNS message as a JSON object, with what multicast DNS makes of it."""
    found = {name: to_json(value) for name, value in message._asdict().items()}
    if message.protocol == "mdns":
        found["probe"] = message.is_probe
        found["announcement"] = message.is_announcement
        found["goodbyes"] = [record.name for record in message.goodbyes]
        found["known_answers"] = [record.name for record in message.known_answers]
    return found


_CARRIED = {"stun": " of STUN", "dtls": " of DTLS", "rtp": " of SRTP", "rtcp": " of SRTCP"}


def summarise(message: Message | RtpPacket | RtcpPacket | DecodeError) -> str:
    """One line that says what matters of a message."""
    match message:
        case StunMessage():
            return _stun(message)
        case ChannelData():
            inside = demultiplex(message.data)
            what = "" if inside.confidence == "low" else _CARRIED.get(inside.protocol, "")
            return f"ChannelData 0x{message.channel:04X}, {len(message.data)} bytes{what}"
        case DnsMessage():
            return _dns(message)
        case DhcpMessage():
            parts = [f"DHCP {message.message_type}"]
            parts += [f"client {message.your_address}"] if message.your_address else []
            parts += [f"routers {_join(message.routers)}"] if message.routers else []
            parts += [f"resolvers {_join(tuple(message.resolvers))}"] if message.resolvers else []
            return ", ".join(parts)
        case RouterAdvertisement():
            networks = _join(tuple(prefix.network for prefix in message.prefixes))
            return f"Router Advertisement {networks}, resolvers {_join(tuple(message.resolvers))}"
        case WireGuardMessage():
            return "WireGuard keepalive" if message.is_keepalive else f"WireGuard {message.kind}"
        case OpenVpnMessage():
            return f"OpenVPN {message.kind}"
        case IkeMessage():
            side = "response" if message.is_response else "request"
            return f"IKEv{message.version} exchange {message.exchange} {side}"
        case DtlsHello():
            return f"DTLS {message.kind}"
        case QuicInitial():
            name = message.hello.server_name if message.hello else None
            return f"QUIC Initial version 0x{message.version:08x}" + (f" {name}" if name else "")
        case ClientHello():
            name = message.server_name or "without server name"
            return f"TLS ClientHello {name}, {message.version_name}"
        case RtpPacket():
            return f"RTP type {message.payload_type}, SSRC 0x{message.ssrc:08x}"
        case RtcpPacket():
            return f"RTCP {message.type_name}, SSRC 0x{message.ssrc:08x}"
        case SocksRequest():
            target = f"{message.destination}:{message.port}"
            return f"SOCKS{message.version} {message.command} {target}"
        case SocksReply():
            return f"SOCKS{message.version} reply {message.code}, bound {message.bound}"
        case HttpRequest():
            return f"HTTP {message.method} {message.target}"
        case HttpResponse():
            return f"HTTP {message.status} {message.reason}"
        case SipMessage():
            return f"SIP {message.method or message.status} {message.target}"
        case WebSocketMessage():
            return f"WebSocket {message.kind}, {len(message.payload)} bytes"
        case DecodeError():
            return str(message)
    assert_never(message)


def _join(values: tuple[object, ...]) -> str:
    return " ".join(str(value) for value in values) or "none"


def _stun(message: StunMessage) -> str:
    parts = [message.type_name]
    error = message.error
    if error is not None:
        parts.append(f"{error.code} {error.reason or error_name(error.code)}")
    parts += filter(None, (_attribute(message, raw) for raw in message.attributes[:MAX_PARTS]))
    if len(message.attributes) > MAX_PARTS:
        parts.append(f"and {len(message.attributes) - MAX_PARTS} attributes more")
    if message.fingerprint == "bad":
        parts.append("wrong FINGERPRINT")
    return ", ".join(parts)


_SILENT = frozenset(
    {
        attr.MESSAGE_INTEGRITY,
        attr.MESSAGE_INTEGRITY_SHA256,
        attr.GOOG_MESSAGE_INTEGRITY_32,
        attr.FINGERPRINT,
        attr.NONCE,
        attr.ERROR_CODE,
        attr.MAGIC_COOKIE,
    }
)


def _attribute(message: StunMessage, raw: RawAttribute) -> str | None:
    """An attribute in a summary, or None where it would only be noise."""
    type_, kind = raw.type, message.kind(raw.type)
    if type_ in _SILENT or kind is None:
        return None
    try:
        value = message.decode(raw)
    except DecodeError:
        return f"unreadable {kind.name}"
    match value:
        case bytes():
            return f"{kind.name} ({len(value)} bytes)"
        case Delta():
            keys = ", ".join(f"0x{entry.key:04x}" for entry in value.entries[:MAX_PARTS])
            return f"{kind.name} to version {value.version}{f' of {keys}' if keys else ''}"
        case NetworkInfo():
            return f"network {value.id} cost {value.cost}"
        case ErrorCode():
            return f"{kind.name} {value.code}"
        case int() if type_ == attr.USE_CANDIDATE:
            return kind.name
        case int() if type_ in (attr.ICE_CONTROLLED, attr.ICE_CONTROLLING):
            return f"{kind.name} {value:016x}"
        case int() if type_ == attr.CHANNEL_NUMBER:
            return f"channel 0x{value:04X}"
        case Endpoint() | int() | str():
            return f"{kind.name} {value}"
    return kind.name


def _dns(message: DnsMessage) -> str:
    parts = ["response" if message.is_response else "probe" if message.is_probe else "query"]
    if message.rcode:
        parts.append(_RCODES.get(message.rcode, f"rcode {message.rcode}"))
    parts += [_question(question) for question in message.questions[:MAX_PARTS]]
    for name, records in (
        ("known answer " if message.known_answers else "", message.answers),
        ("authority ", message.authorities),
        ("additional ", message.additionals),
    ):
        parts += [name + _record(record) for record in records[:MAX_PARTS]]
        if len(records) > MAX_PARTS:
            parts.append(f"and {len(records) - MAX_PARTS} {name}records more")
    return ", ".join(parts)


def _question(question: Question) -> str:
    mark = " QU" if question.unicast_response else ""
    return f"{question.name} {question.type_name}?{mark}"


def _record(record: Record) -> str:
    if isinstance(record.data, OptData):
        return _edns(record.data)
    words = [record.name, record.type_name, *_record_data(record), f"{record.ttl_s}s"]
    if record.cache_flush:
        words.append("flush")
    return " ".join(words)


def _record_data(record: Record) -> list[str]:
    match record.data:
        case str() | IPv4Address() | IPv6Address():
            return [str(record.data)]
        case SrvData():
            return [f"{record.data.target}:{record.data.port}"]
        case SoaData():
            return [record.data.primary]
        case MxData():
            return [record.data.exchange]
        case SvcbData():
            alpn, hints = record.data.alpn, record.data.hints
            words = [record.data.target]
            if alpn:
                words.append("alpn " + " ".join(alpn[:MAX_PARTS]))
            if hints:
                words.append("hints " + " ".join(map(str, hints[:MAX_PARTS])))
            return words
        case NsecData():
            return ["with " + " ".join(map(type_name, record.data.types[:MAX_PARTS]))]
        case bytes():
            return [f"({len(record.data)} bytes)"]
    return [
        repr(part.decode("utf-8", "backslashreplace"))
        for part in record.data[:MAX_PARTS]
        if part and isinstance(part, bytes)
    ]


def _edns(data: OptData) -> str:
    """EDNS is no record, so it has no name and no TTL of its own."""
    words = [f"EDNS {data.payload_size} bytes"]
    if data.dnssec_ok:
        words.append("DNSSEC")
    if data.client_subnet is not None:
        words.append(f"client subnet {data.client_subnet}")
    return " ".join(words)
