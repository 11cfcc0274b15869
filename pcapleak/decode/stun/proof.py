"""Whether a message was made by somebody who knows the password."""

from __future__ import annotations

from typing import Literal

from pcapleak.decode.stun import attributes as attr
from pcapleak.decode.stun.integrity import integrity_matches, long_term_key, short_term_key
from pcapleak.decode.stun.message import StunMessage

_STRONGEST_FIRST = (
    (attr.MESSAGE_INTEGRITY_SHA256, "sha256"),
    (attr.MESSAGE_INTEGRITY, "sha1"),
    (attr.GOOG_MESSAGE_INTEGRITY_32, "sha1"),
)


def prove(
    message: StunMessage, password: str, *, username: str | None = None, realm: str | None = None
) -> Literal["ok", "bad"] | None:
    """Whether the strongest integrity attribute of `message` agrees with `password`.

    None where it has no such attribute, or one that redaction blanked. A message with USERNAME
    and REALM is proved by the long-term key, any other by the short-term one (RFC 8489 section
    9). A TURN server's answers name neither: give those of the request as `username` and `realm`.
    """
    # Redaction leaves zeros in their place, which prove nothing.
    present = [pair for pair in _STRONGEST_FIRST if any(message.raw(pair[0]) or b"")]
    if not present:
        return None
    type_, digest = present[0]
    at = message.first[type_]
    user, domain = message.username or username, message.realm or realm
    if user is None or domain is None:
        keys = [short_term_key(password)]
    else:
        keys = [
            long_term_key(user, domain, password),
            long_term_key(user, domain, password, sha256=True),
        ]
    matches = any(integrity_matches(message.wire, at, key, digest=digest) for key in keys)
    return "ok" if matches else "bad"
