"""What STUN messages carry beyond the numbers and addresses of the protocol."""

from __future__ import annotations

from pcapleak.decode.stun.attributes import (
    ALTERNATE_DOMAIN,
    ATTRIBUTES,
    DATA,
    ERROR_CODE,
    NONCE,
    ORIGIN,
    PADDING,
    REALM,
    SOFTWARE,
    USERNAME,
)
from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.track.sightings import Budget, Sighting, see
from pcapleak.values.packets import Context

MAX_CARRIED = 128
"""Bytes kept of a value."""

MAX_VALUES = 32
"""Different values kept for one link, of all attributes together."""

_TEXTS = frozenset((SOFTWARE, REALM, ORIGIN, PADDING, ALTERNATE_DOMAIN, ERROR_CODE, USERNAME))
"""Attributes whose value is up to their sender, within limits."""

TURN = frozenset(ATTRIBUTES) - _TEXTS
"""Attributes of messages of TURN that are passed over: all that are known, but free text."""
CHECKS = TURN | {USERNAME}
"""The same of checks, whose usernames are kept elsewhere."""
BINDINGS = TURN - {DATA}
"""The same of Binding requests."""

NONCE_SIZE = 128
"""Characters that a NONCE has at most (RFC 8489 section 14.10)."""


def odd_nonce(message: StunMessage) -> bytes | None:
    """A NONCE that is none, cut short: too long, or text with spaces. Each server has others all
    the time, so the rest are not kept."""
    for attribute in message.attributes:
        if attribute.type == NONCE:
            value = attribute.value
            spaced = b" " in value and all(32 <= byte < 127 for byte in value)
            return value[:MAX_CARRIED] if spaced or len(value) > NONCE_SIZE else None
    return None


def carry(
    carried: dict[tuple[int, bytes], Sighting],
    context: Context,
    message: StunMessage,
    plain: frozenset[int],
    budget: Budget,
) -> list[Sighting | None]:
    """Note in `carried` what attributes hold that are not `plain`; give what was counted."""
    return [
        see(carried, (attribute.type, attribute.value[:MAX_CARRIED]), context, MAX_VALUES, budget)
        for attribute in message.attributes
        if attribute.type not in plain
    ]
