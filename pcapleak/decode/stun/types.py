"""The numbers of STUN: classes, methods and error codes."""

from __future__ import annotations

from typing import Literal

Class = Literal["request", "indication", "success", "error"]
CLASSES: tuple[Class, Class, Class, Class] = ("request", "indication", "success", "error")
CLASS_NAMES: dict[Class, str] = {
    "request": "Request",
    "indication": "Indication",
    "success": "Success Response",
    "error": "Error Response",
}

METHODS = {
    0x001: "Binding",
    0x002: "SharedSecret",
    0x003: "Allocate",
    0x004: "Refresh",
    0x006: "Send",
    0x007: "Data",
    0x008: "CreatePermission",
    0x009: "ChannelBind",
    0x00A: "Connect",
    0x00B: "ConnectionBind",
    0x00C: "ConnectionAttempt",
    0x080: "GOOG-PING",
}
"""Methods by number: RFC 8489 section 18.2, RFC 8656 section 17, RFC 6062 section 6.1,
libwebrtc's api/transport/stun.h."""

MS_TURN_TYPES: dict[int, tuple[str, Class]] = {
    0x0003: ("Allocate", "request"),
    0x0103: ("Allocate", "success"),
    0x0113: ("Allocate", "error"),
    0x0004: ("Send", "request"),
    0x0104: ("Send", "success"),
    0x0114: ("Send", "error"),
    0x0115: ("Data", "indication"),
    0x0006: ("SetActiveDestination", "request"),
    0x0106: ("SetActiveDestination", "success"),
    0x0116: ("SetActiveDestination", "error"),
}
"""Types as [MS-TURN] section 2.2.1 numbers them, which is not how RFC 8656 does."""

ERROR_NAMES = {
    300: "Try Alternate",
    400: "Bad Request",
    401: "Unauthenticated",
    403: "Forbidden",
    405: "Mobility Forbidden",
    420: "Unknown Attribute",
    430: "Stale Credentials",
    431: "Integrity Check Failure",
    432: "Missing Username",
    433: "Use TLS",
    434: "Missing Realm",
    437: "Allocation Mismatch",
    438: "Stale Nonce",
    440: "Address Family not Supported",
    441: "Wrong Credentials",
    442: "Unsupported Transport Protocol",
    443: "Peer Address Family Mismatch",
    446: "Connection Already Exists",
    447: "Connection Timeout or Failure",
    481: "Connection does not exist",
    486: "Allocation Quota Reached",
    487: "Role Conflict",
    500: "Server Error",
    508: "Insufficient Capacity",
    600: "Global Failure",
}
"""Error codes: RFC 8489 section 14.8, RFC 8656 section 19, RFC 6062 section 6.3, RFC 8445
section 16.2, RFC 8016 section 6.2; 430 to 434 and 600 are of RFC 3489 section 11.2.9, 481 is
of [MS-TURN]."""


def error_name(code: int) -> str:
    """The registered phrase of an error code, or its number alone."""
    return ERROR_NAMES.get(code, f"error {code}")
