"""The STUN attributes: one table of type, name, source and decoder.

The table holds the IANA registry of STUN attributes and what vendors send without
registering. Which attributes a receiver must understand follows from the type (RFC 8489
section 14: below 0x8000), so it is no column.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from pcapleak.model import Endpoint, address_of

MAPPED_ADDRESS = 0x0001
USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
CHANNEL_NUMBER = 0x000C
LIFETIME = 0x000D
MAGIC_COOKIE = 0x000F
DESTINATION_ADDRESS = 0x0011
XOR_PEER_ADDRESS = 0x0012
DATA = 0x0013
REALM = 0x0014
NONCE = 0x0015
XOR_RELAYED_ADDRESS = 0x0016
REQUESTED_TRANSPORT = 0x0019
MESSAGE_INTEGRITY_SHA256 = 0x001C
PASSWORD_ALGORITHM = 0x001D
USERHASH = 0x001E
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
MS_XOR_MAPPED_ADDRESS = 0x8020
SOFTWARE = 0x8022
ALTERNATE_SERVER = 0x8023
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029
ICE_CONTROLLING = 0x802A
RESPONSE_ORIGIN = 0x802B
OTHER_ADDRESS = 0x802C
MS_CANDIDATE_IDENTIFIER = 0x8054
MS_IMPLEMENTATION_VERSION = 0x8070
NOMINATION = 0xC001
GOOG_NETWORK_INFO = 0xC057
GOOG_MESSAGE_INTEGRITY_32 = 0xC060
META_DTLS_IN_STUN = 0xC070


class ErrorCode(NamedTuple):
    """ERROR-CODE and ADDRESS-ERROR-CODE: the number (300 to 699) and the sender's words."""

    code: int
    reason: str
    family: int | None = None
    """The address family an ADDRESS-ERROR-CODE speaks of: 1 IPv4, 2 IPv6."""


class NetworkInfo(NamedTuple):
    """GOOG-NETWORK-INFO: libwebrtc's number for the network and what using it costs."""

    id: int
    cost: int


class PasswordAlgorithm(NamedTuple):
    """One algorithm offered or chosen (RFC 8489 section 14.11): 1 is MD5, 2 SHA-256."""

    algorithm: int
    parameters: bytes


class IcmpInfo(NamedTuple):
    """The ICMP attribute of TURN (RFC 8656 section 18.13): an error the server received."""

    type: int
    code: int
    data: bytes


class TransmitCounter(NamedTuple):
    """TRANSACTION_TRANSMIT_COUNTER (RFC 7982 section 3.1)."""

    requests: int
    responses: int


Value = (
    Endpoint
    | ErrorCode
    | NetworkInfo
    | IcmpInfo
    | TransmitCounter
    | tuple[PasswordAlgorithm, ...]
    | tuple[int, ...]
    | int
    | str
    | bytes
)


class AttributeKind(NamedTuple):
    """What the table knows of an attribute type."""

    name: str
    source: str
    decode: Callable[[bytes, bytes], Value]
    """Takes the value and the 16 bytes from the cookie on, which addresses are XORed with;
    raises ValueError saying what is wrong."""


_new = tuple.__new__
_address_key = struct.Struct("!QQ").unpack_from
_NO_KEY = bytes(16)


def _size(value: bytes, *sizes: int) -> None:
    if len(value) not in sizes:
        wanted = " or ".join(map(str, sizes))
        raise ValueError(f"{len(value)} bytes, not {wanted}")


def _address(value: bytes, _key: bytes) -> Endpoint:
    """A transport address in clear (RFC 8489 section 14.1)."""
    return _xor_address(value, _NO_KEY)


def _xor_address(value: bytes, key: bytes) -> Endpoint:
    """A transport address XORed with cookie and transaction id (RFC 8489 section 14.2)."""
    size = len(value)
    if size < 8:
        raise ValueError(f"{size} bytes cannot hold an address")
    family = value[1]
    word, low = _address_key(key)
    port = int.from_bytes(value[2:4], "big") ^ word >> 48
    if family == 1 and size == 8:
        address = address_of(4, 0, int.from_bytes(value[4:8], "big") ^ word >> 32)
    elif family == 2 and size == 20:
        high_there, low_there = _address_key(value, 4)
        address = address_of(6, high_there ^ word, low_there ^ low)
    elif family == 1 or family == 2:
        wanted = "IPv4 address takes 8" if family == 1 else "IPv6 address takes 20"
        raise ValueError(f"{size} bytes, an {wanted}")
    else:
        raise ValueError(f"family {family} is neither 1 (IPv4) nor 2 (IPv6)")
    return _new(Endpoint, (address, port))


def _bytes(value: bytes, _key: bytes) -> bytes:
    return value


def _text(value: bytes, _key: bytes) -> str:
    """UTF-8; agents end it with zero bytes now and then, which are not part of the text."""
    try:
        return value.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None


def _u16(value: bytes, _key: bytes) -> int:
    """16 bits, alone or followed by two reserved bytes."""
    _size(value, 2, 4)
    return value[0] << 8 | value[1]


def _u32(value: bytes, _key: bytes) -> int:
    if len(value) != 4:
        raise ValueError(f"{len(value)} bytes, not 4")
    return int.from_bytes(value, "big")


def _u64(value: bytes, _key: bytes) -> int:
    if len(value) != 8:
        raise ValueError(f"{len(value)} bytes, not 8")
    return int.from_bytes(value, "big")


def _first_byte(value: bytes, _key: bytes) -> int:
    """One byte of value and three reserved."""
    _size(value, 4)
    return value[0]


def _even_port(value: bytes, _key: bytes) -> int:
    """1 if the next port is to be reserved too (RFC 8656 section 18.6)."""
    _size(value, 1, 4)
    return value[0] >> 7


def _flag(value: bytes, _key: bytes) -> int:
    """An attribute whose presence is its meaning."""
    _size(value, 0)
    return 1


def _u16_list(value: bytes, _key: bytes) -> tuple[int, ...]:
    if len(value) % 2:
        raise ValueError(f"{len(value)} bytes do not hold 16-bit numbers")
    return tuple(value[i] << 8 | value[i + 1] for i in range(0, len(value), 2))


def _u32_list(value: bytes, _key: bytes) -> tuple[int, ...]:
    if len(value) % 4:
        raise ValueError(f"{len(value)} bytes do not hold 32-bit numbers")
    return tuple(int.from_bytes(value[i : i + 4], "big") for i in range(0, len(value), 4))


def _code_and_reason(value: bytes) -> tuple[int, str]:
    if len(value) < 4:
        raise ValueError(f"{len(value)} bytes, at least 4")
    reason = value[4:].rstrip(b"\0").decode(errors="replace")
    return (value[2] & 7) * 100 + value[3], reason


def _error_code(value: bytes, _key: bytes) -> ErrorCode:
    return ErrorCode(*_code_and_reason(value))


def _address_error_code(value: bytes, _key: bytes) -> ErrorCode:
    code, reason = _code_and_reason(value)
    return ErrorCode(code, reason, value[0])


def _algorithms(value: bytes, _key: bytes) -> tuple[PasswordAlgorithm, ...]:
    found, at = [], 0
    while at < len(value):
        if at + 4 > len(value):
            raise ValueError(f"an algorithm is cut at byte {at}")
        algorithm = value[at] << 8 | value[at + 1]
        size = value[at + 2] << 8 | value[at + 3]
        if at + 4 + size > len(value):
            raise ValueError(f"the parameters at byte {at + 4} take {size} bytes")
        found.append(PasswordAlgorithm(algorithm, value[at + 4 : at + 4 + size]))
        at += 4 + (size + 3 & ~3)
    return tuple(found)


def _icmp(value: bytes, _key: bytes) -> IcmpInfo:
    """RFC 8656 section 18.13: 16 reserved bits, 7 of type, 9 of code, 32 of data."""
    _size(value, 8)
    word = value[2] << 8 | value[3]
    return IcmpInfo(word >> 9, word & 0x1FF, value[4:])


def _network_info(value: bytes, _key: bytes) -> NetworkInfo:
    word = _u32(value, b"")
    return NetworkInfo(word >> 16, word & 0xFFFF)


def _transmit_counter(value: bytes, _key: bytes) -> TransmitCounter:
    _size(value, 4)
    return TransmitCounter(value[2], value[3])


_MS_TURN = "[MS-TURN]"
_MS_ICE = "[MS-ICE2]"
_WEBRTC = "libwebrtc"
_WHATSAPP = "WhatsApp, unpublished"

ATTRIBUTES: dict[int, AttributeKind] = {
    0x0001: AttributeKind("MAPPED-ADDRESS", "RFC 8489", _address),
    0x0002: AttributeKind("RESPONSE-ADDRESS", "RFC 3489", _address),
    0x0003: AttributeKind("CHANGE-REQUEST", "RFC 5780", _u32),
    0x0004: AttributeKind("SOURCE-ADDRESS", "RFC 3489", _address),
    0x0005: AttributeKind("CHANGED-ADDRESS", "RFC 3489", _address),
    0x0006: AttributeKind("USERNAME", "RFC 8489", _text),
    0x0007: AttributeKind("PASSWORD", "RFC 3489", _text),
    0x0008: AttributeKind("MESSAGE-INTEGRITY", "RFC 8489", _bytes),
    0x0009: AttributeKind("ERROR-CODE", "RFC 8489", _error_code),
    0x000A: AttributeKind("UNKNOWN-ATTRIBUTES", "RFC 8489", _u16_list),
    0x000B: AttributeKind("REFLECTED-FROM", "RFC 3489", _address),
    0x000C: AttributeKind("CHANNEL-NUMBER", "RFC 8656", _u16),
    0x000D: AttributeKind("LIFETIME", "RFC 8656", _u32),
    0x000F: AttributeKind("MAGIC-COOKIE", _MS_TURN, _u32),
    0x0010: AttributeKind("BANDWIDTH", _MS_TURN, _u32),
    0x0011: AttributeKind("DESTINATION-ADDRESS", _MS_TURN, _address),
    0x0012: AttributeKind("XOR-PEER-ADDRESS", "RFC 8656", _xor_address),
    0x0013: AttributeKind("DATA", "RFC 8656", _bytes),
    0x0014: AttributeKind("REALM", "RFC 8489", _text),
    0x0015: AttributeKind("NONCE", "RFC 8489", _text),
    0x0016: AttributeKind("XOR-RELAYED-ADDRESS", "RFC 8656", _xor_address),
    0x0017: AttributeKind("REQUESTED-ADDRESS-FAMILY", "RFC 8656", _first_byte),
    0x0018: AttributeKind("EVEN-PORT", "RFC 8656", _even_port),
    0x0019: AttributeKind("REQUESTED-TRANSPORT", "RFC 8656", _first_byte),
    0x001A: AttributeKind("DONT-FRAGMENT", "RFC 8656", _flag),
    0x001B: AttributeKind("ACCESS-TOKEN", "RFC 7635", _bytes),
    0x001C: AttributeKind("MESSAGE-INTEGRITY-SHA256", "RFC 8489", _bytes),
    0x001D: AttributeKind("PASSWORD-ALGORITHM", "RFC 8489", _algorithms),
    0x001E: AttributeKind("USERHASH", "RFC 8489", _bytes),
    0x0020: AttributeKind("XOR-MAPPED-ADDRESS", "RFC 8489", _xor_address),
    0x0021: AttributeKind("TIMER-VAL", "RFC 5766 drafts", _u32),
    0x0022: AttributeKind("RESERVATION-TOKEN", "RFC 8656", _bytes),
    0x0024: AttributeKind("PRIORITY", "RFC 8445", _u32),
    0x0025: AttributeKind("USE-CANDIDATE", "RFC 8445", _flag),
    0x0026: AttributeKind("PADDING", "RFC 5780", _bytes),
    0x0027: AttributeKind("RESPONSE-PORT", "RFC 5780", _u16),
    0x0028: AttributeKind("XOR-REFLECTED-FROM", "RFC 5780 drafts", _xor_address),
    0x002A: AttributeKind("CONNECTION-ID", "RFC 6062", _u32),
    0x0030: AttributeKind("ICMP", "RFC 8656 drafts", _icmp),
    0x4000: AttributeKind("WHATSAPP-RELAY-TOKEN", _WHATSAPP, _bytes),
    0x8000: AttributeKind("ADDITIONAL-ADDRESS-FAMILY", "RFC 8656", _first_byte),
    0x8001: AttributeKind("ADDRESS-ERROR-CODE", "RFC 8656", _address_error_code),
    0x8002: AttributeKind("PASSWORD-ALGORITHMS", "RFC 8489", _algorithms),
    0x8003: AttributeKind("ALTERNATE-DOMAIN", "RFC 8489", _text),
    0x8004: AttributeKind("ICMP", "RFC 8656", _icmp),
    0x8008: AttributeKind("MS-VERSION", _MS_TURN, _u32),
    0x8020: AttributeKind("XOR-MAPPED-ADDRESS (draft)", _MS_TURN, _xor_address),
    0x8022: AttributeKind("SOFTWARE", "RFC 8489", _text),
    0x8023: AttributeKind("ALTERNATE-SERVER", "RFC 8489", _address),
    0x8025: AttributeKind("TRANSACTION-TRANSMIT-COUNTER", "RFC 7982", _transmit_counter),
    0x8027: AttributeKind("CACHE-TIMEOUT", "RFC 5780", _u32),
    0x8028: AttributeKind("FINGERPRINT", "RFC 8489", _u32),
    0x8029: AttributeKind("ICE-CONTROLLED", "RFC 8445", _u64),
    0x802A: AttributeKind("ICE-CONTROLLING", "RFC 8445", _u64),
    0x802B: AttributeKind("RESPONSE-ORIGIN", "RFC 5780", _address),
    0x802C: AttributeKind("OTHER-ADDRESS", "RFC 5780", _address),
    0x802D: AttributeKind("ECN-CHECK-STUN", "RFC 6679", _bytes),
    0x802E: AttributeKind("THIRD-PARTY-AUTHORIZATION", "RFC 7635", _text),
    0x802F: AttributeKind("ORIGIN", "draft-ietf-tram-stun-origin", _text),
    0x8030: AttributeKind("MOBILITY-TICKET", "RFC 8016", _bytes),
    0x8050: AttributeKind("MS-SEQUENCE-NUMBER", _MS_TURN, _bytes),
    0x8054: AttributeKind("MS-CANDIDATE-IDENTIFIER", _MS_ICE, _text),
    0x8055: AttributeKind("MS-SERVICE-QUALITY", _MS_TURN, _u16_list),
    0x8056: AttributeKind("MS-BANDWIDTH-ADMISSION", _MS_TURN, _bytes),
    0x8057: AttributeKind("MS-BANDWIDTH-RESERVATION-ID", _MS_TURN, _bytes),
    0x8058: AttributeKind("MS-BANDWIDTH-RESERVATION-AMOUNT", _MS_TURN, _bytes),
    0x8059: AttributeKind("MS-REMOTE-SITE-ADDRESS", _MS_TURN, _address),
    0x805A: AttributeKind("MS-REMOTE-RELAY-SITE-ADDRESS", _MS_TURN, _address),
    0x805B: AttributeKind("MS-LOCAL-SITE-ADDRESS", _MS_TURN, _address),
    0x805C: AttributeKind("MS-LOCAL-RELAY-SITE-ADDRESS", _MS_TURN, _address),
    0x805D: AttributeKind("MS-REMOTE-SITE-ADDRESS-RESPONSE", _MS_TURN, _address),
    0x805E: AttributeKind("MS-REMOTE-RELAY-SITE-ADDRESS-RESPONSE", _MS_TURN, _address),
    0x805F: AttributeKind("MS-LOCAL-SITE-ADDRESS-RESPONSE", _MS_TURN, _address),
    0x8060: AttributeKind("MS-LOCAL-RELAY-SITE-ADDRESS-RESPONSE", _MS_TURN, _address),
    0x8061: AttributeKind("MS-SIP-DIALOG-ID", _MS_TURN, _text),
    0x8062: AttributeKind("MS-SIP-CALL-ID", _MS_TURN, _text),
    0x8068: AttributeKind("MS-LOCATION-PROFILE", _MS_TURN, _bytes),
    0x8070: AttributeKind("MS-IMPLEMENTATION-VERSION", _MS_ICE, _u32),
    0x8090: AttributeKind("MS-ALT-MAPPED-ADDRESS", _MS_TURN, _address),
    0x8095: AttributeKind("MS-MULTIPLEXED-TURN-SESSION-ID", _MS_TURN, _bytes),
    0xC000: AttributeKind("CISCO-STUN-FLOWDATA", "IANA", _bytes),
    0xC001: AttributeKind("NOMINATION", _WEBRTC, _bytes),
    0xC002: AttributeKind("ENF-NETWORK-STATUS", "IANA", _bytes),
    0xC003: AttributeKind("CISCO-WEBEX-FLOW-INFO", "IANA", _bytes),
    0xC056: AttributeKind("CITRIX-TRANSACTION-ID", "IANA", _bytes),
    0xC057: AttributeKind("GOOG-NETWORK-INFO", "IANA", _network_info),
    0xC058: AttributeKind("GOOG-LAST-ICE-CHECK-RECEIVED", "IANA", _bytes),
    0xC059: AttributeKind("GOOG-MISC-INFO", "IANA", _u16_list),
    0xC05A: AttributeKind("GOOG-OBSOLETE-1", "IANA", _bytes),
    0xC05B: AttributeKind("GOOG-CONNECTION-ID", "IANA", _bytes),
    0xC05C: AttributeKind("GOOG-DELTA", "IANA", _bytes),
    0xC05D: AttributeKind("GOOG-DELTA-ACK", "IANA", _bytes),
    0xC05E: AttributeKind("GOOG-DELTA-SYNC-REQ", "IANA", _bytes),
    0xC060: AttributeKind("GOOG-MESSAGE-INTEGRITY-32", "IANA", _bytes),
    0xC070: AttributeKind("META-DTLS-IN-STUN", _WEBRTC, _bytes),
    0xC071: AttributeKind("META-DTLS-IN-STUN-ACKNOWLEDGEMENT", _WEBRTC, _u32_list),
    0xFF00: AttributeKind("RETRANSMIT-COUNT", _WEBRTC, _u32),
    0xFF05: AttributeKind("TURN-LOGGING-ID", _WEBRTC, _text),
}

MS_TURN_ATTRIBUTES: dict[int, AttributeKind] = {
    0x0006: AttributeKind("USERNAME", _MS_TURN, _bytes),
    0x000E: AttributeKind("ALTERNATE-SERVER", _MS_TURN, _address),
    0x0012: AttributeKind("REMOTE-ADDRESS", _MS_TURN, _address),
    0x0014: AttributeKind("NONCE", _MS_TURN, _bytes),
    0x0015: AttributeKind("REALM", _MS_TURN, _text),
}
"""Where [MS-TURN] differs: binary credentials, REALM and NONCE the other way round, and a
peer's address in clear. Its messages are known by their MAGIC-COOKIE attribute."""


def attribute_name(type_: int) -> str:
    """The registered name, or the type in hexadecimal."""
    kind = ATTRIBUTES.get(type_)
    return kind.name if kind else f"0x{type_:04X}"


def comprehension_required(type_: int) -> bool:
    """Whether a receiver that does not know the type must refuse (RFC 8489 section 14)."""
    return type_ < 0x8000
