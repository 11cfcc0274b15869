"""The STUN attributes: one table of type, name, source and decoder.

The table holds the IANA registry of STUN attributes and what vendors send without
registering. Which attributes a receiver must understand follows from the type (RFC 8489
section 14: below 0x8000), so it is no column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pcapleak.decode.stun import values

MAPPED_ADDRESS = 0x0001
CHANGE_REQUEST = 0x0003
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
EVEN_PORT = 0x0018
REQUESTED_TRANSPORT = 0x0019
DONT_FRAGMENT = 0x001A
MESSAGE_INTEGRITY_SHA256 = 0x001C
PASSWORD_ALGORITHM = 0x001D
USERHASH = 0x001E
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
PADDING = 0x0026
RESPONSE_PORT = 0x0027
ALTERNATE_DOMAIN = 0x8003
MS_XOR_MAPPED_ADDRESS = 0x8020
SOFTWARE = 0x8022
ALTERNATE_SERVER = 0x8023
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029
ICE_CONTROLLING = 0x802A
RESPONSE_ORIGIN = 0x802B
OTHER_ADDRESS = 0x802C
ORIGIN = 0x802F
MS_CANDIDATE_IDENTIFIER = 0x8054
MS_IMPLEMENTATION_VERSION = 0x8070
NOMINATION = 0xC001
GOOG_NETWORK_INFO = 0xC057
GOOG_MESSAGE_INTEGRITY_32 = 0xC060
META_DTLS_IN_STUN = 0xC070


class AttributeKind(NamedTuple):
    """What the table knows of an attribute type."""

    name: str
    source: str
    decode: Callable[[bytes, bytes], values.Value]
    """One of `stun_values`."""


_MS_TURN = "[MS-TURN]"
_MS_ICE = "[MS-ICE2]"
_WEBRTC = "libwebrtc"
_WHATSAPP = "WhatsApp, unpublished"

ATTRIBUTES: dict[int, AttributeKind] = {
    0x0001: AttributeKind("MAPPED-ADDRESS", "RFC 8489", values.address),
    0x0002: AttributeKind("RESPONSE-ADDRESS", "RFC 3489", values.address),
    0x0003: AttributeKind("CHANGE-REQUEST", "RFC 5780", values.u32),
    0x0004: AttributeKind("SOURCE-ADDRESS", "RFC 3489", values.address),
    0x0005: AttributeKind("CHANGED-ADDRESS", "RFC 3489", values.address),
    0x0006: AttributeKind("USERNAME", "RFC 8489", values.text),
    0x0007: AttributeKind("PASSWORD", "RFC 3489", values.text),
    0x0008: AttributeKind("MESSAGE-INTEGRITY", "RFC 8489", values.opaque),
    0x0009: AttributeKind("ERROR-CODE", "RFC 8489", values.error_code),
    0x000A: AttributeKind("UNKNOWN-ATTRIBUTES", "RFC 8489", values.u16_list),
    0x000B: AttributeKind("REFLECTED-FROM", "RFC 3489", values.address),
    0x000C: AttributeKind("CHANNEL-NUMBER", "RFC 8656", values.u16),
    0x000D: AttributeKind("LIFETIME", "RFC 8656", values.u32),
    0x000F: AttributeKind("MAGIC-COOKIE", _MS_TURN, values.u32),
    0x0010: AttributeKind("BANDWIDTH", _MS_TURN, values.u32),
    0x0011: AttributeKind("DESTINATION-ADDRESS", _MS_TURN, values.address),
    0x0012: AttributeKind("XOR-PEER-ADDRESS", "RFC 8656", values.xor_address),
    0x0013: AttributeKind("DATA", "RFC 8656", values.opaque),
    0x0014: AttributeKind("REALM", "RFC 8489", values.text),
    0x0015: AttributeKind("NONCE", "RFC 8489", values.text),
    0x0016: AttributeKind("XOR-RELAYED-ADDRESS", "RFC 8656", values.xor_address),
    0x0017: AttributeKind("REQUESTED-ADDRESS-FAMILY", "RFC 8656", values.first_byte),
    0x0018: AttributeKind("EVEN-PORT", "RFC 8656", values.even_port),
    0x0019: AttributeKind("REQUESTED-TRANSPORT", "RFC 8656", values.first_byte),
    0x001A: AttributeKind("DONT-FRAGMENT", "RFC 8656", values.flag),
    0x001B: AttributeKind("ACCESS-TOKEN", "RFC 7635", values.opaque),
    0x001C: AttributeKind("MESSAGE-INTEGRITY-SHA256", "RFC 8489", values.opaque),
    0x001D: AttributeKind("PASSWORD-ALGORITHM", "RFC 8489", values.algorithms),
    0x001E: AttributeKind("USERHASH", "RFC 8489", values.opaque),
    0x0020: AttributeKind("XOR-MAPPED-ADDRESS", "RFC 8489", values.xor_address),
    0x0021: AttributeKind("TIMER-VAL", "RFC 5766 drafts", values.u32),
    0x0022: AttributeKind("RESERVATION-TOKEN", "RFC 8656", values.opaque),
    0x0024: AttributeKind("PRIORITY", "RFC 8445", values.u32),
    0x0025: AttributeKind("USE-CANDIDATE", "RFC 8445", values.flag),
    0x0026: AttributeKind("PADDING", "RFC 5780", values.opaque),
    0x0027: AttributeKind("RESPONSE-PORT", "RFC 5780", values.u16),
    0x0028: AttributeKind("XOR-REFLECTED-FROM", "RFC 5780 drafts", values.xor_address),
    0x002A: AttributeKind("CONNECTION-ID", "RFC 6062", values.u32),
    0x0030: AttributeKind("ICMP", "RFC 8656 drafts", values.icmp),
    0x0101: AttributeKind("ZOOM-0x0101", "Zoom, as seen", values.opaque),
    0x0103: AttributeKind("ZOOM-0x0103", "Zoom, as seen", values.opaque),
    0x4000: AttributeKind("WHATSAPP-RELAY-TOKEN", _WHATSAPP, values.opaque),
    0x8000: AttributeKind("ADDITIONAL-ADDRESS-FAMILY", "RFC 8656", values.first_byte),
    0x8001: AttributeKind("ADDRESS-ERROR-CODE", "RFC 8656", values.address_error_code),
    0x8002: AttributeKind("PASSWORD-ALGORITHMS", "RFC 8489", values.algorithms),
    0x8003: AttributeKind("ALTERNATE-DOMAIN", "RFC 8489", values.text),
    0x8004: AttributeKind("ICMP", "RFC 8656", values.icmp),
    0x8008: AttributeKind("MS-VERSION", _MS_TURN, values.u32),
    0x8020: AttributeKind("XOR-MAPPED-ADDRESS (draft)", _MS_TURN, values.xor_address),
    0x8022: AttributeKind("SOFTWARE", "RFC 8489", values.text),
    0x8023: AttributeKind("ALTERNATE-SERVER", "RFC 8489", values.address),
    0x8025: AttributeKind("TRANSACTION-TRANSMIT-COUNTER", "RFC 7982", values.transmit_counter),
    0x8027: AttributeKind("CACHE-TIMEOUT", "RFC 5780", values.u32),
    0x8028: AttributeKind("FINGERPRINT", "RFC 8489", values.u32),
    0x8029: AttributeKind("ICE-CONTROLLED", "RFC 8445", values.u64),
    0x802A: AttributeKind("ICE-CONTROLLING", "RFC 8445", values.u64),
    0x802B: AttributeKind("RESPONSE-ORIGIN", "RFC 5780", values.address),
    0x802C: AttributeKind("OTHER-ADDRESS", "RFC 5780", values.address),
    0x802D: AttributeKind("ECN-CHECK-STUN", "RFC 6679", values.opaque),
    0x802E: AttributeKind("THIRD-PARTY-AUTHORIZATION", "RFC 7635", values.text),
    0x802F: AttributeKind("ORIGIN", "draft-ietf-tram-stun-origin", values.text),
    0x8030: AttributeKind("MOBILITY-TICKET", "RFC 8016", values.opaque),
    0x8050: AttributeKind("MS-SEQUENCE-NUMBER", _MS_TURN, values.opaque),
    0x8054: AttributeKind("MS-CANDIDATE-IDENTIFIER", _MS_ICE, values.text),
    0x8055: AttributeKind("MS-SERVICE-QUALITY", _MS_TURN, values.u16_list),
    0x8056: AttributeKind("MS-BANDWIDTH-ADMISSION", _MS_TURN, values.opaque),
    0x8057: AttributeKind("MS-BANDWIDTH-RESERVATION-ID", _MS_TURN, values.opaque),
    0x8058: AttributeKind("MS-BANDWIDTH-RESERVATION-AMOUNT", _MS_TURN, values.opaque),
    0x8059: AttributeKind("MS-REMOTE-SITE-ADDRESS", _MS_TURN, values.address),
    0x805A: AttributeKind("MS-REMOTE-RELAY-SITE-ADDRESS", _MS_TURN, values.address),
    0x805B: AttributeKind("MS-LOCAL-SITE-ADDRESS", _MS_TURN, values.address),
    0x805C: AttributeKind("MS-LOCAL-RELAY-SITE-ADDRESS", _MS_TURN, values.address),
    0x805D: AttributeKind("MS-REMOTE-SITE-ADDRESS-RESPONSE", _MS_TURN, values.address),
    0x805E: AttributeKind("MS-REMOTE-RELAY-SITE-ADDRESS-RESPONSE", _MS_TURN, values.address),
    0x805F: AttributeKind("MS-LOCAL-SITE-ADDRESS-RESPONSE", _MS_TURN, values.address),
    0x8060: AttributeKind("MS-LOCAL-RELAY-SITE-ADDRESS-RESPONSE", _MS_TURN, values.address),
    0x8061: AttributeKind("MS-SIP-DIALOG-ID", _MS_TURN, values.text),
    0x8062: AttributeKind("MS-SIP-CALL-ID", _MS_TURN, values.text),
    0x8068: AttributeKind("MS-LOCATION-PROFILE", _MS_TURN, values.opaque),
    0x8070: AttributeKind("MS-IMPLEMENTATION-VERSION", _MS_ICE, values.u32),
    0x8090: AttributeKind("MS-ALT-MAPPED-ADDRESS", _MS_TURN, values.address),
    0x8095: AttributeKind("MS-MULTIPLEXED-TURN-SESSION-ID", _MS_TURN, values.opaque),
    0xC000: AttributeKind("CISCO-STUN-FLOWDATA", "IANA", values.opaque),
    0xC001: AttributeKind("NOMINATION", _WEBRTC, values.nomination),
    0xC002: AttributeKind("ENF-NETWORK-STATUS", "IANA", values.opaque),
    0xC003: AttributeKind("CISCO-WEBEX-FLOW-INFO", "IANA", values.opaque),
    0xC056: AttributeKind("CITRIX-TRANSACTION-ID", "IANA", values.opaque),
    0xC057: AttributeKind("GOOG-NETWORK-INFO", "IANA", values.network_info),
    0xC058: AttributeKind("GOOG-LAST-ICE-CHECK-RECEIVED", "IANA", values.opaque),
    0xC059: AttributeKind("GOOG-MISC-INFO", "IANA", values.u16_list),
    0xC05A: AttributeKind("GOOG-OBSOLETE-1", "IANA", values.opaque),
    0xC05B: AttributeKind("GOOG-CONNECTION-ID", "IANA", values.opaque),
    0xC05C: AttributeKind("GOOG-DELTA", "IANA", values.delta),
    0xC05D: AttributeKind("GOOG-DELTA-ACK", "IANA", values.u64),
    0xC05E: AttributeKind("GOOG-DELTA-SYNC-REQ", "IANA", values.opaque),
    0xC060: AttributeKind("GOOG-MESSAGE-INTEGRITY-32", "IANA", values.opaque),
    0xC070: AttributeKind("META-DTLS-IN-STUN", _WEBRTC, values.opaque),
    0xC071: AttributeKind("META-DTLS-IN-STUN-ACKNOWLEDGEMENT", _WEBRTC, values.u32_list),
    0xFF00: AttributeKind("RETRANSMIT-COUNT", _WEBRTC, values.u32),
    0xFF05: AttributeKind("TURN-LOGGING-ID", _WEBRTC, values.text),
}

MS_TURN_ATTRIBUTES: dict[int, AttributeKind] = {
    0x0006: AttributeKind("USERNAME", _MS_TURN, values.opaque),
    0x000E: AttributeKind("ALTERNATE-SERVER", _MS_TURN, values.address),
    0x0012: AttributeKind("REMOTE-ADDRESS", _MS_TURN, values.address),
    0x0014: AttributeKind("NONCE", _MS_TURN, values.opaque),
    0x0015: AttributeKind("REALM", _MS_TURN, values.text),
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
