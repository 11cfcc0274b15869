"""Community ID, the flow hash that other tools print: the public specification, version 1."""

from __future__ import annotations

import base64
import hashlib
import struct

from pcapleak.values.packets import Endpoint
from pcapleak.values.registries import ICMP, ICMPV6

# Request and answer: RFC 792, 950, 1256; RFC 4443, 4861, 2710, and 4068's successors as the
# specification's reference code lists them. An echo and its reply are one conversation.
_EXCHANGES = {
    ICMP: ((8, 0), (13, 14), (15, 16), (10, 9), (17, 18)),
    ICMPV6: ((128, 129), (133, 134), (135, 136), (130, 131), (139, 140), (144, 145)),
}
ICMP_ANSWERS: dict[int, dict[int, int]] = {
    protocol: dict(pairs) | {answer: request for request, answer in pairs}
    for protocol, pairs in _EXCHANGES.items()
}
"""By protocol: the ICMP type that answers, or asks for, each type of an exchange."""

_WITH_PORTS = frozenset((ICMP, 6, 17, ICMPV6, 132))


def community_id(protocol: int, source: Endpoint, destination: Endpoint, seed: int = 0) -> str:
    """The identifier of a flow, equal for both directions.

    For ICMP the source's port is the type and the destination's the type that answers it, or
    the code where nothing does.
    """
    answers = ICMP_ANSWERS.get(protocol)
    one_way = answers is not None and source.port not in answers
    first = source.address.packed, source.port
    second = destination.address.packed, destination.port
    if not one_way and second < first:
        first, second = second, first
    data = struct.pack("!H", seed) + first[0] + second[0] + bytes((protocol, 0))
    if protocol in _WITH_PORTS:
        data += struct.pack("!HH", first[1], second[1])
    digest = hashlib.sha1(data, usedforsecurity=False).digest()
    return "1:" + base64.b64encode(digest).decode()
