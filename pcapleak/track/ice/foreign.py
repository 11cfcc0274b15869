"""What about a STUN request no browser does."""

from __future__ import annotations

from pcapleak.decode.stun.attributes import (
    CHANGE_REQUEST,
    DONT_FRAGMENT,
    EVEN_PORT,
    FINGERPRINT,
    PADDING,
    RESPONSE_PORT,
    SOFTWARE,
    attribute_name,
)
from pcapleak.decode.stun.decoder import StunMessage

NO_COOKIE = "no magic cookie: RFC 3489"
"""What is foreign about messages whose transaction id takes the cookie's place."""

_FOREIGN = (SOFTWARE, FINGERPRINT, CHANGE_REQUEST, PADDING, RESPONSE_PORT)
"""No browser probes how a NAT behaves (RFC 5780)."""
_FOREIGN_ALLOCATION = (SOFTWARE, EVEN_PORT, DONT_FRAGMENT)
"""libwebrtc's and nICEr's allocations have none of these; nICEr's have FINGERPRINT."""


def foreign_request(message: StunMessage) -> str | None:
    """Of a Binding request without ICE's attributes."""
    if not message.has_cookie:
        return NO_COOKIE
    for attribute in _FOREIGN:
        if message.has(attribute):
            return f"{attribute_name(attribute)} in gathering requests"
    return None


def foreign_allocation(message: StunMessage) -> str | None:
    """Of an Allocate request."""
    for attribute in _FOREIGN_ALLOCATION:
        if message.has(attribute):
            return f"{attribute_name(attribute)} in an Allocate request"
    return None
